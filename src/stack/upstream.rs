//! The stack towards other registries, outermost first.

use crate::admission::{AdmissionLayer, PerRegistry, Pool};
use crate::config;
use crate::upstream::auth::{AuthLayer, Login};
use crate::upstream::breaker::BreakerLayer;
use crate::upstream::guard::Private;
use crate::upstream::hold::HoldLayer;
use crate::upstream::origin::Origin;
use crate::upstream::outbound::{self, Http};
use crate::upstream::remote::Fetcher;
use crate::upstream::retry::Again;
use crate::upstream::{Registries, Remote, Upstream};
use tower::ServiceBuilder;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;

/// The pools of all registries, for the stacks below.
pub fn http(config: &config::Upstream, registries: &Registries) -> Http {
    Http::new(config, registries)
}

/// `Fetch -> Response<Body>`.
pub fn upstream(config: &config::Upstream, http: Http) -> Upstream {
    let http = ServiceBuilder::new()
        // The last that knows who asks for what and has not tried yet. What it refuses says nothing to the breaker.
        .layer(HoldLayer::new())
        // Above retry, so that one request that fails for all its tries is one failure, and what is refused is not
        // tried again; below what judges answers, so that it sees them as they came.
        .layer(BreakerLayer::new(config))
        // Outside auth, so that a request that is tried again gets a fresh token.
        .layer(RetryLayer::new(Again::new(config)))
        // The last place that knows whose credentials are used; below it there is plain HTTP.
        .layer(AuthLayer::new())
        // Redirects are below auth, or each hop would be signed again; then the pool of the registry.
        .service(http);
    let stack = ServiceBuilder::new()
        // Per registry, so that a slow one drowns alone; above retry, so that one permit covers all tries.
        .layer(AdmissionLayer::new(PerRegistry::new(config.max_requests)))
        .service(Origin::new(http, config.document_limit));
    BoxCloneSyncService::new(stack)
}

/// `Request -> Response<Body>` for layers that are named by a URL.
pub fn remote(config: &config::Upstream, private: Private) -> Remote {
    let http = ServiceBuilder::new()
        .layer(RetryLayer::new(Again::new(config)))
        .service(outbound::layers(config, private));
    let stack = ServiceBuilder::new()
        // One pool for all hosts: who names them is not known to be anybody.
        .layer(AdmissionLayer::new(Pool::new("layers", config.max_requests)))
        .service(Fetcher::new(http, private));
    BoxCloneSyncService::new(stack)
}

/// Tries credentials at registries, for `validate-creds`.
pub fn login(http: Http) -> Login {
    Login::new(http)
}

#[cfg(test)]
mod tests;
