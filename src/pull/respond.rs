//! Documents we hold as responses: HEAD, validators, ranges.

use super::range::{Spans, unsatisfied};
use super::{Conditions, Verb};
use crate::body::Body;
use crate::error::{Envelope, Error, render};
use crate::oci::{Code, Digest, headers};
use crate::spool::shelf::Stale;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use std::time::SystemTime;

/// Room for the fields of a response, those of the layers above included.
const FIELDS: usize = 12;
/// What clients are told of an answer that upstream has not confirmed.
const STALE: HeaderValue = HeaderValue::from_static("110 - \"Response is Stale\"");

/// The response for content in memory whose digest is known.
pub fn document(
    content: &Bytes,
    media: HeaderValue,
    digest: &Digest,
    verb: Verb,
    conditions: &Conditions,
) -> Response<Body> {
    let (digest, etag) = headers::digest_and_etag(digest);
    if unmodified(conditions, &etag) {
        return unchanged(digest, etag);
    }
    let total = content.len() as u64;
    let (status, part, content_range) =
        match Spans::of(conditions.range.as_ref(), conditions.if_range.as_ref(), &etag, total) {
            // Range is defined for GET only (RFC 9110, 14.2).
            _ if verb == Verb::Head => (StatusCode::OK, content.clone(), None),
            Spans::Whole => (StatusCode::OK, content.clone(), None),
            Spans::Part(span) => {
                let part = content.slice(span.bytes.start as usize..span.bytes.end as usize);
                (StatusCode::PARTIAL_CONTENT, part, Some(span.content_range()))
            }
            Spans::Unsatisfiable => return range_not_satisfiable(Some(total)),
        };
    let length = part.len();
    let mut response = Response::new(match verb {
        Verb::Get => Body::full(part),
        Verb::Head => Body::empty(),
    });
    *response.status_mut() = status;
    *response.headers_mut() = HeaderMap::with_capacity(FIELDS);
    let fields = response.headers_mut();
    identify(fields, digest, etag);
    fields.insert(header::CONTENT_TYPE, media);
    // hyper keeps what is set here, and sets nothing itself for HEAD.
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(range) = content_range {
        fields.insert(header::CONTENT_RANGE, range);
    }
    response
}

/// Does the caller hold this version already (RFC 9110, 13.1.2)?
pub fn unmodified(conditions: &Conditions, etag: &HeaderValue) -> bool {
    let Some(list) = conditions.if_none_match.as_ref().and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let own = etag.to_str().unwrap_or_default();
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own)
}

/// 304 for content with this digest.
pub fn not_modified(digest: &Digest) -> Response<Body> {
    let (digest, etag) = headers::digest_and_etag(digest);
    unchanged(digest, etag)
}

fn unchanged(digest: HeaderValue, etag: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    identify(response.headers_mut(), digest, etag);
    response
}

/// 416 with the spec's JSON and, where the size is known, `Content-Range: bytes */size`.
pub fn range_not_satisfiable(total: Option<u64>) -> Response<Body> {
    let error = Error::client(Code::SizeInvalid, "the range lies outside of the content")
        .with_status(StatusCode::RANGE_NOT_SATISFIABLE);
    let mut response = render(&error, Envelope::Registry);
    if let Some(total) = total {
        response.headers_mut().insert(header::CONTENT_RANGE, unsatisfied(total));
    }
    response
}

/// Says of an answer to a tag, if it is `stale`, that upstream has not confirmed it and for how long (RFC 7234, 5.5.1; RFC
/// 9111, 5.1).
pub fn unconfirmed(response: &mut Response<Body>, stale: Option<&Stale>) {
    let Some(Stale { since }) = stale else { return };
    let age = SystemTime::now().duration_since(*since).map_or(0, |age| age.as_secs());
    let fields = response.headers_mut();
    fields.append(header::WARNING, STALE);
    fields.insert(header::AGE, HeaderValue::from(age));
}

/// The headers that say which content this is.
pub fn identity(fields: &mut HeaderMap, digest: &Digest) {
    let (digest, etag) = headers::digest_and_etag(digest);
    identify(fields, digest, etag);
}

fn identify(fields: &mut HeaderMap, digest: HeaderValue, etag: HeaderValue) {
    fields.insert(headers::CONTENT_DIGEST, digest);
    fields.insert(header::ETAG, etag);
    fields.insert(headers::API_VERSION, headers::REGISTRY_V2);
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: HeaderValue = headers::JSON;

    fn get(range: Option<&'static str>, if_none_match: Option<&'static str>, verb: Verb) -> Response<Body> {
        let conditions = Conditions {
            range: range.map(HeaderValue::from_static),
            if_range: None,
            if_none_match: if_none_match.map(HeaderValue::from_static),
        };
        document(&Bytes::from("0123456789"), JSON, &Digest::sha256("0123456789"), verb, &conditions)
    }

    async fn text(response: Response<Body>) -> String {
        let body = crate::body::bounded(response.into_body(), 1000).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn whole_and_part() {
        let response = get(None, None, Verb::Get);
        assert_eq!(
            (response.status(), &response.headers()["content-length"]),
            (StatusCode::OK, &HeaderValue::from(10))
        );
        assert_eq!(text(response).await, "0123456789");
        let response = get(Some("bytes=2-4"), None, Verb::Get);
        assert_eq!(response.headers()["content-range"], "bytes 2-4/10");
        assert_eq!((response.status().as_u16(), text(response).await), (206, "234".into()));
        let response = get(Some("bytes=10-"), None, Verb::Get);
        assert_eq!(response.headers()["content-range"], "bytes */10");
        assert_eq!(response.status().as_u16(), 416);
        assert!(text(response).await.contains("SIZE_INVALID"));
    }

    #[tokio::test]
    async fn head_has_the_length_and_no_body() {
        let response = get(Some("bytes=2-4"), None, Verb::Head);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-length"]),
            (200, &HeaderValue::from(10))
        );
        assert_eq!(text(response).await, "");
    }

    #[test]
    fn validators() {
        let etag = headers::etag_value(&Digest::sha256("0123456789"));
        let list: &'static str = Box::leak(format!("\"x\", W/{}", etag.to_str().unwrap()).into_boxed_str());
        assert_eq!(get(None, Some(list), Verb::Get).status(), 304);
        assert_eq!(get(None, Some("*"), Verb::Head).status(), 304);
        assert_eq!(get(None, Some("\"x\""), Verb::Get).status(), 200);
    }
}
