//! The operator's listener: metrics, probes and the log's level. It asks nobody who he is, so it is bound to
//! loopback unless the configuration says otherwise.

use crate::body::{Body, bounded};
use crate::error::BoxError;
use crate::net::{Limits, Listener, Watch};
use crate::oci::headers;
use crate::telemetry::{Level, Metrics};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::json;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use tower::util::BoxCloneSyncService;

/// What the operator's listener shows and changes.
#[derive(Clone)]
pub struct State {
    metrics: Metrics,
    level: Level,
    /// Of the listeners that clients use, not of the operator's own.
    clients: Watch,
    checks: Arc<[Check]>,
}

/// A reason not to be ready that `/readyz` asks for; `None` is fine. It must answer at once.
pub type Check = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// A log filter is a line; more is a mistake.
const FILTER_LIMIT: usize = 4096;
/// The Prometheus text format.
const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl State {
    /// `clients` is the watch of the listeners whose readiness is told; `checks` are further reasons not to
    /// be ready.
    pub fn new(metrics: Metrics, level: Level, clients: Watch, checks: Vec<Check>) -> State {
        State { metrics, level, clients, checks: checks.into() }
    }
}

/// Serves `GET /metrics`, `/livez` and `/readyz`, and `GET` and `PUT /log`, until `watch` drains. `watch`
/// should be another one than the clients': while these drain, `/readyz` still answers 503 and metrics are
/// still read.
pub async fn serve(listener: Listener, state: State, limits: Limits, watch: Watch) {
    let metrics = state.metrics.clone();
    let service = BoxCloneSyncService::new(tower::service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(answer(&state, request).await) }
    }));
    tokio::select! {
        () = listener.serve(service, limits, watch) => {}
        never = metrics.upkeep() => match never {},
    }
}

async fn answer<B>(state: &State, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let mut response = match (&*path, &method) {
        ("/metrics", &Method::GET | &Method::HEAD) => text(EXPOSITION, state.metrics.render()),
        ("/livez", &Method::GET | &Method::HEAD) => text(TEXT, "ok\n"),
        ("/readyz", &Method::GET | &Method::HEAD) => ready(state),
        ("/log", &Method::GET | &Method::HEAD) => text(TEXT, format!("{}\n", state.level.current())),
        ("/log", &Method::PUT) => set_level(state, request.into_body()).await,
        ("/metrics" | "/livez" | "/readyz", _) => not_allowed("GET, HEAD"),
        ("/log", _) => not_allowed("GET, HEAD, PUT"),
        _ => message(StatusCode::NOT_FOUND, "there is no such page here"),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if method == Method::HEAD { response.map(|_| Body::empty()) } else { response }
}

/// 200, or 503 with all reasons.
fn ready(state: &State) -> Response<Body> {
    let draining = state.clients.is_draining().then(|| "draining".to_string());
    let reasons: Vec<_> =
        draining.into_iter().chain(state.checks.iter().filter_map(|check| check())).collect();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &json!({ "ready": reasons.is_empty(), "reasons": reasons }))
}

async fn set_level<B>(state: &State, body: B) -> Response<Body>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let Ok(content) = bounded(body, FILTER_LIMIT).await else {
        return message(StatusCode::BAD_REQUEST, "a log filter is shorter than that");
    };
    let Ok(filter) = std::str::from_utf8(&content) else {
        return message(StatusCode::BAD_REQUEST, "a log filter is text");
    };
    match state.level.set(filter) {
        Ok(()) => text(TEXT, format!("{}\n", state.level.current())),
        Err(why) => message(StatusCode::BAD_REQUEST, &why.to_string()),
    }
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = message(StatusCode::METHOD_NOT_ALLOWED, "this page is used otherwise");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

fn message(status: StatusCode, message: &str) -> Response<Body> {
    json(status, &json!({ "message": message }))
}

fn json(status: StatusCode, content: &serde_json::Value) -> Response<Body> {
    let mut response = text(headers::JSON, content.to_string());
    *response.status_mut() = status;
    response
}

fn text(kind: HeaderValue, content: impl Into<Bytes>) -> Response<Body> {
    let content = content.into();
    let length = HeaderValue::from(content.len());
    let mut response = Response::new(Body::full(content));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("level", &self.level.current()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
