//! Errors as responses: the registry's envelope under `/v2`, the control plane's elsewhere.

use super::{Blame, Error};
use crate::body::Body;
use crate::oci::headers;
use http::{HeaderValue, Method, Response, header};

/// Which JSON an error is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// `{"errors":[{"code","message"}]}` (distribution-spec, "Error codes").
    Registry,
    /// `{"message": "..."}`.
    Control,
    /// The headers of the registry's envelope and no content: the answer to HEAD.
    Head,
}

impl Envelope {
    /// What the caller of this method and path understands.
    pub fn of(method: &Method, path: &str) -> Envelope {
        match (path == "/v2" || path.starts_with("/v2/"), method) {
            (_, &Method::HEAD) => Envelope::Head,
            (true, _) => Envelope::Registry,
            (false, _) => Envelope::Control,
        }
    }
}

/// The response for `error`, with its [`Blame`] as an extension. `429` and `503` carry `Retry-After`, `401`
/// carries `WWW-Authenticate`.
pub fn render(error: &Error, envelope: Envelope) -> Response<Body> {
    let content = match envelope {
        Envelope::Registry | Envelope::Head => registry(error),
        Envelope::Control => serde_json::json!({ "message": error.message() }),
    };
    let content = content.to_string();
    let length = content.len();
    let mut response = Response::new(match envelope {
        Envelope::Head => Body::empty(),
        _ => Body::full(content),
    });
    *response.status_mut() = error.status();
    response.extensions_mut().insert(Blame { code: error.code(), side: error.side() });
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, headers::JSON);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if envelope != Envelope::Control {
        fields.insert(headers::API_VERSION, headers::REGISTRY_V2);
    }
    if error.status() == http::StatusCode::METHOD_NOT_ALLOWED && envelope != Envelope::Control {
        fields.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    if error.closes() {
        // hyper takes it away again over HTTP/2, where it is forbidden (RFC 9113, 8.2.2).
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(after) = error.retry_after() {
        // Whole seconds, rounded up: a client that comes back early is refused again.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if let Some(value) = error.challenge().and_then(|c| HeaderValue::try_from(c.to_string()).ok()) {
        fields.insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

fn registry(error: &Error) -> serde_json::Value {
    let entry = serde_json::json!({ "code": error.code().as_str(), "message": error.message() });
    serde_json::json!({ "errors": [entry] })
}
