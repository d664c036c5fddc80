//! Serves injected layers.

use super::kept::Kept;
use super::measures::{Measures, blocking};
use super::respond::{self, Want};
use super::spool::Spool;
use crate::auth::Access;
use crate::body::{Body, FilePart};
use crate::error::Error;
use crate::grant::{Layer, Source};
use crate::oci::Digest;
use crate::pull::{Conditions, Span, Verb};
use crate::upstream::guard::Private;
use crate::upstream::{Registries, Remote, Upstream};
use bytes::Bytes;
use http::Response;
use moka::future::Cache;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Takes the layers of tokens ([`Injector::accept`]) and serves them and the operator's. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Injector {
    parts: Arc<Parts>,
    measures: Measures,
    spool: Spool,
    /// Small layers in memory.
    small: Cache<Digest, Bytes>,
}

/// What an [`Injector`] works with.
#[derive(Clone)]
pub struct Parts {
    /// For `docker://` layers.
    pub upstream: Upstream,
    /// For `https://` layers.
    pub remote: Remote,
    /// The registries of `docker://` layers.
    pub registries: Arc<Registries>,
    /// `wave.data-dir`; inline layers are kept in its subfolder `layers`.
    pub data_dir: PathBuf,
    /// The operator's layers.
    pub kept: Kept,
    /// `wave.tokens.max-bytes`, for the inline layers.
    pub max_bytes: u64,
    /// `wave.allow-private-layers`.
    pub private: Private,
    /// Shared with [`super::descriptor::load`], so that the default layer is measured once.
    pub measures: Measures,
}

/// Layers up to this size are held in memory.
const SMALL: u64 = 1 << 20;
const MEMORY: u64 = 16 << 20;

impl Injector {
    /// Opens the spool in the data directory.
    pub fn open(parts: Parts) -> io::Result<Injector> {
        let spool = Spool::open(parts.data_dir.join("layers"), parts.max_bytes)?;
        let weigh = |_: &Digest, bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let small = Cache::builder().max_capacity(MEMORY).weigher(weigh).build();
        Ok(Injector { measures: parts.measures.clone(), parts: Arc::new(parts), spool, small })
    }

    /// Answers a request for `layer`: 200, 206, 304 or 416. `access` is that of the grant.
    ///
    /// Remote layers stream through: a wrong size, digest or tar digest breaks the body before its end, and once a
    /// wrong tar digest is known, later requests get 502 with the reason. Their ranges pass unverified, and HEAD is
    /// answered with what the layer promises. A file of ours that is missing or has changed is 500 `UNKNOWN`: it was
    /// there when the manifest was made, so neither 404 nor trying again would be true.
    pub async fn serve(
        &self,
        layer: &Layer,
        access: &Access,
        verb: Verb,
        conditions: &Conditions,
    ) -> Result<Response<Body>, Error> {
        self.refuse_known(layer).await?;
        let span = match Want::of(layer, verb, conditions) {
            Want::Nothing(response) => return Ok(response),
            Want::Whole => None,
            Want::Part(span) => Some(span),
        };
        let span = span.as_ref();
        match &layer.source {
            Source::File(path) => {
                let kept = self.parts.kept.path(&layer.digest);
                self.local(layer, kept.as_deref().unwrap_or(path), verb, span).await
            }
            Source::Spooled => self.local(layer, &self.spool.path(&layer.digest), verb, span).await,
            _ if verb == Verb::Head => Ok(respond::whole(layer, Body::empty())),
            Source::Url(url) => self.url(layer, url, span).await,
            Source::Registry(host, repository) => self.blob_of(layer, (host, repository), access, span).await,
        }
    }

    /// Inline layers on disk, for those who sweep them.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    pub(super) fn measures(&self) -> &Measures {
        &self.measures
    }

    pub(super) fn registries(&self) -> &Registries {
        &self.parts.registries
    }

    pub(super) fn private(&self) -> Private {
        self.parts.private
    }

    pub(super) fn remote(&self) -> Remote {
        self.parts.remote.clone()
    }

    /// The upstream stack it fetches through.
    pub fn upstream(&self) -> Upstream {
        self.parts.upstream.clone()
    }

    /// A verdict that is already there.
    async fn refuse_known(&self, layer: &Layer) -> Result<(), Error> {
        let Some(verdict) = self.measures.known(&layer.digest).await else { return Ok(()) };
        let refused = verdict.and_then(|measured| measured.keeps(layer));
        refused.map_err(|refusal| Error::bad_gateway(format!("the injected layer {refusal}")))
    }

    async fn local(
        &self,
        layer: &Layer,
        path: &Path,
        verb: Verb,
        span: Option<&Span>,
    ) -> Result<Response<Body>, Error> {
        let bytes = span.map_or(0..layer.size, |span| span.bytes.clone());
        let body = if layer.size <= SMALL {
            let load = async {
                self.same(layer, path).await?;
                let path = path.to_path_buf();
                let content =
                    blocking(move || std::fs::read(path)).await.and_then(|read| read).map_err(gone)?;
                match layer.digest.matches(&content) {
                    Some(true) => Ok(Bytes::from(content)),
                    _ => Err(changed()),
                }
            };
            let content = self.small.try_get_with(layer.digest, load).await;
            let content = content.map_err(|error: Arc<Error>| (*error).clone())?;
            Body::full(content.slice(bytes.start as usize..bytes.end as usize))
        } else {
            self.same(layer, path).await?;
            let path = path.to_path_buf();
            let file = blocking(|| std::fs::File::open(path)).await.and_then(|open| open).map_err(gone)?;
            Body::parts(FilePart::new(file, bytes))
        };
        let body = if verb == Verb::Head { Body::empty() } else { body };
        Ok(match span {
            Some(span) => respond::part(layer, span, body),
            None => respond::whole(layer, body),
        })
    }

    /// Is the file still what it was? A look at its length and time, usually.
    async fn same(&self, layer: &Layer, path: &Path) -> Result<(), Error> {
        let refused = match self.measures.file(path).await.map_err(gone)? {
            Ok(measured) => measured.keeps(layer).err(),
            Err(refusal) => Some(refusal),
        };
        refused.map_or(Ok(()), |refusal| Err(changed().with_source(refusal)))
    }
}

fn gone(error: io::Error) -> Error {
    Error::internal("the file of the injected layer cannot be read").with_source(error)
}

fn changed() -> Error {
    Error::internal("the file of the injected layer has changed")
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Parts { data_dir, private, .. } = self;
        f.debug_struct("Parts").field("data_dir", data_dir).field("private", private).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
