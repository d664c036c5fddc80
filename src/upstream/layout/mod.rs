//! A directory with an OCI image layout as a registry (image-spec, image-layout.md): for work without a network.
//!
//! Files are addressed by digest only. A repository has a layout of its own when `DIR/<repository>/index.json` exists;
//! otherwise the layout at `DIR` answers for every repository, and its reference names may be `tag` or
//! `repository:tag`.

mod answer;
mod document;
mod file;
mod index;

use crate::body::Body;
use crate::error::Error;
use crate::oci::Code;
use crate::pull::{Fetch, What};
use http::Response;
use index::Layout;
use std::path::Path;

/// Answers `fetch` from the layout at `directory`, as a registry would. Documents are read up to `limit` bytes.
pub async fn answer(directory: &Path, fetch: &Fetch, limit: usize) -> Result<Response<Body>, Error> {
    let layout = Layout::open(directory, &fetch.repository, limit).await?;
    match &fetch.what {
        What::Manifest(reference) => {
            let (digest, media) = layout.find(reference).ok_or_else(|| unknown(fetch))?;
            let document = document::read(&layout, digest, media).await?.ok_or_else(|| unknown(fetch))?;
            Ok(answer::manifest(fetch, document))
        }
        What::Blob(digest) => {
            let file = file::open(&layout.path(digest)).await?.ok_or_else(|| unknown(fetch))?;
            answer::blob(fetch, digest, file).await
        }
        What::Tags { n, last, .. } => Ok(answer::tags(fetch, layout.tags()?, *n, last.as_deref())),
        What::Referrers { subject, artifact_type, .. } => {
            let referrers = document::referrers(&layout, subject, artifact_type.as_deref()).await?;
            Ok(answer::referrers(fetch, &referrers, artifact_type.is_some()))
        }
    }
}

fn unknown(fetch: &Fetch) -> Error {
    let name = format!("{}/{}", fetch.registry.host, fetch.repository);
    match &fetch.what {
        What::Manifest(reference) => {
            Error::client(Code::ManifestUnknown, format!("manifest '{reference}' of '{name}' not found"))
        }
        What::Blob(digest) => {
            Error::client(Code::BlobUnknown, format!("blob '{digest}' of '{name}' not found"))
        }
        What::Tags { .. } | What::Referrers { .. } => {
            Error::client(Code::NameUnknown, format!("repository '{name}' not found"))
        }
    }
}

#[cfg(test)]
mod tests;
