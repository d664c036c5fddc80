//! The layer that limits pulls. It sits below the one that checks callers, so an account name is a proven
//! one.

use super::Rates;
use crate::body::Body;
use crate::error::Error;
use crate::oci::{Digest, MediaType, headers};
use crate::pull::Scoped;
use crate::rewrite::fields::Doc;
use crate::rewrite::index;
use futures_util::future::Either;
use http::{Response, header};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Makes [`Rate`].
#[derive(Clone, Debug)]
pub struct RateLayer {
    rates: Rates,
}

/// Refuses pulls beyond the caller's allowance. Blobs, lists and everything that belongs to a counted pull
/// pass. Which pull a request belongs to is settled by the digest that it is answered with.
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
    S: Service<Scoped, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, scoped: Scoped) -> Self::Future {
        let Some((asked, quota)) = self.rates.concerns(&scoped) else {
            return Either::Left(self.inner.call(scoped));
        };
        let rates = self.rates.clone();
        // The service that was polled ready is the one to call; the clone stays behind for the next request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Either::Right(Box::pin(async move {
            let ticket = rates.admit(asked, quota).await?;
            let answer = inner.call(scoped).await;
            let image = answer.as_ref().ok().and_then(|response| Some((root(response)?, children(response))));
            match image {
                Some((root, children)) => rates.settle(ticket, root, children).await?,
                None => rates.fail(ticket).await,
            }
            answer
        }))
    }
}

/// The digest of the manifest that was asked for; 304 has it too.
fn root(response: &Response<Body>) -> Option<Digest> {
    response.headers().get(headers::CONTENT_DIGEST)?.to_str().ok()?.parse().ok()
}

/// The manifests of an index, when that is what is handed out.
fn children(response: &Response<Body>) -> Vec<Digest> {
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media.is_some_and(|media| MediaType::parse(media).is_index()) {
        return Vec::new();
    }
    let entries = response.body().as_full().and_then(|content| {
        let doc = Doc::new(content, content.len()).ok()?;
        index::read(&doc).ok()
    });
    entries.into_iter().flatten().filter_map(|entry| entry.digest).collect()
}
