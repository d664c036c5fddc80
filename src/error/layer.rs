//! The layer that turns errors and panics into responses. Above it nothing fails.

use super::{Envelope, Error, Side, render};
use crate::body::Body;
use http::{Request, Response};
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::error::Error as _;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower::{Layer, Service};

/// Makes [`Rescue`].
#[derive(Clone, Copy, Debug, Default)]
pub struct RescueLayer;

/// Renders every [`Error`] and every panic of what lies below as a response, and logs it once.
#[derive(Clone, Debug)]
pub struct Rescue<S> {
    inner: S,
}

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Rescue<S> {
        Rescue { inner }
    }
}

pin_project! {
    /// The response future of [`Rescue`].
    pub struct Rescuing<F> {
        #[pin]
        inner: Option<F>,
        panic: Option<Panic>,
        envelope: Envelope,
    }
}

/// What a panic leaves behind.
type Panic = Box<dyn std::any::Any + Send>;

impl<S, B> Service<Request<B>> for Rescue<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Error: Into<Error>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Rescuing<S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Nothing below signals back-pressure through readiness: admission refuses in `call` instead, where
        // the refusal can still be rendered.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let envelope = Envelope::of(request.method(), request.uri().path());
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(inner) => Rescuing { inner: Some(inner), panic: None, envelope },
            Err(panic) => Rescuing { inner: None, panic: Some(panic), envelope },
        }
    }
}

impl<F, E> Future for Rescuing<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
    E: Into<Error>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = match this.inner.as_mut().as_pin_mut() {
            Some(inner) => std::panic::catch_unwind(AssertUnwindSafe(|| inner.poll(cx))),
            None => Err(this.panic.take().expect("a future is not polled after it was ready")),
        };
        let response = match outcome {
            Ok(outcome) => ready!(outcome).unwrap_or_else(|error| rescue(&error.into(), *this.envelope)),
            Err(panic) => rescue(&panicked(&*panic), *this.envelope),
        };
        // What has ended, perhaps by a panic, is never polled again.
        this.inner.set(None);
        Poll::Ready(Ok(response))
    }
}

fn rescue(error: &Error, envelope: Envelope) -> Response<Body> {
    let (code, status) = (error.code().as_str(), error.status().as_u16());
    let cause = error.source().map(causes).unwrap_or_default();
    match error.side() {
        // There may be many of these for one cause, and each is counted.
        _ if error.is_unasked() => {
            tracing::debug!(code, status, message = error.message(), "request held back")
        }
        Side::Client => tracing::debug!(code, status, message = error.message(), cause, "request refused"),
        Side::Upstream => tracing::warn!(code, status, message = error.message(), cause, "upstream failed"),
        Side::Proxy => tracing::error!(code, status, message = error.message(), cause, "request failed"),
    }
    render(error, envelope)
}

/// An error with all that led to it, for the log.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic");
    Error::internal("unable to process the request").with_source(text.to_string())
}

#[cfg(test)]
mod tests;
