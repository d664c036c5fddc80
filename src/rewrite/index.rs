//! Image indexes (image-spec, image-index.md) and Docker manifest lists.

use super::descriptor::Descriptor;
use super::fields::{Doc, Fields, Names, array, object, string};
use super::refusal::Refusal;
use super::splice::{Spliced, splice};
use crate::oci::{Digest, MediaType, Platform};
use std::collections::BTreeMap;

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
    /// The manifest it attests, when it is an attestation (BuildKit, attestation-storage.md).
    pub attests: Option<String>,
    /// Does it say that it is an artifact?
    pub is_artifact: bool,
}

/// The documents that replace others, by the digest of the other.
pub type Replacements = BTreeMap<Digest, Spliced>;

/// The entries of an index, in order.
pub fn read(doc: Doc<'_>) -> Result<Vec<Entry>, Refusal> {
    parts(doc)?.1.into_iter().map(|text| entry(text).map(|(entry, _)| entry)).collect()
}

/// The index with every entry that refers to a replaced document referring to its replacement, without the
/// attestations of what was replaced: they speak of other bytes. A changed index has no `subject`: it is no referrer of
/// what the base referred to. Order and everything else stay.
pub fn apply(doc: Doc<'_>, replacements: &Replacements, limit: usize) -> Result<Spliced, Refusal> {
    let (fields, elements) = parts(doc)?;
    let attested: Vec<String> = replacements.keys().map(Digest::to_string).collect();
    let mut edits = Vec::new();
    let mut kept = false;
    for (place, text) in elements.iter().enumerate() {
        let (Entry { digest, attests, .. }, descriptor) = entry(text)?;
        if attests.is_some_and(|subject| attested.contains(&subject)) {
            // The comma that goes with it is the one in front, or behind while nothing is in front.
            let own = doc.span(text);
            let span = match (kept, elements.get(place + 1)) {
                (true, _) => doc.span(elements[place - 1]).end..own.end,
                (false, Some(next)) => own.start..doc.span(next).start,
                (false, None) => own,
            };
            edits.push(super::splice::Edit { span, text: String::new() });
            continue;
        }
        kept = true;
        if let Some(replacement) = digest.and_then(|digest| replacements.get(&digest)) {
            edits.extend(descriptor.refer(doc, replacement));
        }
    }
    if !edits.is_empty() {
        edits.extend(fields.member(5).map(|subject| doc.remove(subject)));
    }
    splice(doc, edits, limit)
}

/// The members of an index, and its entries.
fn parts(doc: Doc<'_>) -> Result<(Fields<'_, 7>, Vec<&str>), Refusal> {
    let names = ["schemaVersion", "mediaType", "manifests", "layers", "config", "subject", "annotations"];
    let fields = object(doc.text(), names, Names::Folded)?;
    if fields.member(3).is_some() {
        return Err(Refusal::Ambiguous);
    }
    if fields.value(0) != Some("2") {
        return Err(Refusal::Form("schemaVersion"));
    }
    let manifests = fields.member(2).ok_or(Refusal::Missing("manifests"))?.value;
    let entries = if manifests == "null" { Vec::new() } else { array(manifests, "manifests")? };
    Ok((fields, entries))
}

fn entry(text: &str) -> Result<(Entry, Descriptor<'_>), Refusal> {
    let names = ["mediaType", "digest", "size", "data", "platform", "annotations", "artifactType"];
    let fields = object(text, names, Names::Folded)?;
    let descriptor = Descriptor::of(&fields)?;
    let platform = fields.value(4).map(platform).transpose()?;
    let unknown = platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown");
    let attests = match fields.value(5) {
        Some(annotations) if unknown => attests(annotations)?,
        _ => None,
    };
    let artifact = fields.value(6).map(|value| string(value, "artifactType")).transpose()?;
    let entry = Entry {
        media: descriptor.kind(),
        digest: descriptor.digest,
        size: descriptor.size,
        platform,
        attests,
        is_artifact: unknown || artifact.is_some_and(|kind| !kind.is_empty()),
    };
    Ok((entry, descriptor))
}

/// The platform an object names.
fn platform(text: &str) -> Result<Platform, Refusal> {
    let fields = object(text, ["os", "architecture", "variant"], Names::Folded)?;
    named(&fields)
}

/// The platform in the first three of `fields`: os, architecture, variant.
pub(super) fn named<const N: usize>(fields: &Fields<'_, N>) -> Result<Platform, Refusal> {
    let part = |index, name| fields.value(index).map(|value| string(value, name)).transpose();
    let (os, architecture) = (part(0, "os")?, part(1, "architecture")?);
    let variant = part(2, "variant")?;
    Ok(Platform::new(&os.unwrap_or_default(), &architecture.unwrap_or_default(), variant.as_deref()))
}

fn attests(annotations: &str) -> Result<Option<String>, Refusal> {
    let names = ["vnd.docker.reference.type", "vnd.docker.reference.digest"];
    let fields = object(annotations, names, Names::Exact)?;
    match (fields.value(0), fields.value(1)) {
        (Some(_), Some(digest)) => Ok(Some(string(digest, "annotations")?.into_owned())),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
