//! The layer that records every request to the end of its response body.

use super::access::{Access, Record as Entry};
use super::handles::Handles;
use crate::body::Body;
use crate::config;
use crate::oci::headers::{REQUEST_ID, copied};
use http::{HeaderMap, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing::instrument::Instrumented;

/// Makes [`Record`].
#[derive(Clone, Debug)]
pub struct RecordLayer {
    access: Access,
    handles: Arc<Handles>,
}

/// Gives each request an id (`X-Request-Id`, the caller's own when it is sane) and a span, counts it,
/// measures it, and writes its access line when the response *body* has ended.
#[derive(Clone, Debug)]
pub struct Record<S> {
    inner: S,
    access: Access,
    handles: Arc<Handles>,
}

pin_project! {
    /// The response future of [`Record`].
    pub struct Recording<F> {
        #[pin]
        inner: Instrumented<F>,
        entry: Option<Entry>,
    }
}

impl RecordLayer {
    /// With access lines, if the configuration wants them.
    pub fn new(log: &config::Log) -> RecordLayer {
        let access = if log.access { Access::On } else { Access::Off };
        RecordLayer { access, handles: Arc::default() }
    }
}

impl<S> Layer<S> for RecordLayer {
    type Service = Record<S>;

    fn layer(&self, inner: S) -> Record<S> {
        Record { inner, access: self.access, handles: self.handles.clone() }
    }
}

impl<S, B> Service<Request<B>> for Record<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Recording<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let id = identify(request.headers());
        let entry = Entry::start(&request, id, self.access, self.handles.clone());
        let span = entry.span();
        let inner = span.in_scope(|| self.inner.call(request));
        Recording { inner: inner.instrument(span), entry: Some(entry) }
    }
}

impl<F, E> Future for Recording<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let mut entry = this.entry.take().expect("a future is not polled after it was ready");
        entry.head(&response);
        response.headers_mut().insert(REQUEST_ID, entry.id());
        Poll::Ready(Ok(response.map(|body| body.watched(entry))))
    }
}

/// The caller's request id if it is 1 to 64 characters of `[A-Za-z0-9._-]`, else a new one.
fn identify(headers: &HeaderMap) -> HeaderValue {
    let sane = |id: &&HeaderValue| {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        (1..=64).contains(&id.len()) && id.as_bytes().iter().all(allowed)
    };
    headers.get(REQUEST_ID).filter(sane).map_or_else(new_id, copied)
}

/// Unique in this process, and scattered enough not to collide with another's: an odd multiplier visits every
/// number.
fn new_id() -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static START: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        let mut seed = [0; 8];
        // Ids are no secrets: without a random source they start at zero.
        let _ = getrandom::fill(&mut seed);
        u64::from_ne_bytes(seed)
    });
    let number =
        NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(*START);
    HeaderValue::try_from(format!("{number:016x}")).expect("hexadecimal digits are ASCII")
}

#[cfg(test)]
#[path = "layer/tests.rs"]
mod tests;
