//! The layer that refuses what is too much: at the edge for all requests, and towards each registry.

use super::{Admit, Permit};
use crate::body::Body;
use crate::error::Error;
use http::Response;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower::{Layer, Service};

/// Makes [`Admission`].
#[derive(Debug)]
pub struct AdmissionLayer<P> {
    permits: Arc<P>,
}

/// Takes a permit for each request, or refuses it. The permit is given back when the response *body* has
/// ended.
#[derive(Debug)]
pub struct Admission<S, P> {
    inner: S,
    permits: Arc<P>,
}

pin_project! {
    /// The response future of [`Admission`].
    #[project = Projected]
    #[allow(missing_docs)]
    pub enum Admitting<F> {
        Admitted { #[pin] inner: F, permit: Option<Permit> },
        Refused { error: Option<Error> },
    }
}

impl<P> AdmissionLayer<P> {
    /// A layer over these permits: a [`Pool`](super::Pool) or [`PerRegistry`](super::PerRegistry).
    pub fn new(permits: P) -> AdmissionLayer<P> {
        AdmissionLayer { permits: Arc::new(permits) }
    }
}

impl<P> Clone for AdmissionLayer<P> {
    fn clone(&self) -> AdmissionLayer<P> {
        AdmissionLayer { permits: self.permits.clone() }
    }
}

/// A clone is a new caller. There is nothing it could inherit: a permit is taken in `call`, never in
/// `poll_ready`.
impl<S: Clone, P> Clone for Admission<S, P> {
    fn clone(&self) -> Admission<S, P> {
        Admission { inner: self.inner.clone(), permits: self.permits.clone() }
    }
}

impl<S, P> Layer<S> for AdmissionLayer<P> {
    type Service = Admission<S, P>;

    fn layer(&self, inner: S) -> Admission<S, P> {
        Admission { inner, permits: self.permits.clone() }
    }
}

impl<S, P, R> Service<R> for Admission<S, P>
where
    S: Service<R, Response = Response<Body>>,
    S::Error: Into<Error>,
    P: Admit<R>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Admitting<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        match self.permits.admit(&request) {
            Ok(permit) => Admitting::Admitted { inner: self.inner.call(request), permit: Some(permit) },
            Err(error) => Admitting::Refused { error: Some(error) },
        }
    }
}

impl<F, E> Future for Admitting<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
    E: Into<Error>,
{
    type Output = Result<Response<Body>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const DONE: &str = "a future is not polled after it was ready";
        Poll::Ready(match self.project() {
            Projected::Admitted { inner, permit } => {
                let response = ready!(inner.poll(cx)).map_err(Into::into);
                // Of a failure there is no body for it to ride on: it is given back here.
                let permit = permit.take().expect(DONE);
                response.map(|response| response.map(|body| body.watched(permit)))
            }
            Projected::Refused { error } => Err(error.take().expect(DONE)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pool;
    use super::*;
    use crate::body::bounded;
    use tower_test::mock::{self, spawn_layer};

    #[tokio::test]
    async fn the_permit_rides_on_the_body() {
        let layer = AdmissionLayer::new(Pool::new("edge", 1));
        let (mut service, mut inner): (mock::Spawn<_>, mock::Handle<(), Response<Body>>) = spawn_layer(layer);
        assert!(service.poll_ready().is_ready());
        let first = service.call(());
        inner.next_request().await.unwrap().1.send_response(Response::new(Body::full("hello")));
        let response = first.await.unwrap();

        assert!(service.poll_ready().is_ready());
        assert_eq!(service.call(()).await.unwrap_err().status(), 503);

        bounded(response.into_body(), 10).await.unwrap();
        assert!(service.poll_ready().is_ready());
        let third = service.call(());
        inner.next_request().await.unwrap().1.send_response(Response::new(Body::empty()));
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn a_caller_who_leaves_gives_the_permit_back() {
        let pool = Pool::new("edge", 1);
        let (mut service, _inner) = spawn_layer::<(), Response<Body>, _>(AdmissionLayer::new(pool.clone()));
        assert!(service.poll_ready().is_ready());
        let waiting = service.call(());
        assert!(pool.try_acquire().is_err());
        drop(waiting);
        assert!(pool.try_acquire().is_ok());
    }

    #[tokio::test]
    async fn a_failure_gives_the_permit_back() {
        let pool = Pool::new("edge", 1);
        let (mut service, mut inner) =
            spawn_layer::<(), Response<Body>, _>(AdmissionLayer::new(pool.clone()));
        assert!(service.poll_ready().is_ready());
        let failing = service.call(());
        inner.next_request().await.unwrap().1.send_error("broken");
        assert_eq!(failing.await.unwrap_err().status(), 500);
        assert!(pool.try_acquire().is_ok());
    }
}
