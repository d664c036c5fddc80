//! `GET /service-info` and `GET /health`.

use super::json::{for_method, reply};
use crate::body::Body;
use http::{Method, Response, StatusCode};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

/// `{"serviceInfo":{"version","commitId"}}`; the version is a semantic one, which clients insist on.
pub(super) fn answer(method: &Method) -> Response<Body> {
    let commit = commit(option_env!("WAVE_COMMIT"));
    let info = json!({ "serviceInfo": { "version": env!("CARGO_PKG_VERSION"), "commitId": commit } });
    for_method(method, reply(&info))
}

/// The commit we were built from, when the build said it.
fn commit(built: Option<&'static str>) -> &'static str {
    built.filter(|commit| !commit.is_empty()).unwrap_or("unknown")
}

/// `{"status":"UP"}`, or 503 and `DOWN` once we were asked to stop.
pub(super) fn health(method: &Method, draining: &AtomicBool) -> Response<Body> {
    if !draining.load(Ordering::Relaxed) {
        return for_method(method, reply(&json!({ "status": "UP" })));
    }
    let mut response = for_method(method, reply(&json!({ "status": "DOWN" })));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_is_not_known_says_so() {
        assert_eq!([Some("1a2b3c4"), Some(""), None].map(commit), ["1a2b3c4", "unknown", "unknown"]);
    }
}
