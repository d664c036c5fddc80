//! May this caller go on with this pull?

use super::Gate;
use crate::error::Error;
use crate::pull::Scoped;
use futures_util::future::{Either, Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Makes [`Require`].
#[derive(Clone, Debug)]
pub struct RequireLayer(Arc<Gate>);

/// Refuses callers that must prove who they are. Below it, a caller has credentials only if they are those of
/// an account: others were used up when the access was chosen.
#[derive(Clone, Debug)]
pub struct Require<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl RequireLayer {
    /// The layer for these rules.
    pub fn new(gate: Arc<Gate>) -> RequireLayer {
        RequireLayer(gate)
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Require<S> {
        Require { inner, gate: self.0.clone() }
    }
}

impl<S> Service<Scoped> for Require<S>
where
    S: Service<Scoped, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Either<Ready<Result<S::Response, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut scoped: Scoped) -> Self::Future {
        if let Err(error) = self.gate.pull(&scoped) {
            return Either::Left(ready(Err(error)));
        }
        let credentials = &mut scoped.pull.caller.credentials;
        if self.gate.account(credentials.as_ref()).is_none() {
            *credentials = None;
        }
        Either::Right(self.inner.call(scoped))
    }
}

#[cfg(test)]
mod tests;
