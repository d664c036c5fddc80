//! The layers of a container-token request, checked when the token is made.

use super::blob::Injector;
use super::descriptor;
use super::location::{self, Inline, Location};
use super::measures::blocking;
use super::refusal::Refusal;
use super::spool::PutError;
use crate::error::Error;
use crate::grant::{Layer, Source};
use crate::oci::media::Family;
use crate::oci::{Code, Compression, Digest, Host, Platform};
use crate::upstream::guard::{Private, is_private_name};
use bytes::Bytes;
use serde::Deserialize;
use std::io;
use std::time::Duration;

/// One entry of `containerConfig.layers`. Members we do not know are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Where its bytes are: see [`Location`].
    pub location: Option<String>,
    /// Digest of the compressed layer, `sha256:` only.
    pub gzip_digest: Option<String>,
    /// Size of the compressed layer in bytes.
    pub gzip_size: Option<u64>,
    /// Digest of the tar, `sha256:` only.
    pub tar_digest: Option<String>,
    /// Media type of the layer, OCI's or Docker's: how it is compressed.
    pub media_type: Option<String>,
    /// The platforms it is for; none means all.
    pub platforms: Option<Vec<String>>,
}

/// Sizes are signed 64-bit integers wherever manifests are read (image-spec, descriptor.md).
const MAX_SIZE: u64 = i64::MAX as u64;

/// When to come back with a layer there is no room for: what is swept in a minute may make some.
const RETRY: Duration = Duration::from_secs(60);

impl Injector {
    /// Turns a request into a layer. An inline layer is decoded, must be what it promises to be, and is spooled
    /// before this returns. Remote ones are not contacted: they are verified when they are first pulled, so without
    /// a media type their name says how they are compressed (`.tar`, `.zst` and `.tzst`; gzip otherwise).
    ///
    /// Errors are 400 with the reason, 429 when there is no room for it, or 500 when it cannot be spooled.
    pub async fn accept(&self, request: Request) -> Result<Layer, Error> {
        let location = request.location.filter(|location| !location.is_empty());
        let location = location.ok_or_else(|| invalid("Missing layer location"))?;
        let digest = digest("gzip", request.gzip_digest).map_err(invalid)?;
        let size = request.gzip_size.filter(|&size| size > 0);
        let size = size.ok_or_else(|| invalid("Missing layer gzip size"))?;
        if size > MAX_SIZE {
            return Err(invalid(format!("Layer gzip size is too large -- offending value: {size}")));
        }
        let diff_id = self::digest("tar", request.tar_digest).map_err(invalid)?;
        let stated = request.media_type.filter(|media| !media.is_empty());
        let stated = stated.as_deref().map(by_media_type).transpose().map_err(invalid)?;
        let platforms = descriptor::platforms(request.platforms).map_err(invalid)?;
        let location = Location::parse(&location, self.private()).map_err(invalid)?;
        let layer = |source, name: &str| {
            let compression = stated.unwrap_or_else(|| by_name(name));
            let platforms = if platforms.is_empty() { only_for(name) } else { platforms };
            Layer { digest, size, diff_id, compression, platforms, source }
        };
        match location {
            Location::Inline(inline) => self.keep(inline, layer(Source::Spooled, ""), stated).await,
            Location::Url(url) => Ok(layer(Source::Url(url.to_string()), url.path())),
            Location::Registry(host, repository, named) => {
                if named != digest {
                    return Err(invalid(format!(
                        "Layer location names {named}, but its gzip digest is {digest}"
                    )));
                }
                self.may_name(&host)?;
                Ok(layer(Source::Registry(host, repository), ""))
            }
        }
    }

