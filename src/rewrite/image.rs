//! One image, pure: may it be changed, which layers does it get, and what does it become?

use super::derivation::Untouched;
use super::fields::Doc;
use super::refusal::Refusal;
use super::splice::Spliced;
use super::{config, manifest};
use crate::grant::{Layer, Recipe};
use crate::oci::{Digest, MediaType, Platform};

/// Where the config of an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigRef {
    /// Its media type.
    pub media: MediaType,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// The new documents of an image, and the layers it got.
#[derive(Clone, Debug)]
pub struct Changed<'a> {
    /// The manifest.
    pub manifest: Spliced,
    /// The config it refers to.
    pub config: Spliced,
    /// The appended layers.
    pub layers: Vec<&'a Layer>,
}

/// The documents of an image, and what it is changed by.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The manifest.
    pub manifest: &'a Doc<'a>,
    /// Its media type.
    pub media: &'a MediaType,
    /// The config.
    pub config: &'a Doc<'a>,
    /// What is changed.
    pub recipe: &'a Recipe,
    /// What the new manifest says it is made from.
    pub base: manifest::Base<'a>,
    /// Largest document we make, in bytes.
    pub limit: usize,
}

/// The config of the image with this manifest, or why the manifest is left alone.
pub fn config_of(manifest: &Doc<'_>) -> Result<ConfigRef, Untouched> {
    let manifest = manifest::read(manifest)?;
    if !manifest.is_image {
        return Err(Untouched::Artifact);
    }
    let digest = manifest.config.digest().ok_or(Refusal::Unverifiable)?;
    Ok(ConfigRef { media: manifest.config.kind(), digest, size: manifest.config.size })
}

/// The layers of a recipe that an image of this platform gets.
pub fn fitting<'r>(recipe: &'r Recipe, platform: &Platform) -> Result<Vec<&'r Layer>, Untouched> {
    if platform.os != "linux" {
        return Err(Untouched::OperatingSystem);
    }
    let layers: Vec<_> = recipe.layers.iter().filter(|layer| layer.fits(platform)).collect();
    if layers.is_empty() && !recipe.layers.is_empty() { Err(Untouched::Platform) } else { Ok(layers) }
}

/// Is an image of this platform to be changed, as far as the recipe names platforms?
pub fn is_wanted(recipe: &Recipe, platform: &Platform) -> bool {
    recipe.platforms.is_empty() || recipe.platforms.iter().any(|wanted| wanted.fits(platform))
}

impl<'a> Image<'a> {
    /// The image changed for `platform`, which is what its config says.
    pub fn change(&self, platform: &Platform) -> Result<Changed<'a>, Untouched> {
        let family = manifest::family(self.media).ok_or(Untouched::Artifact)?;
        let layers = fitting(self.recipe, platform)?;
        // What our layers would do to an image whose parts do not belong together is anybody's guess.
        if config::read(self.config)?.layers.ok_or(Refusal::Form("rootfs"))?
            != manifest::count(self.manifest)?
        {
            return Err(Refusal::Counts.into());
        }
        let change = config::Change { recipe: self.recipe, layers: &layers };
        let config = config::apply(self.config, &change, self.limit)?;
        let change = manifest::Change { family, config: &config, layers: &layers, base: self.base };
        let manifest = manifest::apply(self.manifest, &change, self.limit)?;
        Ok(Changed { manifest, config, layers })
    }
}
