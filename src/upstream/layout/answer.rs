//! What a layout holds, as responses.

use super::document::Document;
use super::file::Blob;
use crate::body::Body;
use crate::error::Error;
use crate::oci::{Digest, MediaType, headers};
use crate::pull::range::unsatisfied;
use crate::pull::{Fetch, Spans, Verb};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use url::form_urlencoded;

pub(super) fn manifest(fetch: &Fetch, document: Document) -> Response<Body> {
    let Document { digest, media, content } = document;
    let content = Bytes::from(content);
    let (parts, span) = head(fetch, &digest, media.header(), content.len() as u64);
    let body = span
        .map_or_else(Body::empty, |span| Body::full(content.slice(span.start as usize..span.end as usize)));
    Response::from_parts(parts, body)
}

pub(super) async fn blob(fetch: &Fetch, digest: &Digest, blob: Blob) -> Result<Response<Body>, Error> {
    let (parts, span) = head(fetch, digest, headers::OCTET_STREAM, blob.size);
    let body = match span {
        Some(span) => Body::parts(blob.part(span).await),
        None => Body::empty(),
    };
    Ok(Response::from_parts(parts, body))
}

pub(super) fn tags(fetch: &Fetch, all: Vec<&str>, n: Option<u32>, last: Option<&str>) -> Response<Body> {
    let behind: Vec<&str> = all.into_iter().filter(|tag| last.is_none_or(|last| *tag > last)).collect();
    let count = n.map_or(behind.len(), |n| behind.len().min(n as usize));
    let page = &behind[..count];
    let name = fetch.repository.as_str();
    let mut response = json(fetch, serde_json::json!({ "name": name, "tags": page }), headers::JSON);
    if let (true, Some(last)) = (count < behind.len(), page.last()) {
        let last: String = form_urlencoded::byte_serialize(last.as_bytes()).collect();
        let link = format!("</v2/{name}/tags/list?n={count}&last={last}>; rel=\"next\"");
        response.headers_mut().insert(header::LINK, HeaderValue::try_from(link).expect("names are ASCII"));
    }
    response
}

pub(super) fn referrers(fetch: &Fetch, found: &[serde_json::Value], filtered: bool) -> Response<Body> {
    let media = MediaType::OciIndex;
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": media.as_str(), "manifests": found });
    let mut response = json(fetch, index, media.header());
    if filtered {
        let value = HeaderValue::from_static("artifactType");
        response.headers_mut().insert(headers::FILTERS_APPLIED, value);
    }
    response
}

fn json(fetch: &Fetch, value: serde_json::Value, media: HeaderValue) -> Response<Body> {
    let content = value.to_string();
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_TYPE, media);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(content.len()));
    let body = if fetch.verb == Verb::Head { Body::empty() } else { Body::full(content) };
    let mut response = Response::new(body);
    *response.headers_mut() = fields;
    response
}

/// Status and headers for a content of `size` bytes, and which of them are sent, if any.
fn head(
    fetch: &Fetch,
    digest: &Digest,
    media: HeaderValue,
    size: u64,
) -> (http::response::Parts, Option<std::ops::Range<u64>>) {
    let etag = headers::etag_value(digest);
    let spans = Spans::of(fetch.headers.get(header::RANGE), None, &etag, size);
    let (mut parts, ()) = Response::new(()).into_parts();
    let fields = &mut parts.headers;
    fields.insert(headers::CONTENT_DIGEST, headers::digest_value(digest));
    fields.insert(header::ETAG, etag);
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let (status, span) = match (spans, fetch.verb) {
        (Spans::Unsatisfiable, Verb::Get) => {
            fields.insert(header::CONTENT_RANGE, unsatisfied(size));
            parts.status = StatusCode::RANGE_NOT_SATISFIABLE;
            return (parts, None);
        }
        (Spans::Part(span), Verb::Get) => {
            fields.insert(header::CONTENT_RANGE, span.content_range());
            (StatusCode::PARTIAL_CONTENT, span.bytes)
        }
        // A range means nothing on HEAD (RFC 9110, 14.2).
        _ => (StatusCode::OK, 0..size),
    };
    fields.insert(header::CONTENT_TYPE, media);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(span.end - span.start));
    parts.status = status;
    (parts, (fetch.verb == Verb::Get).then_some(span))
}