    /// Checks and spools an inline layer, whose bytes say how it is compressed.
    async fn keep(&self, inline: Inline, layer: Layer, stated: Option<Compression>) -> Result<Layer, Error> {
        let (digest, size) = (layer.digest, layer.size);
        let failed = |error: io::Error| Error::internal("unable to keep the layer").with_source(error);
        let turn = self.measures().turn().await;
        let held = turn.clone();
        let decode = move || {
            let _turn = held;
            let content = inline.decode(size)?;
            let refused = |refusal: Refusal| Err(format!("Container layer {refusal}"));
            if content.len() as u64 != size {
                return refused(Refusal::Size(size, content.len() as u64));
            }
            match Digest::sha256(&content) {
                found if found != digest => refused(Refusal::digest(digest, found)),
                _ => Ok(Bytes::from(content)),
            }
        };
        let content = blocking(decode).await.map_err(failed)?.map_err(invalid)?;
        let verdict = self.measures().inline(digest, content.clone(), turn.clone()).await.map_err(failed)?;
        let refused = |refusal: Refusal| invalid(format!("Container layer {refusal}"));
        let measured = verdict.map_err(refused)?;
        let layer = Layer { compression: stated.unwrap_or(measured.compression), ..layer };
        measured.keeps(&layer).map_err(refused)?;
        let spool = self.spool().clone();
        let put = move || {
            let _turn = turn;
            spool.put(&digest, &content)
        };
        match blocking(put).await.map_err(failed)? {
            Ok(()) => Ok(layer),
            Err(PutError::Io(error)) => Err(failed(error)),
            Err(PutError::Full) => {
                let message = "too many inline layers are kept; try again later";
                Err(Error::client(Code::TooManyRequests, message).with_retry_after(RETRY))
            }
        }
    }

    /// A registry that the operator did not name must not be a private one.
    fn may_name(&self, host: &Host) -> Result<(), Error> {
        let registry = self.registries().find(host)?;
        if registry.listed || self.private() == Private::Allowed || !is_private_name(host.name()) {
            return Ok(());
        }
        Err(invalid(format!("Layer location must be a public address -- offending value: {host}")))
    }
}

/// A digest of a request or descriptor; `which` is `gzip` or `tar`. The error is the message for the caller.
pub(super) fn digest(which: &str, text: Option<String>) -> Result<Digest, String> {
    let text = text.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| format!("Missing layer {which} digest"))?;
    let shown = location::shown(&text);
    if !text.starts_with("sha256:") {
        return Err(format!(
            "Layer {which} digest should start with the 'sha256:' prefix -- offending value: {shown}"
        ));
    }
    text.parse().map_err(|why| format!("Invalid layer {which} digest: {why} -- offending value: {shown}"))
}

/// The compression that a layer's media type names; only those of the two specifications are known.
fn by_media_type(text: &str) -> Result<Compression, String> {
    let kinds = [Compression::None, Compression::Gzip, Compression::Zstd];
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let named = |kind: &Compression| {
        [Family::Oci, Family::Docker].iter().any(|family| family.layer(*kind) == Some(&*essence))
    };
    let found = kinds.into_iter().find(named);
    found.ok_or_else(|| format!("Unsupported layer media type -- offending value: {}", location::shown(text)))
}

fn by_name(name: &str) -> Compression {
    let ends = |tails: &[&str]| tails.iter().any(|tail| name.ends_with(tail));
    match name {
        _ if ends(&[".zst", ".tzst"]) => Compression::Zstd,
        _ if ends(&[".tar"]) => Compression::None,
        _ => Compression::Gzip,
    }
}

/// A layer called `fusion-<architecture>.tar.gz` is for that architecture alone when nothing else is said.
fn only_for(name: &str) -> Vec<Platform> {
    let file = name.rsplit('/').next().unwrap_or_default();
    let architecture = file.strip_prefix("fusion-").and_then(|rest| rest.strip_suffix(".tar.gz"));
    architecture.and_then(|text| text.parse().ok()).into_iter().collect()
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::client(Code::ManifestInvalid, message)
}

#[cfg(test)]
mod tests;
