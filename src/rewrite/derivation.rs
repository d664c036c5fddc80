//! The result of a rewrite.

use crate::oci::{Digest, MediaType};
use bytes::Bytes;
use std::collections::BTreeMap;

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
    /// The documents that are ours: index, manifests, configs. Empty when nothing was changed.
    pub documents: BTreeMap<Digest, Document>,
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
}

impl Derivation {
    /// Bytes it weighs in the cache.
    pub fn weight(&self) -> u64 {
        let documents: usize = self.documents.values().map(|document| document.bytes.len() + 256).sum();
        documents as u64 + 512
    }
}
