//! The leaf of the upstream stack: a registry is a server or a directory.

use super::{Endpoint, Failure, fault, layout};
use crate::body::Body;
use crate::error::Error;
use crate::pull::Fetch;
use http::Response;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Service, ServiceExt as _};

/// Sends a [`Fetch`] to where its registry lives. `H` speaks to servers; its answers are judged here, so that above
/// this point an unwelcome answer is an [`Error`].
#[derive(Clone, Debug)]
pub struct Origin<H> {
    http: H,
    /// Bytes of a document of a layout that are read.
    document_limit: usize,
}

impl<H> Origin<H> {
    /// `document_limit` is `upstream.document-limit`.
    pub fn new(http: H, document_limit: usize) -> Origin<H> {
        Origin { http, document_limit }
    }
}

impl<H> Service<Fetch> for Origin<H>
where
    H: Service<Fetch, Response = Response<Body>, Error = Failure> + Clone + Send + 'static,
    H::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, fetch: Fetch) -> Self::Future {
        let (http, limit) = (self.http.clone(), self.document_limit);
        Box::pin(async move {
            match &fetch.registry.endpoint {
                Endpoint::Layout(directory) => layout::answer(directory, &fetch, limit).await,
                Endpoint::Http(_) => {
                    let outcome = http.oneshot(fetch.clone()).await;
                    fault::judge(&fetch, outcome).await
                }
            }
        })
    }
}
