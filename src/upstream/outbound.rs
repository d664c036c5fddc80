//! Plain HTTP to a registry: its pool, with redirects.

use super::Failure;
use super::client::{Carries, Client};
use super::connect::{Connector, Rules};
use super::guard::{Guard, Private};
use super::idle::Idle;
use super::pace::Pace;
use super::places::Places;
use super::proxy::Proxies;
use super::quota::Quotas;
use super::redirect::{Redirects, Rule, hand_out};
use super::tls::{self, Trust};
use super::{Registries, Registry};
use crate::body::Body;
use crate::config;
use crate::error::Error;
use crate::oci::Host;
use crate::telemetry::names;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::ServiceExt as _;
use tower_http::follow_redirect::FollowRedirect;

/// A request and the registry under whose policy it is sent. Token servers and redirects follow the policy of the
/// registry that named them.
#[derive(Debug)]
pub struct Outbound {
    /// Whose policy.
    pub registry: Arc<Registry>,
    /// What to do with redirects to other origins.
    pub redirects: Redirects,
    /// What the answer is expected to carry.
    pub carries: Carries,
    /// The request itself.
    pub request: Request<Empty<Bytes>>,
}

/// Sends [`Outbound`] requests, each in its turn. Each listed registry has a pool of its own; unlisted ones, which have
/// no policy, share one.
#[derive(Clone)]
pub struct Http(Arc<Pools>);

struct Pools {
    listed: HashMap<Host, Result<Client, Error>>,
    unlisted: Client,
    max_redirects: usize,
    pace: Pace,
    quotas: Quotas,
}

impl Http {
    /// Pools for `registries`. A registry whose `ca-file` cannot be read answers every request with that error; the
    /// others work.
    pub fn new(config: &config::Upstream, registries: &Registries) -> Http {
        if config.proxy.https.is_some() || config.proxy.http.is_some() {
            tracing::warn!(
                "a forward proxy resolves names, so the address guard judges names and literals only"
            );
        }
        let listed = registries.listed().map(|registry| (registry.host.clone(), listed(config, registry)));
        let unlisted = Guard::layers(Private::Refused);
        let unlisted =
            client(config, unlisted, None, Trust::Public, (config.max_connections, "other".into()))
                .expect("the public authorities need no file");
        Http(Arc::new(Pools {
            listed: listed.collect(),
            unlisted,
            max_redirects: config.max_redirects,
            pace: Pace::new(config),
            quotas: Quotas::default(),
        }))
    }
}

/// The client for layer URLs.
pub(crate) fn layers(config: &config::Upstream, private: Private) -> FollowRedirect<Client, Rule> {
    let places = (config.max_connections, "layers".into());
    let client = client(config, Guard::layers(private), None, Trust::Public, places)
        .expect("the public authorities need no file");
    let client = client.carrying(Carries::Blob);
    FollowRedirect::with_policy(client, Rule::new(Redirects::Follow, config.max_redirects))
}

impl tower::Service<Outbound> for Http {
    type Response = Response<Body>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, outbound: Outbound) -> Self::Future {
        let pools = self.0.clone();
        Box::pin(async move {
            let Outbound { registry, redirects, carries, request } = outbound;
            let client = match pools.listed.get(&registry.host) {
                Some(client) => client.clone().map_err(Failure::Final)?,
                None => pools.unlisted.clone(),
            };
            pools.pace.turn(&registry).await.map_err(Failure::Final)?;
            let rule = Rule::new(redirects, pools.max_redirects);
            let answer = FollowRedirect::with_policy(client.carrying(carries), rule)
                .oneshot(request)
                .await
                .map(hand_out);
            if let Ok(response) = &answer
                && Quotas::are_in(response.headers())
                && registry.is_own(response)
            {
                pools.quotas.observe(&registry, response.headers());
            }
            let outcome = match &answer {
                Err(failure) if failure.error().is_unasked() => return answer,
                Ok(response) if response.status().is_client_error() => "refused",
                Ok(response) if !response.status().is_server_error() => "ok",
                _ => "failed",
            };
            let alias = registry.alias.to_string();
            metrics::counter!(names::UPSTREAM_ATTEMPTS, "registry" => alias, "outcome" => outcome)
                .increment(1);
            answer
        })
    }
}

fn listed(config: &config::Upstream, registry: &Registry) -> Result<Client, Error> {
    let policy = &registry.policy;
    if policy.proxy.is_some() {
        let registry = registry.host.as_str();
        tracing::warn!(registry, "behind its forward proxy the address guard judges names and literals only");
    }
    let places = (policy.max_connections.unwrap_or(config.max_connections), registry.alias.clone());
    let made = client(config, Guard::of(registry), policy.proxy.clone(), Trust::of(policy), places);
    if let Err(error) = &made {
        tracing::error!(registry = registry.host.as_str(), error = error.message(), "registry is unusable");
    }
    made
}

fn client(
    config: &config::Upstream,
    guard: Guard,
    proxy: Option<url::Url>,
    trust: Trust<'_>,
    (most, label): (usize, Arc<str>),
) -> Result<Client, Error> {
    let idle = Idle::new(config.pool_idle);
    let rules = Rules {
        guard,
        proxies: Proxies::new(proxy, config.proxy.clone()),
        tls: tls::client(trust)?,
        limit: config.connect_timeout,
        places: Places::new(most, &label),
        idle: idle.clone(),
    };
    Ok(Client::new(config, Connector::new(rules), idle, most))
}
