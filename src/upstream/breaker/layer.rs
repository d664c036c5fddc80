//! The layer that leaves a registry alone that is out of order. Above retry, so that what it counts are requests that
//! failed for all their tries, and below what judges answers, so that it sees them as they came.

use super::{Circuits, Outcome};
use crate::body::Body;
use crate::pull::Fetch;
use crate::upstream::{Failure, Registry};
use http::{Response, StatusCode};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Makes [`Breaker`]. The services of one layer share what they know of registries.
#[derive(Clone, Debug)]
pub struct BreakerLayer {
    circuits: Circuits,
}

/// Sends a [`Fetch`] unless its registry is left alone: then 503 `UNAVAILABLE` with `Retry-After`.
#[derive(Clone, Debug)]
pub struct Breaker<S> {
    inner: S,
    circuits: Circuits,
}

impl BreakerLayer {
    /// By the configuration.
    pub fn new(config: &crate::config::Upstream) -> BreakerLayer {
        BreakerLayer { circuits: Circuits::new(config) }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = Breaker<S>;

    fn layer(&self, inner: S) -> Breaker<S> {
        Breaker { inner, circuits: self.circuits.clone() }
    }
}

impl<S> Service<Fetch> for Breaker<S>
where
    S: Service<Fetch, Response = Response<Body>, Error = Failure>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, fetch: Fetch) -> Self::Future {
        let passage = match self.circuits.admit(&fetch.registry) {
            Ok(passage) => passage,
            Err(error) => return Box::pin(std::future::ready(Err(Failure::Final(error)))),
        };
        let (registry, whose) = (fetch.registry.clone(), whose(&fetch));
        let answer = self.inner.call(fetch);
        Box::pin(async move {
            let answer = answer.await;
            passage.settle(outcome(&answer, &registry, whose));
            answer
        })
    }
}

/// Of what a registry may be unable to answer though it is in order: a repository, for some credentials.
fn whose(fetch: &Fetch) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&fetch.repository, fetch.access.id()).hash(&mut hasher);
    hasher.finish()
}

/// What an answer says of `registry`. One that refuses, 429 included, is in order, and so is one that
/// sends us elsewhere, whatever is answered there; what we may not or cannot send says nothing, and nothing is said by an
/// answer of our own.
fn outcome(answer: &Result<Response<Body>, Failure>, registry: &Registry, whose: u64) -> Outcome {
    match answer {
        Ok(response) if !registry.is_own(response) => Outcome::Success,
        Ok(response) => match response.status() {
            // It does not know the method or the protocol, and will not.
            StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => Outcome::Success,
            status if status.is_server_error() => Outcome::Fault(whose),
            _ => Outcome::Success,
        },
        Err(failure) if failure.error().is_unasked() => Outcome::Unknown,
        Err(Failure::Transient(_)) => Outcome::Failure,
        Err(Failure::Final(error)) if error.status() == StatusCode::GATEWAY_TIMEOUT => Outcome::Failure,
        Err(Failure::Final(_)) => Outcome::Unknown,
    }
}

#[cfg(test)]
impl BreakerLayer {
    pub(super) fn known(&self) -> usize {
        self.circuits.lock().len()
    }
}
