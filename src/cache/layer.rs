//! The layer that keeps derivations and lets concurrent requests for one image share one computation.

use super::derivations::{Derivations, Key};
use crate::error::Error;
use crate::pull::Image;
use crate::rewrite::Derivation;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Layer, Service, ServiceExt as _};

/// Makes [`Cache`].
#[derive(Clone)]
pub struct CacheLayer {
    derivations: Derivations,
}

/// Answers from [`Derivations`], else from below, once for all who ask.
#[derive(Clone)]
pub struct Cache<S> {
    derivations: Derivations,
    inner: S,
}

impl CacheLayer {
    /// A layer over a store.
    pub fn new(derivations: Derivations) -> CacheLayer {
        CacheLayer { derivations }
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = Cache<S>;

    fn layer(&self, inner: S) -> Cache<S> {
        Cache { derivations: self.derivations.clone(), inner }
    }
}

impl<S> Service<Image> for Cache<S>
where
    S: Service<Image, Response = Arc<Derivation>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Arc<Derivation>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Arc<Derivation>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // A hit needs nothing from below, so readiness is asked for by the leader only.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, image: Image) -> Self::Future {
        let (derivations, inner) = (self.derivations.clone(), self.inner.clone());
        Box::pin(async move {
            let found = derivations.get_or_compute(Key::of(&image), inner.oneshot(image)).await;
            let label = found.as_ref().map_or("failed", |(_, outcome)| outcome.as_str());
            metrics::counter!(crate::telemetry::names::CACHE_LOOKUPS, "outcome" => label).increment(1);
            metrics::gauge!(crate::telemetry::names::CACHE_BYTES).set(derivations.weight() as f64);
            found.map(|(derivation, _)| derivation)
        })
    }
}

#[cfg(test)]
mod tests;
