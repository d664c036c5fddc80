//! Status and headers of a layer (RFC 9110, 13 to 15; distribution-spec, "Pulling blobs").

use crate::body::Body;
use crate::error::{Envelope, Error, render};
use crate::grant::Layer;
use crate::oci::{Code, headers};
use crate::pull::range::unsatisfied;
use crate::pull::{Conditions, Span, Spans, Verb};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// What a request asks of a layer.
pub(super) enum Want {
    /// Answered without looking at the bytes: 304 or 416.
    Nothing(Response<Body>),
    /// Everything, or the headers of everything.
    Whole,
    /// 206.
    Part(Span),
}

impl Want {
    /// Digest and size decide. A range means nothing on HEAD (RFC 9110, 14.2).
    pub(super) fn of(layer: &Layer, verb: Verb, conditions: &Conditions) -> Want {
        let etag = headers::etag_value(&layer.digest);
        if conditions.if_none_match.as_ref().is_some_and(|known| names(known, &etag)) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            validators(layer, response.headers_mut());
            return Want::Nothing(response);
        }
        let Conditions { range, if_range, .. } = conditions;
        match (verb, Spans::of(range.as_ref(), if_range.as_ref(), &etag, layer.size)) {
            (Verb::Get, Spans::Part(span)) => Want::Part(span),
            (Verb::Get, Spans::Unsatisfiable) => Want::Nothing(refuse(layer)),
            (Verb::Head, _) | (Verb::Get, Spans::Whole) => Want::Whole,
        }
    }
}

/// 200 with the whole, or its headers.
pub(super) fn whole(layer: &Layer, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let fields = response.headers_mut();
    validators(layer, fields);
    fields.insert(header::CONTENT_TYPE, headers::OCTET_STREAM);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(layer.size));
    response
}

/// 206 with a part.
pub(super) fn part(layer: &Layer, span: &Span, body: Body) -> Response<Body> {
    let mut response = whole(layer, body);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_RANGE, span.content_range());
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(span.len()));
    response
}

fn refuse(layer: &Layer) -> Response<Body> {
    let error = Error::client(Code::SizeInvalid, "the range lies outside the blob")
        .with_status(StatusCode::RANGE_NOT_SATISFIABLE);
    let mut response = render(&error, Envelope::Registry);
    response.headers_mut().insert(header::CONTENT_RANGE, unsatisfied(layer.size));
    response
}

fn validators(layer: &Layer, fields: &mut HeaderMap) {
    fields.insert(headers::API_VERSION, headers::REGISTRY_V2);
    fields.insert(headers::CONTENT_DIGEST, headers::digest_value(&layer.digest));
    fields.insert(header::ETAG, headers::etag_value(&layer.digest));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
}

/// Does `If-None-Match` name this version? Comparison is weak (RFC 9110, 13.1.2).
fn names(known: &HeaderValue, etag: &HeaderValue) -> bool {
    let candidates = known.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    candidates.into_iter().any(|candidate| {
        candidate == b"*" || candidate.strip_prefix(b"W/").unwrap_or(candidate) == etag.as_bytes()
    })
}
