//! The layer that limits pulls. It sits below the one that checks callers, so an account name is a proven
//! one.

use super::Rates;
use crate::error::Error;
use crate::pull::Scoped;
use futures_util::future::Either;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Makes [`Rate`].
#[derive(Clone, Debug)]
pub struct RateLayer {
    rates: Rates,
}

/// Refuses pulls beyond the caller's allowance. Blobs, lists and everything that belongs to a counted pull
/// pass.
#[derive(Clone, Debug)]
pub struct Rate<S> {
    inner: S,
    rates: Rates,
}

impl RateLayer {
    /// Over these allowances.
    pub fn new(rates: Rates) -> RateLayer {
        RateLayer { rates }
    }
}

impl<S> Layer<S> for RateLayer {
    type Service = Rate<S>;

    fn layer(&self, inner: S) -> Rate<S> {
        Rate { inner, rates: self.rates.clone() }
    }
}

impl<S> Service<Scoped> for Rate<S>
where
    S: Service<Scoped, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Result<S::Response, Error>> + Send>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, scoped: Scoped) -> Self::Future {
        let Some((quota, reference)) = self.rates.concerns(&scoped) else {
            return Either::Left(self.inner.call(scoped));
        };
        let (reference, rates) = (reference.clone(), self.rates.clone());
        // The service that was polled ready is the one to call; the clone stays behind for the next request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Either::Right(Box::pin(async move {
            rates.count(&scoped, quota, &reference).await?;
            inner.call(scoped).await
        }))
    }
}
