//! Header names of the registry protocol and the values we always send.

use super::Digest;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};

/// `Docker-Content-Digest`: the digest of the content, on every manifest and blob (distribution-spec main).
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// `Docker-Distribution-Api-Version`.
pub const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// Value of [`API_VERSION`].
pub const REGISTRY_V2: HeaderValue = HeaderValue::from_static("registry/2.0");
/// `OCI-Namespace`: the `ns` a mirror request was answered for.
pub const NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
/// `OCI-Filters-Applied`, on referrers.
pub const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// `X-Request-Id`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `application/octet-stream`, the type of blobs.
pub const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// `application/json`.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A copy of a value that was read from a connection. The value itself keeps all that was read with it in memory, 8 KiB
/// at least: whatever outlives the head of a message is copied.
pub fn copied(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).expect("it is one already")
}

/// Bytes of a sha256 digest in quotes.
const TYPICAL: usize = 73;

/// A digest as a header value.
pub fn digest_value(digest: &Digest) -> HeaderValue {
    let mut text = Vec::with_capacity(TYPICAL);
    digest.write(&mut text);
    HeaderValue::try_from(text).expect("a digest is ASCII")
}

/// A digest as a header value and as a strong entity tag, which are one text: with and without quotes.
pub fn digest_and_etag(digest: &Digest) -> (HeaderValue, HeaderValue) {
    let etag = Bytes::from(quoted(digest));
    let value = |text| HeaderValue::from_maybe_shared(text).expect("a digest is ASCII");
    (value(etag.slice(1..etag.len() - 1)), value(etag))
}

/// A digest as a strong entity tag: quoted (RFC 9110, 8.8.3).
pub fn etag_value(digest: &Digest) -> HeaderValue {
    HeaderValue::try_from(quoted(digest)).expect("a digest is ASCII")
}

fn quoted(digest: &Digest) -> Vec<u8> {
    let mut text = Vec::with_capacity(TYPICAL);
    text.push(b'"');
    digest.write(&mut text);
    text.push(b'"');
    text
}
