//! Status and headers of a layer (RFC 9110, 13 to 15; distribution-spec, "Pulling blobs").

use crate::body::Body;
use crate::grant::Layer;
use crate::oci::headers;
use crate::pull::respond::{identity, not_modified, range_not_satisfiable, unmodified};
use crate::pull::{Conditions, Span, Spans, Verb};
use http::{HeaderValue, Response, StatusCode, header};

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
        if unmodified(conditions, &etag) {
            return Want::Nothing(not_modified(&layer.digest));
        }
        let Conditions { range, if_range, .. } = conditions;
        match (verb, Spans::of(range.as_ref(), if_range.as_ref(), &etag, layer.size)) {
            (Verb::Get, Spans::Part(span)) => Want::Part(span),
            (Verb::Get, Spans::Unsatisfiable) => Want::Nothing(range_not_satisfiable(Some(layer.size))),
            (Verb::Head, _) | (Verb::Get, Spans::Whole) => Want::Whole,
        }
    }
}

/// 200 with the whole, or its headers.
pub(super) fn whole(layer: &Layer, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let fields = response.headers_mut();
    identity(fields, &layer.digest);
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
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
