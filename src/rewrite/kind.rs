//! Telling documents apart: what `Content-Type`, `mediaType` and shape say together.

use super::fields::{Doc, Wanted};
use super::refusal::Refusal;
use crate::oci::MediaType;

/// `Content-Type` and `mediaType` name two different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// What the header says.
    pub header: MediaType,
    /// What the document says.
    pub field: MediaType,
}

const WANTED: Wanted<4> = Wanted::fields(["mediaType", "manifests", "layers", "fsLayers"]);

/// What a document is: its media type, or why it is none we can name.
pub type Kind = Result<MediaType, Refusal>;

/// What `doc` is. `header` is its `Content-Type`; the types that servers send when they do not know count as
/// missing. An absent `mediaType` is fine (image-spec only recommends it): the header decides, then the shape.
pub fn kind(header: Option<&MediaType>, doc: &Doc<'_>) -> Result<Kind, Disagreement> {
    let header = header.filter(|media| !is_generic(media));
    let fields = match doc.root().object(&WANTED) {
        Ok(fields) => fields,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let field = match fields.value(0).map(|value| value.string("mediaType")).transpose() {
        Ok(text) => text.filter(|text| !text.is_empty()).map(|text| MediaType::parse(&text)),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let [manifests, layers, fs_layers] = [1, 2, 3].map(|index| fields.member(index).is_some());
    if manifests && layers {
        return Ok(Err(Refusal::Ambiguous));
    }
    // A signed schema 1 document may say that it is unsigned: the signature is an envelope around it.
    let same = |a: &MediaType, b: &MediaType| a == b || (a.is_schema1() && b.is_schema1());
    let media = match (header, field) {
        (Some(header), Some(field)) if !same(header, &field) => {
            return Err(Disagreement { header: header.clone(), field });
        }
        (Some(header), _) => header.clone(),
        (None, Some(field)) => field,
        (None, None) if fs_layers => MediaType::Schema1Signed,
        (None, None) if manifests => MediaType::OciIndex,
        (None, None) if layers => MediaType::OciManifest,
        (None, None) => return Ok(Err(Refusal::Missing("mediaType"))),
    };
    // The shape must not contradict the type, or two clients would see two things.
    Ok(match (media.is_index() && !manifests, media.is_manifest() && !layers) {
        (true, _) => Err(Refusal::Missing("manifests")),
        (_, true) => Err(Refusal::Missing("layers")),
        _ => Ok(media),
    })
}

/// A `Content-Type` that says nothing.
fn is_generic(media: &MediaType) -> bool {
    matches!(media.as_str(), "" | "text/plain" | "application/json" | "application/octet-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

    fn of(header: &str, text: &str) -> Result<Kind, Disagreement> {
        let header = MediaType::parse(header);
        kind(Some(&header), &Doc::new(text.as_bytes(), 1000).unwrap())
    }

    #[test]
    fn header_then_field_then_shape() {
        let check =
            |header: &str, text: &str, want| assert_eq!(of(header, text), Ok(Ok(want)), "{header} {text}");
        let typed = |media: &str| format!(r#"{{"mediaType":"{media}","layers":[]}}"#);
        check(OCI, &typed(OCI), MediaType::OciManifest);
        check("text/plain; charset=utf-8", &typed(DOCKER), MediaType::DockerManifest);
        check(DOCKER, r#"{"layers":[]}"#, MediaType::DockerManifest);
        check("", r#"{"layers":[]}"#, MediaType::OciManifest);
        check("application/octet-stream", r#"{"manifests":[]}"#, MediaType::OciIndex);
        check("application/json", r#"{"schemaVersion":1,"fsLayers":[]}"#, MediaType::Schema1Signed);
        check("application/vnd.x+json", "{}", MediaType::parse("application/vnd.x+json"));
    }

    #[test]
    fn contradictions() {
        assert!(of(DOCKER, &format!(r#"{{"mediaType":"{OCI}","layers":[]}}"#)).is_err());
        assert!(of("text/html", &format!(r#"{{"mediaType":"{OCI}","layers":[]}}"#)).is_err());
        let refused = |header: &str, text: &str, why| assert_eq!(of(header, text), Ok(Err(why)));
        refused(OCI, r#"{"layers":[],"manifests":[]}"#, Refusal::Ambiguous);
        refused(OCI, r#"{"manifests":[]}"#, Refusal::Missing("layers"));
        refused(OCI, r#"{"layers":[],"Manifests":[]}"#, Refusal::LookAlike("manifests"));
        refused("", "{}", Refusal::Missing("mediaType"));
    }
}
