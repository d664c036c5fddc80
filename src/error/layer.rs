//! The layer that turns errors and panics into responses. Above it nothing fails.

use super::{Envelope, Error, Side, render};
use crate::body::Body;
use futures_util::FutureExt as _;
use http::{Request, Response};
use std::convert::Infallible;
use std::error::Error as _;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
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

impl<S, B> Service<Request<B>> for Rescue<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Error: Into<Error>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Nothing below signals back-pressure through readiness: admission refuses in `call` instead, where
        // the refusal can still be rendered.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let envelope = Envelope::of(request.method(), request.uri().path());
        let response = std::panic::catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(async move {
            let outcome = match response {
                Ok(response) => AssertUnwindSafe(response).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            Ok(match outcome {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => rescue(&error.into(), envelope),
                Err(panic) => rescue(&panicked(&*panic), envelope),
            })
        })
    }
}

fn rescue(error: &Error, envelope: Envelope) -> Response<Body> {
    let (code, status) = (error.code().as_str(), error.status().as_u16());
    let cause = error.source().map(causes).unwrap_or_default();
    match error.side() {
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
mod tests {
    use super::*;
    use crate::oci::Code;
    use http::Method;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    async fn answer(method: Method, path: &str, error: Error) -> (u16, String) {
        let inner =
            service_fn(move |_: Request<()>| std::future::ready(Err::<Response<Body>, _>(error.clone())));
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        let response =
            ServiceBuilder::new().layer(RescueLayer).service(inner).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = crate::body::bounded(response.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_caller_gets_its_envelope() {
        let error = || Error::client(Code::NameUnknown, "gone");
        let registry = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"gone"}]}"#;
        assert_eq!(answer(Method::GET, "/v2/x", error()).await, (404, registry.into()));
        assert_eq!(answer(Method::HEAD, "/v2/x", error()).await, (404, String::new()));
        assert_eq!(
            answer(Method::POST, "/container-token", error()).await,
            (404, r#"{"message":"gone"}"#.into())
        );
    }

    #[tokio::test]
    async fn a_panic_is_one_500() {
        let inner = service_fn(|_: Request<()>| async { panic!("secret") as Result<Response<Body>, Error> });
        let request = Request::get("/v2/").body(()).unwrap();
        let response =
            ServiceBuilder::new().layer(RescueLayer).service(inner).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = crate::body::bounded(response.into_body(), 4096).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }
}
