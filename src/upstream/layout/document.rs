//! Manifests of a layout: read, verified, and asked for what they refer to.

use super::index::{Layout, fault, read_bounded};
use crate::error::Error;
use crate::oci::{Digest, MediaType};
use serde_json::Value;
use std::collections::HashSet;

/// A manifest or index.
pub(super) struct Document {
    pub(super) digest: Digest,
    pub(super) media: MediaType,
    pub(super) content: Vec<u8>,
}

/// The document with this digest, of type `media` or of what it says of itself; `None` when there is none.
pub(super) async fn read(
    layout: &Layout,
    digest: Digest,
    media: Option<MediaType>,
) -> Result<Option<Document>, Error> {
    let Some(content) = read_bounded(&layout.path(&digest), layout.limit).await? else { return Ok(None) };
    if digest.matches(&content) == Some(false) {
        return Err(fault("a document of the layout does not have its digest"));
    }
    let media = match media {
        Some(media) => media,
        None => match own_media(&content) {
            Some(media) => media,
            // A blob that is no manifest.
            None => return Ok(None),
        },
    };
    Ok(Some(Document { digest, media, content }))
}

/// Descriptors of the manifests whose subject is `subject` (distribution-spec, "Listing Referrers").
pub(super) async fn referrers(
    layout: &Layout,
    subject: &Digest,
    artifact_type: Option<&str>,
) -> Result<Vec<Value>, Error> {
    let mut found: Vec<Value> = Vec::new();
    let mut seen = HashSet::new();
    for entry in layout.entries() {
        if !seen.insert(entry.digest) {
            continue;
        }
        let media = entry.media_type.as_deref().map(MediaType::parse);
        let Some(document) = read(layout, entry.digest, media).await? else { continue };
        let Some(descriptor) = refers(&document, subject) else { continue };
        let wanted = artifact_type.is_none_or(|kind| descriptor["artifactType"] == kind);
        if wanted {
            found.push(descriptor);
        }
    }
    Ok(found)
}

fn refers(document: &Document, subject: &Digest) -> Option<Value> {
    let value: Value = serde_json::from_slice(&document.content).ok()?;
    let named: Digest = value.pointer("/subject/digest")?.as_str()?.parse().ok()?;
    if named != *subject {
        return None;
    }
    let mut descriptor = serde_json::json!({
        "mediaType": document.media.as_str(),
        "digest": document.digest.to_string(),
        "size": document.content.len(),
    });
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(Value::from)
    };
    if let Some(kind) = text(value.get("artifactType")).or_else(|| text(value.pointer("/config/mediaType"))) {
        descriptor["artifactType"] = kind;
    }
    if let Some(annotations) = value.get("annotations") {
        descriptor["annotations"] = annotations.clone();
    }
    Some(descriptor)
}

/// What a document says it is, or what it looks like.
fn own_media(content: &[u8]) -> Option<MediaType> {
    let value: Value = serde_json::from_slice(content).ok()?;
    match value.get("mediaType").and_then(Value::as_str) {
        Some(media) => Some(MediaType::parse(media)),
        None if value.get("manifests").is_some() => Some(MediaType::OciIndex),
        None if value.get("layers").is_some() => Some(MediaType::OciManifest),
        None => None,
    }
}
