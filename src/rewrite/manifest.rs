//! Image manifests (image-spec, manifest.md; Docker image manifest version 2, schema 2).

use super::descriptor::Descriptor;
use super::fields::{Doc, Fields, Member, Names, Value, quoted};
use super::refusal::Refusal;
use super::splice::{Spliced, splice};
use crate::grant::Layer;
use crate::oci::media::is_rootfs_layer;
use crate::oci::{Digest, Family, MediaType};

/// What has to be known of a manifest to decide whether and how it is changed.
#[derive(Clone, Debug)]
pub struct Manifest<'a> {
    /// The image config.
    pub config: Descriptor<'a>,
    /// How many layers it has.
    pub layers: usize,
    /// Is it the manifest of an image: an image config, layers of a root file system, no artifact type?
    pub is_image: bool,
}

/// What changes in a manifest.
#[derive(Clone, Debug)]
pub struct Change<'c> {
    /// The family of the manifest, which the appended layers follow.
    pub family: Family,
    /// The new config.
    pub config: &'c Spliced,
    /// The appended layers.
    pub layers: &'c [&'c Layer],
    /// Where the image comes from.
    pub base: Base<'c>,
}

/// The immediate base of a changed image (image-spec, annotations.md).
#[derive(Clone, Copy, Debug)]
pub struct Base<'c> {
    /// `org.opencontainers.image.base.name`: `registry/repository`, without a tag.
    pub name: &'c str,
    /// `org.opencontainers.image.base.digest`: the manifest of the platform.
    pub digest: Digest,
}

/// A manifest taken apart; its layers are not looked at one by one.
struct Parts<'a> {
    fields: Fields<'a, 9>,
    config: Descriptor<'a>,
    /// `layers` as written.
    whole: Value<'a>,
    /// How many layers there are.
    count: usize,
}

const NAMES: [&str; 9] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "subject",
    "annotations",
    "manifests",
    "fsLayers",
];
const BASE_NAMES: [&str; 2] = ["org.opencontainers.image.base.digest", "org.opencontainers.image.base.name"];

/// Reads a manifest.
pub fn read<'a>(doc: &'a Doc<'a>) -> Result<Manifest<'a>, Refusal> {
    let Parts { fields, config, whole, count } = parts(doc)?;
    let artifact = fields.value(2).map(|value| value.string("artifactType")).transpose()?;
    let mut is_image = artifact.is_none_or(|kind| kind.is_empty()) && config.kind().is_config();
    let layers = if whole.is_null() { Vec::new() } else { whole.array("layers")? };
    for layer in layers {
        is_image &= is_rootfs_layer(&Descriptor::read(layer)?.media);
    }
    Ok(Manifest { config, layers: count, is_image })
}

/// How many layers a manifest has.
pub fn count(doc: &Doc<'_>) -> Result<usize, Refusal> {
    Ok(parts(doc)?.count)
}

/// The manifest with layers appended, the config replaced, its base named (OCI) and `subject` removed: the changed
/// image is no referrer of what the base referred to.
pub fn apply(doc: &Doc<'_>, change: &Change<'_>, limit: usize) -> Result<Spliced, Refusal> {
    let Parts { fields, config, whole, count } = parts(doc)?;
    let count = count + change.layers.len();
    if count > super::LAYER_LIMIT {
        return Err(Refusal::Layers(count));
    }
    let added: Vec<String> =
        change.layers.iter().map(|layer| descriptor(layer, change.family)).collect::<Result<_, _>>()?;
    let mut edits = config.refer(change.config);
    edits.extend(whole.extend(&added));
    edits.extend(fields.member(5).map(Member::remove));
    if change.family == Family::Oci {
        let values = [format!("\"{}\"", change.base.digest), quoted(change.base.name)];
        match fields.value(6) {
            Some(text) => {
                // A map: its keys have case, and nothing folds to them.
                let present = text.object(BASE_NAMES, Names::Exact)?;
                let mut absent = Vec::new();
                for (index, value) in values.into_iter().enumerate() {
                    match present.member(index) {
                        Some(member) => edits.push(member.value.replace(value)),
                        None => absent.push((BASE_NAMES[index], value)),
                    }
                }
                edits.extend(present.insert(&absent));
            }
            None => {
                let [digest, name] = values;
                let text = format!("{{\"{}\":{digest},\"{}\":{name}}}", BASE_NAMES[0], BASE_NAMES[1]);
                match fields.member(6) {
                    Some(null) => edits.push(null.value.replace(text)),
                    None => edits.extend(fields.insert(&[("annotations", text)])),
                }
            }
        }
    }
    splice(doc, edits, limit)
}

fn parts<'a>(doc: &'a Doc<'a>) -> Result<Parts<'a>, Refusal> {
    let fields = doc.root().object(NAMES, Names::Folded)?;
    if fields.member(7).is_some() {
        return Err(Refusal::Ambiguous);
    }
    if fields.value(0).is_none_or(|version| version.text() != "2") || fields.member(8).is_some() {
        return Err(Refusal::Form("schemaVersion"));
    }
    let config = Descriptor::read(fields.value(3).ok_or(Refusal::Missing("config"))?)?;
    let whole = fields.member(4).ok_or(Refusal::Missing("layers"))?.value;
    let count = if whole.is_null() { 0 } else { whole.count("layers")? };
    if count > super::LAYER_LIMIT {
        return Err(Refusal::Layers(count));
    }
    Ok(Parts { fields, config, whole, count })
}

/// The family a manifest's appended layers follow: that of the manifest, whatever its other layers are.
pub fn family(media: &MediaType) -> Option<Family> {
    media.family().filter(|_| media.is_manifest())
}

fn descriptor(layer: &Layer, family: Family) -> Result<String, Refusal> {
    let media = family.layer(layer.compression).ok_or(Refusal::Compression)?;
    Ok(format!(r#"{{"mediaType":"{media}","size":{},"digest":"{}"}}"#, layer.size, layer.digest))
}

#[cfg(test)]
mod tests;
