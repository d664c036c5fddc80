//! The result of a rewrite.

use super::refusal::Refusal;
use crate::error::{Error, Side};
use crate::oci::{Code, Digest, MediaType};
use bytes::Bytes;
use http::StatusCode;
use std::collections::BTreeMap;
use std::fmt;

/// What one image becomes under one recipe: every document that differs from upstream, by digest. A pure
/// function of (registry, repository, root digest, recipe), so replicas agree without talking.
#[derive(Clone, Debug)]
pub struct Derivation {
    /// Digest of the index or manifest upstream.
    pub base: Digest,
    /// Digest of what it became; equal to `base` when nothing was changed.
    pub root: Digest,
    /// Media type of the root document.
    pub media: MediaType,
    /// Size of the root document in bytes.
    pub size: u64,
    /// The documents that are ours: index, manifests, configs, and the provenance of the first two. Empty when nothing
    /// was changed.
    pub documents: BTreeMap<Digest, Document>,
    /// What was done to each changed manifest and index, by its digest: the artifact manifest that refers to it.
    pub referrers: BTreeMap<Digest, Referrer>,
    /// Why nothing was changed, when nothing was.
    pub untouched: Option<Untouched>,
    /// Something the user should know, as `Warning: 299` (RFC 7234, 5.5): platforms no layer fits.
    pub warning: Option<String>,
}

/// One rewritten document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its media type.
    pub media: MediaType,
    /// Its bytes, whose digest it is filed under.
    pub bytes: Bytes,
}

/// A manifest that refers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Why an image passes as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untouched {
    /// The recipe changes nothing.
    EmptyRecipe,
    /// Docker schema 1.
    Schema1,
    /// Not an image: an artifact, a chart, an unknown config or layer type.
    Artifact,
    /// Not a linux image.
    OperatingSystem,
    /// No injected layer fits any of its platforms.
    Platform,
    /// A document we would have to guess at.
    Refused(Refusal),
}

impl Derivation {
    /// Bytes it weighs in the cache.
    pub fn weight(&self) -> u64 {
        let documents: usize = self.documents.values().map(|document| document.bytes.len() + 256).sum();
        documents as u64 + 512
    }

    /// The error for somebody who asked for a change ([`Demand::Explicit`](crate::pull::Demand)) and does not get it:
    /// 400 `UNSUPPORTED` for schema 1, 400 `MANIFEST_INVALID` for a refused document. Artifacts and the images of
    /// other systems and platforms pass untouched whoever asks.
    pub fn refusal(&self) -> Option<Error> {
        match self.untouched? {
            Untouched::Refused(refusal) => Some(refusal.into()),
            why @ Untouched::Schema1 => {
                let message = format!("the image cannot be changed: {why}");
                let error = Error::new(Code::Unsupported, Side::Client, message);
                Some(error.with_status(StatusCode::BAD_REQUEST))
            }
            Untouched::EmptyRecipe
            | Untouched::Artifact
            | Untouched::OperatingSystem
            | Untouched::Platform => None,
        }
    }
}

impl From<Refusal> for Untouched {
    fn from(refusal: Refusal) -> Untouched {
        Untouched::Refused(refusal)
    }
}

impl fmt::Display for Untouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Untouched::EmptyRecipe => f.write_str("nothing is to be changed"),
            Untouched::Schema1 => f.write_str("Docker schema 1 is not supported"),
            Untouched::Artifact => f.write_str("not a container image"),
            Untouched::OperatingSystem => f.write_str("not a linux image"),
            Untouched::Platform => f.write_str("no layer fits"),
            Untouched::Refused(refusal) => refusal.fmt(f),
        }
    }
}
