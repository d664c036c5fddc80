//! What HEAD should have told, from upstreams that do not tell it.

use super::respond::identity;
use super::stream::fetch;
use super::{Fetch, Scoped, Verb, What};
use crate::body::Body;
use crate::error::Error;
use crate::oci::{Digest, headers};
use crate::upstream::{Upstream, lacks_head};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tower::ServiceExt as _;

/// The answer to a HEAD; `None` from a registry that has none, so that the content has to be asked for.
pub(super) async fn head(upstream: &Upstream, request: Fetch) -> Result<Option<Response<Body>>, Error> {
    match upstream.clone().oneshot(request).await {
        Ok(head) => Ok(Some(head)),
        Err(error) if lacks_head(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A blob's size, if upstream tells. Fails where a caller may not have the blob.
pub(super) async fn size(
    upstream: &Upstream,
    scoped: &Scoped,
    digest: &Digest,
) -> Result<Option<u64>, Error> {
    let what = || What::Blob(*digest);
    let head = head(upstream, fetch(scoped, what(), Verb::Head, HeaderMap::new())).await?;
    if let Some(size) = head.and_then(|head| number(head.headers(), &header::CONTENT_LENGTH)) {
        return Ok(Some(size));
    }
    // One byte says of how many it is one.
    let mut range = HeaderMap::new();
    range.insert(header::RANGE, HeaderValue::from_static("bytes=0-0"));
    let part = upstream.clone().oneshot(fetch(scoped, what(), Verb::Get, range)).await?;
    Ok(match part.status() {
        StatusCode::OK => number(part.headers(), &header::CONTENT_LENGTH),
        _ => number(part.headers(), &header::CONTENT_RANGE),
    })
}

/// The answer to HEAD of a blob.
pub(super) fn blob(digest: &Digest, size: Option<u64>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let fields = response.headers_mut();
    identity(fields, digest);
    fields.insert(header::CONTENT_TYPE, headers::OCTET_STREAM);
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(size) = size {
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    response
}

/// The number at the end of a header: a length, or the total of a range.
fn number(fields: &HeaderMap, name: &header::HeaderName) -> Option<u64> {
    fields.get(name)?.to_str().ok()?.rsplit('/').next()?.trim().parse().ok()
}
