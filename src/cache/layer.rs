//! The layer that keeps derivations and lets concurrent requests for one image share one computation.

use super::derivations::{Derivations, Key, Outcome};
use crate::admission::Pool;
use crate::error::Error;
use crate::pull::Image;
use crate::rewrite::Derivation;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service, ServiceExt as _};
use tracing::Instrument as _;

/// Makes [`Cache`].
#[derive(Clone)]
pub struct CacheLayer {
    derivations: Derivations,
    permits: Pool,
    limit: Duration,
}

/// Answers from [`Derivations`], else from below, once for all who ask.
#[derive(Clone)]
pub struct Cache<S> {
    derivations: Derivations,
    permits: Pool,
    limit: Duration,
    inner: S,
}

impl CacheLayer {
    /// A layer over a store; each derivation that is computed takes one of `permits` and at most the time `limit`.
    pub fn new(derivations: Derivations, permits: Pool, limit: Duration) -> CacheLayer {
        CacheLayer { derivations, permits, limit }
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = Cache<S>;

    fn layer(&self, inner: S) -> Cache<S> {
        let CacheLayer { derivations, permits, limit } = self.clone();
        Cache { derivations, permits, limit, inner }
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
        let Cache { derivations, permits, limit, inner } = self.clone();
        Box::pin(async move {
            let key = Key::of(&image);
            let found = match derivations.get(&key).await {
                Some(found) => Ok((found, Outcome::Hit)),
                None => {
                    compute(derivations.clone(), key, async move {
                        let _permit = permits.try_acquire()?;
                        // Nobody's leaving ends this, so nothing else would: a body may trickle for ever.
                        let late = "upstream took too long for the image's documents";
                        let derived = tokio::time::timeout(limit, inner.oneshot(image)).await;
                        derived.unwrap_or_else(|_| Err(Error::gateway_timeout(late)))
                    })
                    .await
                }
            };
            let label = found.as_ref().map_or("failed", |(_, outcome)| outcome.as_str());
            metrics::counter!(crate::telemetry::names::CACHE_LOOKUPS, "outcome" => label).increment(1);
            metrics::gauge!(crate::telemetry::names::CACHE_BYTES).set(derivations.weight() as f64);
            found.map(|(derivation, _)| derivation)
        })
    }
}

/// Computes in a task of its own: a caller who leaves takes nothing from those who wait, and the work is not lost.
async fn compute(
    derivations: Derivations,
    key: Key,
    work: impl Future<Output = Result<Arc<Derivation>, Error>> + Send + 'static,
) -> Result<(Arc<Derivation>, Outcome), Error> {
    let task = async move { derivations.get_or_compute(key, work).await };
    match tokio::spawn(task.in_current_span()).await {
        Ok(found) => found,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => Err(Error::overloaded("this server is going down", Duration::from_secs(1))),
        },
    }
}

#[cfg(test)]
mod tests;
