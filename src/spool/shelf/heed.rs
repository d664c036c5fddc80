//! The layer that hears what upstream refuses, whatever it was asked for: for those who have lost access nothing is kept.

use super::{Shelf, Subject};
use crate::body::Body;
use crate::error::Error;
use crate::oci::Reference;
use crate::pull::{Fetch, What};
use crate::spool::Owner;
use crate::upstream::Upstream;
use http::Response;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service, ServiceExt as _};

/// Makes [`Heed`].
#[derive(Clone)]
pub struct HeedLayer(Shelf);

/// Hands everything on, and tells the shelf of refusals. It answers nothing itself: see [`Keep`](super::Keep) for that.
#[derive(Clone)]
pub struct Heed {
    shelf: Shelf,
    inner: Upstream,
}

impl HeedLayer {
    /// Tells `shelf`.
    pub fn new(shelf: Shelf) -> HeedLayer {
        HeedLayer(shelf)
    }
}

impl Layer<Upstream> for HeedLayer {
    type Service = Heed;

    fn layer(&self, inner: Upstream) -> Heed {
        Heed { shelf: self.0.clone(), inner }
    }
}

impl Service<Fetch> for Heed {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // The one below is asked with the request.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, fetch: Fetch) -> Self::Future {
        let Heed { shelf, inner } = self.clone();
        let (owner, subject) = (Owner::of(&fetch), subject(&fetch.what));
        Box::pin(async move {
            let answer = inner.oneshot(fetch).await;
            // How long an outage is heeded depends on what fails, which is for others to say.
            if let Some(error) = answer.as_ref().err().filter(|error| !error.is_outage()) {
                shelf.heed(&owner, &subject, error).await;
            }
            answer
        })
    }
}

fn subject(what: &What) -> Subject {
    match what {
        What::Manifest(Reference::Tag(tag)) => Subject::Tag(tag.clone()),
        What::Manifest(Reference::Digest(digest)) => Subject::Manifest(*digest),
        What::Blob(digest) => Subject::Blob(*digest),
        What::Tags { .. } | What::Referrers { .. } => Subject::Repository,
    }
}
