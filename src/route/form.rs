//! Requests that no part of the API has, whatever they ask for.

use crate::error::Error;
use crate::oci::Code;
use crate::telemetry::names;
use http::{Method, Request, StatusCode};
use metrics::counter;

/// Bytes of a request target; more is 414 (RFC 9110, 15.5.15).
const TARGET: usize = 8 * 1024;

/// Refuses a target beyond all names, and GET or HEAD with content, which is how requests are smuggled past whoever
/// ignores it (RFC 9110, 9.3.1). Such a connection is not used again.
pub(super) fn check<B: http_body::Body>(request: &Request<B>) -> Result<(), Error> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let (reason, error) = if target > TARGET {
        let error = Error::client(Code::NameInvalid, "the request target is too long");
        ("uri-too-long", error.with_status(StatusCode::URI_TOO_LONG))
    } else if matches!(*request.method(), Method::GET | Method::HEAD) && !request.body().is_end_stream() {
        let error = Error::client(Code::Unsupported, "this request must not have content");
        ("unexpected-body", error.with_status(StatusCode::BAD_REQUEST))
    } else {
        return Ok(());
    };
    counter!(names::REQUESTS_REJECTED, "reason" => reason).increment(1);
    Err(error.closing())
}
