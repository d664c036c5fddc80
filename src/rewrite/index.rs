//! Image indexes (image-spec, image-index.md) and Docker manifest lists.

use super::descriptor::Descriptor;
use super::edit::Edits;
use super::fields::{Doc, Fields, Items, Value, Wanted};
use super::refusal::Refusal;
use super::splice::Spliced;
use crate::oci::{Digest, MediaType, Platform};
use std::collections::BTreeMap;
use std::ops::Range;

/// One entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it refers to.
    pub media: MediaType,
    /// Its digest; `None` for an algorithm we do not know.
    pub digest: Option<Digest>,
    /// Its size in bytes.
    pub size: u64,
    /// For which platform, if it says so. The image's config knows better.
    pub platform: Option<Platform>,
    /// The manifest it attests, when it is an attestation (BuildKit, attestation-storage.md) of something that has a
    /// digest.
    pub attests: Option<Digest>,
    /// Does it say that it is an artifact?
    pub is_artifact: bool,
}

/// The documents that replace others, by the digest of the other.
pub type Replacements = BTreeMap<Digest, Spliced>;

/// The entries of an index, in order.
pub fn read(doc: &Doc<'_>) -> Result<Vec<Entry>, Refusal> {
    parts(doc)?.1.map(entry).collect()
}

/// The index with every entry that refers to a replaced document referring to its replacement, without the
/// attestations of what was replaced: they speak of other bytes. A changed index has no `subject`: it is no referrer of
/// what the base referred to. Order and everything else stay.
pub fn apply(doc: &Doc<'_>, replacements: &Replacements, limit: usize) -> Result<Spliced, Refusal> {
    let (fields, mut entries) = parts(doc)?;
    let mut edits = Edits::new(doc, limit);
    let mut previous: Option<Value<'_>> = None;
    let mut kept = false;
    let mut following = entries.next();
    while let Some(own) = following {
        following = entries.next();
        let fields = own.object(&ENTRY)?;
        if attests(&fields)?.is_some_and(|subject| replacements.contains_key(&subject)) {
            // The comma that goes with it is the one in front, or behind while nothing is in front.
            let Range { start, end } = own.span();
            edits.cut(match (previous.filter(|_| kept), following) {
                (Some(previous), _) => previous.span().end..end,
                (None, Some(next)) => start..next.span().start,
                (None, None) => start..end,
            });
        } else {
            kept = true;
            let descriptor = Descriptor::of(&fields)?;
            if let Some(replacement) = descriptor.digest().and_then(|digest| replacements.get(&digest)) {
                descriptor.refer(replacement, &mut edits);
            }
        }
        previous = Some(own);
    }
    if let Some(subject) = fields.member(5).filter(|_| !edits.is_empty()) {
        edits.remove(subject);
    }
    edits.splice()
}

/// The members of an index, and its entries.
fn parts<'a>(doc: &'a Doc<'a>) -> Result<(Fields<'a, 7>, Items<'a>), Refusal> {
    let fields = doc.root().object(&WANTED)?;
    if fields.member(3).is_some() {
        return Err(Refusal::Ambiguous);
    }
    if fields.value(0).is_none_or(|version| version.text() != "2") {
        return Err(Refusal::Form("schemaVersion"));
    }
    let manifests = fields.member(2).ok_or(Refusal::Missing("manifests"))?.value;
    let entries = if manifests.is_null() { Items::none(doc) } else { manifests.items("manifests")? };
    Ok((fields, entries))
}

const WANTED: Wanted<7> =
    Wanted::fields(["schemaVersion", "mediaType", "manifests", "layers", "config", "subject", "annotations"]);
const ENTRY: Wanted<7> =
    Wanted::fields(["mediaType", "digest", "size", "data", "platform", "annotations", "artifactType"]);
const PLATFORM: Wanted<3> = Wanted::fields(["os", "architecture", "variant"]);
const UNKNOWN: Wanted<2> = Wanted::fields(["os", "architecture"]);
const REFERENCE: Wanted<2> = Wanted::keys(["vnd.docker.reference.type", "vnd.docker.reference.digest"]);

fn entry(value: Value<'_>) -> Result<Entry, Refusal> {
    let fields = value.object(&ENTRY)?;
    let descriptor = Descriptor::of(&fields)?;
    let artifact = fields.value(6).map(|value| value.string("artifactType")).transpose()?;
    Ok(Entry {
        media: descriptor.kind(),
        digest: descriptor.digest(),
        size: descriptor.size,
        platform: fields.value(4).map(platform).transpose()?,
        attests: attests(&fields)?,
        is_artifact: is_unknown(&fields)? || artifact.is_some_and(|kind| !kind.is_empty()),
    })
}

/// The platform an object names.
fn platform(value: Value<'_>) -> Result<Platform, Refusal> {
    named(&value.object(&PLATFORM)?)
}

/// The platform in the first three of `fields`: os, architecture, variant.
pub(super) fn named<const N: usize>(fields: &Fields<'_, N>) -> Result<Platform, Refusal> {
    let part = |index, name| fields.value(index).map(|value| value.string(name)).transpose();
    let (os, architecture) = (part(0, "os")?, part(1, "architecture")?);
    let variant = part(2, "variant")?;
    Ok(Platform::new(&os.unwrap_or_default(), &architecture.unwrap_or_default(), variant.as_deref()))
}

/// Is it for the platform `unknown/unknown`, as attestations are?
fn is_unknown(entry: &Fields<'_, 7>) -> Result<bool, Refusal> {
    let Some(platform) = entry.value(4) else { return Ok(false) };
    let fields = platform.object(&UNKNOWN)?;
    for (index, name) in UNKNOWN.names.into_iter().enumerate() {
        let Some(value) = fields.value(index) else { return Ok(false) };
        if value.string(name)? != "unknown" {
            return Ok(false);
        }
    }
    Ok(true)
}

fn attests(entry: &Fields<'_, 7>) -> Result<Option<Digest>, Refusal> {
    let Some(annotations) = entry.value(5) else { return Ok(None) };
    if !is_unknown(entry)? {
        return Ok(None);
    }
    let fields = annotations.object(&REFERENCE)?;
    match (fields.value(0), fields.value(1)) {
        (Some(_), Some(digest)) => Ok(digest.string("annotations")?.parse().ok()),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
