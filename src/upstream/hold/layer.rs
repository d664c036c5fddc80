//! The layer that does not ask a registry again before it wants to be asked.

use super::{Holds, key};
use crate::body::Body;
use crate::pull::Fetch;
use crate::upstream::Failure;
use http::Response;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Makes [`Hold`]. The services of one layer share what registries said.
#[derive(Clone, Debug)]
pub struct HoldLayer {
    holds: Holds,
}

/// Sends a [`Fetch`] unless its registry has said that it is to be asked later: then 429 `TOOMANYREQUESTS` with
/// `Retry-After`.
#[derive(Clone, Debug)]
pub struct Hold<S> {
    inner: S,
    holds: Holds,
}

impl HoldLayer {
    /// With nothing said yet.
    pub fn new() -> HoldLayer {
        HoldLayer { holds: Holds::new() }
    }
}

impl Default for HoldLayer {
    fn default() -> HoldLayer {
        HoldLayer::new()
    }
}

impl<S> Layer<S> for HoldLayer {
    type Service = Hold<S>;

    fn layer(&self, inner: S) -> Hold<S> {
        Hold { inner, holds: self.holds.clone() }
    }
}

impl<S> Service<Fetch> for Hold<S>
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
        let (key, registry) = (key(&fetch), fetch.registry.clone());
        if let Err(error) = self.holds.check(&key) {
            return Box::pin(std::future::ready(Err(Failure::Final(error))));
        }
        let (holds, answer) = (self.holds.clone(), self.inner.call(fetch));
        Box::pin(async move {
            let answer = answer.await;
            // What a storage says that it redirected to is not the registry's word.
            if answer.as_ref().map_or(true, |response| registry.is_own(response)) {
                holds.note(key, &answer);
            }
            answer
        })
    }
}
