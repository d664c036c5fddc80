//! The layer that turns an image into its derivation.

use super::derivation::Derivation;
use super::derive::derive;
use crate::error::Error;
use crate::pull::Image;
use crate::telemetry::names;
use crate::upstream::Upstream;
use futures_util::future::BoxFuture;
use metrics::histogram;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower::{Layer, Service};

/// Makes [`Rewrite`].
#[derive(Clone, Copy, Debug)]
pub struct RewriteLayer {
    limit: usize,
}

/// Derives images. Documents of at most `limit` bytes are fetched through the upstream stack below.
#[derive(Clone, Debug)]
pub struct Rewrite {
    upstream: Upstream,
    limit: usize,
}

impl RewriteLayer {
    /// For documents of at most `limit` bytes; [`super::DOCUMENT_LIMIT`] unless the operator says otherwise.
    pub fn new(limit: usize) -> RewriteLayer {
        RewriteLayer { limit }
    }
}

impl Layer<Upstream> for RewriteLayer {
    type Service = Rewrite;

    fn layer(&self, upstream: Upstream) -> Rewrite {
        Rewrite { upstream, limit: self.limit }
    }
}

impl Service<Image> for Rewrite {
    type Response = Arc<Derivation>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Arc<Derivation>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // One image takes many fetches; each waits for its own clone of the upstream stack to be ready. No
        // readiness is held here, so clones inherit none.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, image: Image) -> Self::Future {
        let Rewrite { upstream, limit } = self.clone();
        Box::pin(async move {
            let started = Instant::now();
            let derivation = derive(&image, upstream, limit).await.map(Arc::new);
            let alias = image.registry.alias.to_string();
            histogram!(names::DERIVATION_DURATION, "registry" => alias).record(started.elapsed());
            derivation
        })
    }
}

#[cfg(test)]
mod tests;
