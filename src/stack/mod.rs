//! THE stack: in which order the layers lie, and why each is where it is. Nothing else may call `.layer(`.

mod upstream;

pub use upstream::{http, login, remote, upstream};

use crate::admission::{AdmissionLayer, Pool};
use crate::auth::RequireLayer;
use crate::body::Body;
use crate::cache::{CacheLayer, Derivations, Derive};
use crate::error::{BoxError, Error, RescueLayer};
use crate::grant::ResolveLayer;
use crate::net;
use crate::pull::{Pull, Serve};
use crate::rate::RateLayer;
use crate::rewrite::RewriteLayer;
use crate::route::{EchoLayer, Pong, Route};
use crate::spool::Shelf;
use crate::spool::shelf::{HeedLayer, KeepLayer};
use crate::state::{RememberLayer, State};
use crate::telemetry::RecordLayer;
use crate::upstream::{Registries, Upstream};
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tower::timeout::TimeoutLayer;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

/// What every request passes, from the connection to the router.
pub fn edge<P, C>(
    record: RecordLayer,
    permits: Pool,
    head_deadline: Duration,
    registries: Arc<Registries>,
    ping: Pong,
    pull: P,
    control: C,
) -> net::Service
where
    P: Service<Pull, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
    C: Service<Request<Incoming>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
    P::Future: Send,
    C::Future: Send,
{
    let stack = ServiceBuilder::new()
        // Outermost: it must see everything, refusals and panics too, and ends its record when the body ends.
        .layer(record)
        // Above what renders errors, so that they have it too.
        .layer(EchoLayer)
        // Below this services fail with our error, above it nothing fails; only here is an error rendered.
        .layer(RescueLayer)
        // Refuses before anything is parsed or spent; the permit leaves with the body.
        .layer(AdmissionLayer::new(permits))
        // Time to the head only: a body may take as long as it moves. Inside admission, so that it also bounds
        // how long a permit waits for a head.
        .map_err(|error: BoxError| Error::from(error))
        .layer(TimeoutLayer::new(head_deadline))
        // The last that sees a URL.
        .service(Route::new(registries, ping, pull, control));
    BoxCloneSyncService::new(stack)
}

/// What a pull passes, from the router to its answer.
pub fn pull(
    resolve: ResolveLayer,
    require: RequireLayer,
    rate: RateLayer,
    serve: Serve,
) -> impl Service<Pull, Response = Response<Body>, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
    ServiceBuilder::new()
        // First: an unknown token costs one look-up and no upstream traffic.
        .layer(resolve)
        // It needs the grant to know who may use it, and comes before anything that costs.
        .layer(require)
        // Limits are per caller who has been let in.
        .layer(rate)
        .service(serve)
}

/// What fetches documents: manifests, and configurations of images. Where these are kept, they are there when `upstream`
/// is down.
pub fn documents(shelf: Option<&Shelf>, limit: usize, upstream: Upstream) -> Upstream {
    let Some(shelf) = shelf else { return upstream };
    let stack = ServiceBuilder::new()
        // Above retry and all that stands between us and a registry: what it answers has to be its last word.
        .layer(KeepLayer::new(shelf.clone(), limit))
        .service(upstream);
    BoxCloneSyncService::new(stack)
}

/// What fetches whatever is not kept as a document: what is refused there ends what is kept.
pub fn heeded(shelf: Option<&Shelf>, upstream: Upstream) -> Upstream {
    let Some(shelf) = shelf else { return upstream };
    BoxCloneSyncService::new(ServiceBuilder::new().layer(HeedLayer::new(shelf.clone())).service(upstream))
}

/// What becomes of an image: from memory, or derived, remembered and kept.
pub fn derive(
    derivations: Derivations,
    permits: Pool,
    limit: Duration,
    state: State,
    rewrite: RewriteLayer,
    upstream: Upstream,
) -> Derive {
    let stack = ServiceBuilder::new()
        // Nothing below runs twice for the same image, only so much of it at once, and for so long: it goes on when
        // whoever asked has left.
        .layer(CacheLayer::new(derivations, permits, limit))
        // Durable before it is revealed, and once for all who wait.
        .layer(RememberLayer::new(state))
        .layer(rewrite)
        .service(upstream);
    BoxCloneSyncService::new(stack)
}
