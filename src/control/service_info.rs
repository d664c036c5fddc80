//! `GET /service-info` and `GET /health`.

use super::json::{for_method, reply};
use crate::body::Body;
use http::{Method, Response, StatusCode};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

/// `{"serviceInfo":{"version","commitId"}}`; the version is a semantic one, which clients insist on.
pub(super) fn answer(method: &Method) -> Response<Body> {
    let commit = option_env!("WAVE_COMMIT").unwrap_or("unknown");
    let info = json!({ "serviceInfo": { "version": env!("CARGO_PKG_VERSION"), "commitId": commit } });
    for_method(method, reply(&info))
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
