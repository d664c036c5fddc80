//! The type under which a manifest of upstream's is passed on.

use crate::error::Error;
use crate::oci::{MediaType, headers};
use crate::rewrite::fields::Doc;
use crate::rewrite::kind::kind;
use http::{HeaderMap, HeaderValue, header};
use serde::de::IgnoredAny;

/// What the headers of an answer say, when that is a manifest type we know. Parameters are dropped: clients compare
/// the whole value.
pub(crate) fn stated(fields: &HeaderMap) -> Option<HeaderValue> {
    let media = media(fields)?;
    (media.is_index() || media.is_manifest() || media.is_schema1()).then(|| media.header())
}

/// The type of a manifest: what the headers say, else what the document says of itself or looks like. What is no JSON
/// object is no manifest, whatever its headers say: the page of a captive portal, for one.
pub(crate) fn of(content: &[u8], fields: &HeaderMap) -> Result<HeaderValue, Error> {
    let parsed = serde_json::from_slice::<IgnoredAny>(content);
    if parsed.is_err() || content.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::bad_gateway("upstream sent something that is no manifest"));
    }
    if let Some(stated) = stated(fields) {
        return Ok(stated);
    }
    let doc = Doc::new(content, content.len()).ok();
    let own = doc.and_then(|doc| kind(None, &doc).ok()?.ok());
    // Nothing that a browser would show: the content is a stranger's.
    let safe = |media: &MediaType| media.as_str().starts_with("application/");
    let media = own.filter(safe).or_else(|| media(fields).filter(safe));
    Ok(media.map_or(headers::OCTET_STREAM, |media| media.header()))
}

fn media(fields: &HeaderMap) -> Option<MediaType> {
    Some(MediaType::parse(fields.get(header::CONTENT_TYPE)?.to_str().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

    fn typed(header: &str, content: &str) -> Result<String, Error> {
        let value = HeaderValue::try_from(header).unwrap();
        let fields = HeaderMap::from_iter([(header::CONTENT_TYPE, value)]);
        of(content.as_bytes(), &fields).map(|media| media.to_str().unwrap().to_string())
    }

    #[test]
    fn the_header_then_the_document_then_its_shape() {
        let check =
            |header: &str, content: &str, want: &str| assert_eq!(typed(header, content).unwrap(), want);
        let own = |media: &str| format!(r#"{{"mediaType":"{media}","layers":[]}}"#);
        check(&format!("{DOCKER}; charset=utf-8"), &own(OCI), DOCKER);
        check("application/json; charset=utf-8", &own(OCI), OCI);
        check("text/html", &own(DOCKER), DOCKER);
        check("text/plain", r#"{"layers":[]}"#, OCI);
        check("application/vnd.x+json; a=b", "{}", "application/vnd.x+json");
        check("text/html", "{}", "application/octet-stream");
        check("text/html", r#"{"mediaType":"text/html","layers":[]}"#, "application/octet-stream");
    }

    #[test]
    fn what_is_no_object_is_no_manifest() {
        for content in ["<html></html>", "[]", "\"x\"", "{", "{} {}", ""] {
            assert_eq!(typed(OCI, content).unwrap_err().status(), 502, "{content}");
        }
    }
}
