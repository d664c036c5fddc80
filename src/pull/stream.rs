//! What is not ours: manifests and blobs as upstream has them.

use super::head::{self, head};
use super::range::Asked;
use super::respond::{document, identity, not_modified, range_not_satisfiable, unconfirmed, unmodified};
use super::{Conditions, Fetch, Scoped, Verb, What, media};
use crate::body::{Body, Expect, bounded};
use crate::cache::Resolved;
use crate::config::Verify;
use crate::error::Error;
use crate::oci::media::ACCEPT_MANIFESTS;
use crate::oci::{Code, Digest, MediaType, Reference, headers};
use crate::spool::shelf::Stale;
use crate::upstream::{Patience, Redirects, Upstream, resumed};
use http::{Extensions, HeaderMap, HeaderValue, Response, StatusCode, header};
use std::time::Duration;
use tower::ServiceExt as _;

/// A blob that breaks off is asked for so often without progress before its client sees it; he asks again himself.
const TRIES: u32 = 1;

/// One request for `scoped`'s repository.
pub(super) fn fetch(scoped: &Scoped, what: What, verb: Verb, headers: HeaderMap) -> Fetch {
    Fetch {
        registry: scoped.registry.clone(),
        repository: scoped.grant.repository.clone(),
        what,
        verb,
        headers,
        access: scoped.access.clone(),
        redirects: Redirects::Follow,
    }
}

/// A manifest or index exactly as upstream has it, verified before the first byte leaves.
pub(super) async fn manifest(
    upstream: &Upstream,
    scoped: &Scoped,
    reference: &Reference,
    limit: usize,
) -> Result<Response<Body>, Error> {
    let what = || What::Manifest(reference.clone());
    let (verb, conditions) = (scoped.pull.verb, &scoped.pull.conditions);
    // What a caller has a copy of is looked at first: registries count contents, and not heads.
    if verb == Verb::Head || conditions.if_none_match.is_some() {
        let head = match head(upstream, fetch(scoped, what(), Verb::Head, accept(scoped))).await {
            // Where HEAD fails GET may not, unless neither is to be asked now.
            Err(error)
                if verb == Verb::Get && error.code() != Code::TooManyRequests && !error.is_unasked() =>
            {
                None
            }
            head => head?,
        };
        if let Some(response) = head.and_then(|head| known_head(&head, reference, conditions))
            && (verb == Verb::Head || response.status() == StatusCode::NOT_MODIFIED)
        {
            return Ok(response);
        }
    }
    // An upstream without HEAD, or whose HEAD lacks digest, length or type, is asked for the content instead.
    let response = upstream.clone().oneshot(fetch(scoped, what(), Verb::Get, accept(scoped))).await?;
    let (parts, body) = response.into_parts();
    let content = bounded(body, limit).await?;
    let digest = verified(&content, &parts.headers, reference)?;
    let mut response = document(&content, media::of(&content, &parts.headers)?, &digest, verb, conditions);
    unconfirmed(&mut response, parts.extensions.get());
    Ok(response)
}

