//! Recipes: what is changed in an image.

use crate::oci::{Compression, Digest, Host, Platform, Repository};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// What is changed in an image. Two recipes with the same [`RecipeId`] change every image alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Appended layers, in order.
    pub layers: Vec<Layer>,
    /// Replaces `Entrypoint` unless empty.
    pub entrypoint: Vec<String>,
    /// Replaces `Cmd` unless empty.
    pub cmd: Vec<String>,
    /// `KEY=value`, set by key.
    pub env: Vec<String>,
    /// Replaces `WorkingDir`.
    pub working_dir: Option<String>,
    /// Only these platforms are changed, and each must be there; empty means all that the layers fit.
    pub platforms: Vec<Platform>,
}

/// A layer to append. Digest, size and diff id are what we promise to clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Digest of the compressed layer.
    pub digest: Digest,
    /// Size of the compressed layer in bytes.
    pub size: u64,
    /// Digest of the tar.
    pub diff_id: Digest,
    /// How it is compressed.
    pub compression: Compression,
    /// The platforms it fits; empty means all.
    pub platforms: Vec<Platform>,
    /// Where its bytes are.
    pub source: Source,
}

/// Where the bytes of an injected layer come from. It is no part of a recipe's identity: the digest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A file the operator named. Its content was kept in the data directory when the file was read.
    File(PathBuf),
    /// An inline layer of a token, decoded, verified and kept in the data directory under its digest.
    Spooled,
    /// An `http` or `https` URL, streamed through.
    Url(String),
    /// `docker://`: a blob of a registry.
    Registry(Host, Repository),
}

/// SHA-256 over everything in a recipe that an image's bytes depend on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipeId(pub Digest);

impl Recipe {
    /// Changes nothing?
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
            && self.entrypoint.is_empty()
            && self.cmd.is_empty()
            && self.env.is_empty()
            && self.working_dir.is_none()
    }

    /// Its identity.
    pub fn id(&self) -> RecipeId {
        // Field order is fixed and JSON strings are unambiguous, so this text is canonical.
        let layers: Vec<_> =
            self.layers.iter().map(|l| (l.digest, l.size, l.diff_id, l.compression, &l.platforms)).collect();
        let text = serde_json::to_vec(&(
            "wave-recipe/1",
            layers,
            &self.entrypoint,
            &self.cmd,
            &self.env,
            &self.working_dir,
            &self.platforms,
        ))
        .expect("strings and digests are JSON");
        RecipeId(Digest::sha256(text))
    }

    /// The injected layer with this digest.
    pub fn layer(&self, digest: &Digest) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.digest == *digest)
    }
}

impl Layer {
    /// Does the layer fit an image of this platform?
    pub fn fits(&self, platform: &Platform) -> bool {
        self.platforms.is_empty() || self.platforms.iter().any(|own| own.fits(platform))
    }
}

impl fmt::Debug for RecipeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_what_bytes_depend_on() {
        let layer = Layer {
            digest: Digest::sha256(b"gz"),
            size: 2,
            diff_id: Digest::sha256(b"tar"),
            compression: Compression::Gzip,
            platforms: Vec::new(),
            source: Source::Spooled,
        };
        let recipe = Recipe { layers: vec![layer.clone()], env: vec!["A=b".into()], ..Recipe::default() };
        let mut moved = recipe.clone();
        moved.layers[0].source = Source::File("/x".into());
        assert_eq!(recipe.id(), moved.id());
        assert_ne!(recipe.id(), Recipe { env: vec!["A=c".into()], ..recipe.clone() }.id());
        assert_ne!(recipe.id(), Recipe { cmd: vec!["A=b".into()], env: vec![], ..recipe.clone() }.id());
        let text = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
    }
}
