//! Layers of container-token requests: checked, and kept where they are inline.

use super::blob::Injector;
use super::location::{Location, invalid};
use super::measure;
use crate::control::LayerRequest;
use crate::error::Error;
use crate::grant::{Layer, Source};
use crate::oci::{Compression, Digest};
use std::fmt::Display;

impl Injector {
    /// Accepts a layer: an inline one is decoded, measured, compared with what the request says of it, and spooled;
    /// one that lies elsewhere is taken at its word, which is checked when it streams through. Nothing is fetched.
    pub async fn accept(&self, request: LayerRequest) -> Result<Layer, Error> {
        if request.location.is_empty() {
            return Err(invalid("Missing layer location"));
        }
        let digest = request.gzip_digest.ok_or_else(|| invalid("Missing layer gzip digest"))?;
        let size = request.gzip_size.ok_or_else(|| invalid("Missing layer gzip size"))?;
        let diff_id = request.tar_digest.ok_or_else(|| invalid("Missing layer tar digest"))?;
        if size == 0 {
            return Err(invalid("A layer gzip size must be greater than zero"));
        }
        let said = Said { digest, size, diff_id };
        let (compression, source) = match Location::parse(&request.location, self.private())? {
            Location::Url(url) => (Compression::Gzip, Source::Url(url.into())),
            Location::Registry(host, repository, blob) => {
                same("gzip digest", digest, blob)?;
                (Compression::Gzip, Source::Registry(host, repository))
            }
            Location::Inline(content) => (self.inline(content, said).await?, Source::Spooled),
        };
        Ok(Layer { digest, size, diff_id, compression, platforms: Vec::new(), source })
    }

    async fn inline(&self, content: Vec<u8>, said: Said) -> Result<Compression, Error> {
        same("gzip size", said.size, content.len() as u64)?;
        let runtime = tokio::runtime::Handle::current();
        let measured = tokio::task::spawn_blocking(move || {
            let measured = runtime.block_on(measure(&content[..], content.len() as u64));
            (content, measured)
        });
        let (content, measured) =
            measured.await.map_err(|error| Error::internal("a layer could not be measured").with_source(error))?;
        let measured = measured.map_err(|flaw| invalid(format!("The inline layer {flaw}")))?;
        same("gzip digest", said.digest, measured.digest)?;
        same("tar digest", said.diff_id, measured.diff_id)?;
        let spooled = self.spool().put(said.digest, content).await;
        spooled.map_err(|error| Error::internal("a layer could not be stored").with_source(error))?;
        Ok(measured.compression)
    }
}

/// What a request says of its layer.
struct Said {
    digest: Digest,
    size: u64,
    diff_id: Digest,
}

fn same<T: PartialEq + Display>(what: &str, said: T, is: T) -> Result<(), Error> {
    match said == is {
        true => Ok(()),
        false => Err(invalid(format!("The layer {what} is said to be {said}, but is {is}"))),
    }
}
