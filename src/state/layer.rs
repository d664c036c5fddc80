//! The layer that makes a derivation's root durable before anything of it is revealed.

use super::State;
use crate::error::Error;
use crate::pull::Image;
use crate::rewrite::Derivation;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;
use tower::{Layer, Service, ServiceExt as _};

/// Makes [`Remember`].
#[derive(Clone)]
pub struct RememberLayer {
    state: State,
}

/// Writes the roots of every derivation that passes. It lies below the cache, so it runs once per derivation.
#[derive(Clone)]
pub struct Remember<S> {
    state: State,
    inner: S,
}

impl RememberLayer {
    /// A layer that writes to `state`.
    pub fn new(state: State) -> RememberLayer {
        RememberLayer { state }
    }
}

impl<S> Layer<S> for RememberLayer {
    type Service = Remember<S>;

    fn layer(&self, inner: S) -> Remember<S> {
        Remember { state: self.state.clone(), inner }
    }
}

impl<S> Service<Image> for Remember<S>
where
    S: Service<Image, Response = Arc<Derivation>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Arc<Derivation>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Arc<Derivation>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, image: Image) -> Self::Future {
        let (state, inner) = (self.state.clone(), self.inner.clone());
        Box::pin(async move {
            let derivation = inner.oneshot(image.clone()).await?;
            if derivation.untouched.is_none() {
                state.remember(&image, &derivation, SystemTime::now()).await?;
            }
            Ok(derivation)
        })
    }
}

#[cfg(test)]
mod tests;