/// A blob as it streams from upstream; when `verify` says so it is hashed on the way, if it is asked for whole. One that
/// breaks off waits for so long until the rest of it can be asked for.
pub(super) async fn blob(
    upstream: &Upstream,
    scoped: &Scoped,
    digest: &Digest,
    verify: Verify,
    wait: Duration,
) -> Result<Response<Body>, Error> {
    let conditions = &scoped.pull.conditions;
    let etag = headers::etag_value(digest);
    if unmodified(conditions, &etag) {
        // Whether the caller may know is upstream's to say.
        head::size(upstream, scoped, digest).await?;
        return Ok(not_modified(digest));
    }
    if scoped.pull.verb == Verb::Head {
        return Ok(head::blob(digest, head::size(upstream, scoped, digest).await?));
    }
    let mut forwarded = HeaderMap::new();
    let asked = asked(conditions, digest);
    if let Some(asked) = asked {
        forwarded.insert(header::RANGE, asked.header());
    }
    let redirects = scoped.registry.redirects();
    let request = Fetch { redirects, ..fetch(scoped, What::Blob(*digest), Verb::Get, forwarded) };
    let response = upstream.clone().oneshot(request.clone()).await?;
    let (parts, body) = response.into_parts();
    if parts.status == StatusCode::PARTIAL_CONTENT
        && !asked.is_some_and(|asked| asked.is_answered_by(&parts.headers))
    {
        return Err(Error::bad_gateway("upstream sent other parts of a blob than were asked for"));
    }
    if parts.status == StatusCode::RANGE_NOT_SATISFIABLE {
        // Upstream's own body is not relayed: some registries declare a length that they do not send.
        let total = parts.headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
        return Ok(range_not_satisfiable(total.and_then(|text| text.strip_prefix("bytes */")?.parse().ok())));
    }
    if parts.status.is_redirection() {
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    if !matches!(parts.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        // Such as 203, of which nobody can say what its content is.
        return Err(Error::bad_gateway("upstream answered a request for a blob with another success"));
    }
    let size = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let verify = verify == Verify::Always && parts.status == StatusCode::OK;
    if verify && size == Some(0) && digest.matches(&[]) == Some(false) {
        // There is nothing that could be held back.
        return Err(Error::bad_gateway("upstream sent a blob without content that should have some"));
    }
    let body = resumed(upstream.clone(), request, &parts, body, Patience { tries: TRIES, wait });
    let body = if verify { body.expecting(Expect { digest: *digest, size }) } else { body };
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    let fields = response.headers_mut();
    identity(fields, digest);
    fields.insert(header::CONTENT_TYPE, headers::OCTET_STREAM);
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    for name in [header::CONTENT_LENGTH, header::CONTENT_RANGE] {
        if let Some(value) = parts.headers.get(&name) {
            fields.insert(name, value.clone());
        }
    }
    Ok(response)
}

/// The range of a blob that is asked for. A blob never changes under its digest, so `If-Range` is decided here and not
/// sent on. Several ranges would be answered with a content of another type, so they are ignored here as they are for
/// what we hold.
pub(super) fn asked(conditions: &Conditions, digest: &Digest) -> Option<Asked> {
    let asked = conditions.range.as_ref().and_then(Asked::parse)?;
    let version = conditions.if_range.as_ref();
    version.is_none_or(|version| *version == headers::etag_value(digest)).then_some(asked)
}

/// What a tag points to: from HEAD, which costs no quota, or by hashing the content.
pub(super) async fn resolve(
    upstream: &Upstream,
    scoped: &Scoped,
    reference: &Reference,
    limit: usize,
) -> Result<Resolved, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, ACCEPT_MANIFESTS);
    let what = || What::Manifest(reference.clone());
    let head = head(upstream, fetch(scoped, what(), Verb::Head, headers.clone())).await?;
    let stale = |extensions: &Extensions| extensions.get::<Stale>().copied();
    if let Some(head) = head
        && let Some(digest) = declared(head.headers())
    {
        return Ok(Resolved { digest, stale: stale(head.extensions()) });
    }
    let response = upstream.clone().oneshot(fetch(scoped, what(), Verb::Get, headers)).await?;
    let (parts, body) = response.into_parts();
    let digest = verified(&bounded(body, limit).await?, &parts.headers, reference)?;
    Ok(Resolved { digest, stale: stale(&parts.extensions) })
}

/// The caller's `Accept` lines as they came; registries choose by them. A caller that names no manifest type gets
/// ours, since some registries answer it with 404 or with a converted document.
fn accept(scoped: &Scoped) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let names_one = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("application/vnd."));
    match scoped.pull.accept.iter().any(names_one) {
        true => scoped.pull.accept.iter().for_each(|value| {
            headers.append(header::ACCEPT, value.clone());
        }),
        false => {
            headers.insert(header::ACCEPT, ACCEPT_MANIFESTS);
        }
    }
    headers
}

/// The answer to HEAD when upstream said all of it, and of the manifest that was asked for.
fn known_head(
    head: &Response<Body>,
    reference: &Reference,
    conditions: &Conditions,
) -> Option<Response<Body>> {
    let digest = declared(head.headers())?;
    if matches!(reference, Reference::Digest(asked) if *asked != digest) {
        return None;
    }
    let length = head.headers().get(header::CONTENT_LENGTH)?.clone();
    let media = media::stated(head.headers())?;
    let mut response = match unmodified(conditions, &headers::etag_value(&digest)) {
        true => not_modified(&digest),
        false => {
            let mut response = Response::new(Body::empty());
            let fields = response.headers_mut();
            identity(fields, &digest);
            fields.insert(header::CONTENT_TYPE, media);
            fields.insert(header::CONTENT_LENGTH, length);
            response
        }
    };
    unconfirmed(&mut response, head.extensions().get());
    Some(response)
}

fn declared(fields: &HeaderMap) -> Option<Digest> {
    fields.get(headers::CONTENT_DIGEST)?.to_str().ok()?.parse().ok()
}

/// The digest of `content`, which must be the one asked for and the one declared. The signature of a schema 1
/// document is not part of its digest, so there the declared one is taken, if it can be the one asked for.
fn verified(content: &[u8], fields: &HeaderMap, reference: &Reference) -> Result<Digest, Error> {
    let declared = declared(fields);
    let media = fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(MediaType::parse);
    let signed = media == Some(MediaType::Schema1Signed);
    let expected = match (reference, declared) {
        (Reference::Digest(digest), Some(declared)) if signed && *digest != declared => {
            return Err(Error::bad_gateway("upstream says that a manifest has another digest"));
        }
        (_, Some(declared)) if signed => return Ok(declared),
        (Reference::Digest(digest), _) => *digest,
        (Reference::Tag(_), Some(declared)) => declared,
        (Reference::Tag(_), None) => return Ok(Digest::sha256(content)),
    };
    match expected.matches(content) {
        Some(false) => Err(Error::bad_gateway("upstream sent a manifest that does not have its digest")),
        Some(true) | None => Ok(expected),
    }
}
