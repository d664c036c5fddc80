//! Image manifests (image-spec, manifest.md; Docker image manifest version 2, schema 2).

use super::descriptor::Descriptor;
use super::edit::Edits;
use super::fields::{Doc, Fields, Value, Wanted};
use super::refusal::Refusal;
use super::splice::Spliced;
use super::text;
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

const WANTED: Wanted<9> = Wanted::fields([
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "subject",
    "annotations",
    "manifests",
    "fsLayers",
]);
const BASE: Wanted<2> =
    Wanted::keys(["org.opencontainers.image.base.digest", "org.opencontainers.image.base.name"]);

/// Reads a manifest.
pub fn read<'a>(doc: &'a Doc<'a>) -> Result<Manifest<'a>, Refusal> {
    let Parts { fields, config, whole, count } = parts(doc)?;
    let artifact = fields.value(2).map(|value| value.string("artifactType")).transpose()?;
    let mut is_image = artifact.is_none_or(|kind| kind.is_empty()) && config.kind().is_config();
    let layers = if whole.is_null() { None } else { Some(whole.items("layers")?) };
    for layer in layers.into_iter().flatten() {
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
    let media = |layer: &Layer| change.family.layer(layer.compression);
    if change.layers.iter().any(|layer| media(layer).is_none()) {
        return Err(Refusal::Compression);
    }
    let mut edits = Edits::new(doc, limit);
    config.refer(change.config, &mut edits);
    edits.extend(whole, |tail| {
        for layer in change.layers {
            descriptor(tail.item(), layer, media(layer).expect("looked up above"));
        }
    });
    if let Some(subject) = fields.member(5) {
        edits.remove(subject);
    }
    if change.family == Family::Oci {
        name(&fields, &change.base, &mut edits)?;
    }
    edits.splice()
}

/// Names the base in the annotations.
fn name(fields: &Fields<'_, 9>, base: &Base<'_>, edits: &mut Edits<'_>) -> Result<(), Refusal> {
    let write = |texts: &mut Vec<u8>, index| match index {
        0 => text::digest(texts, &base.digest),
        _ => text::string(texts, base.name),
    };
    let names = BASE.names;
    let all = |texts: &mut Vec<u8>| {
        text::object(texts, |tail| (0..2).for_each(|index| write(tail.member(names[index]), index)));
    };
    match (fields.value(6), fields.member(6)) {
        (Some(annotations), _) => {
            let present = annotations.object(&BASE)?;
            for (index, member) in present.members() {
                edits.replace(member.value, |texts| write(texts, index));
            }
            edits.append(annotations, |tail| {
                let absent = (0..2).filter(|index| present.member(*index).is_none());
                absent.for_each(|index| write(tail.member(names[index]), index));
            });
        }
        (None, Some(null)) => edits.replace(null.value, all),
        (None, None) => edits.append(fields.whole, |tail| all(tail.member("annotations"))),
    }
    Ok(())
}

fn parts<'a>(doc: &'a Doc<'a>) -> Result<Parts<'a>, Refusal> {
    let fields = doc.root().object(&WANTED)?;
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

fn descriptor(texts: &mut Vec<u8>, layer: &Layer, media: &str) {
    text::object(texts, |tail| {
        text::plain(tail.member("mediaType"), &[media]);
        text::number(tail.member("size"), layer.size);
        text::digest(tail.member("digest"), &layer.digest);
    });
}

#[cfg(test)]
mod tests;
