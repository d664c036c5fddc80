//! The layer that answers a registry's challenge. The innermost place that still knows *whose* credentials; below it
//! there is plain HTTP.

use super::challenge::pick;
use super::realm::Realm;
use super::token;
use super::tokens::{Action, Key, Tokens};
use crate::body::{Body, bounded};
use crate::error::{Error, Side};
use crate::oci::{Challenge, Code, Host};
use crate::pull::{Fetch, Verb, What};
use crate::upstream::outbound::Outbound;
use crate::upstream::{Carries, Endpoint, Failure, Redirects, fault, request};
use http::{HeaderValue, Method, Response, StatusCode, header};
use moka::future::Cache;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service, ServiceExt as _};

/// Makes [`Auth`]. The services of one layer share challenges and tokens.
#[derive(Clone, Debug)]
pub struct AuthLayer(Arc<Shared>);

/// Sends a [`Fetch`] with what its registry wants to see. The first request to a registry goes out bare; its
/// challenge is remembered, so that later ones carry their token at once. A 401 leads to exactly one more try. A
/// challenge that can no longer be answered is forgotten, and the registry asked what it wants instead.
#[derive(Clone, Debug)]
pub struct Auth<S> {
    inner: S,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// What each registry last challenged with; only what could be answered.
    challenges: Cache<Host, Challenge>,
    tokens: Tokens,
}

impl AuthLayer {
    /// With no challenges and no tokens yet.
    pub fn new() -> AuthLayer {
        let challenges =
            Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(3600)).build();
        AuthLayer(Arc::new(Shared { challenges, tokens: Tokens::new() }))
    }
}

impl Default for AuthLayer {
    fn default() -> AuthLayer {
        AuthLayer::new()
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth { inner, shared: self.0.clone() }
    }
}

impl<S> Service<Fetch> for Auth<S>
where
    S: Service<Outbound, Response = Response<Body>, Error = Failure> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        // One fetch may be several requests; each waits for readiness itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, fetch: Fetch) -> Self::Future {
        let exchange = Exchange { inner: self.inner.clone(), shared: self.shared.clone(), fetch };
        Box::pin(async move { exchange.run().await })
    }
}

/// One fetch under way.
struct Exchange<S> {
    inner: S,
    shared: Arc<Shared>,
    fetch: Fetch,
}

impl<S> Exchange<S>
where
    S: Service<Outbound, Response = Response<Body>, Error = Failure> + Clone,
{
    async fn run(self) -> Result<Response<Body>, Failure> {
        let host = &self.fetch.registry.host;
        let access = &self.fetch.access;
        // A mistake above must not send credentials to another registry.
        if access.credentials().is_some() && !access.is_for(host) {
            return Err(Failure::Final(Error::internal("credentials of another registry")));
        }
        let known = self.shared.challenges.get(host).await;
        let (presented, failure) = match &known {
            None => (None, None),
            Some(challenge) => match self.answer(challenge, None).await {
                Ok(presented) => (presented, None),
                // It may be another challenge by now, and only the registry can tell.
                Err(failure) => (None, Some(failure)),
            },
        };
        let response = self.send(presented.clone()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.fetch.registry.is_own(&response) {
            if failure.is_some() {
                self.shared.challenges.invalidate(host).await;
            }
            return Ok(response);
        }
        let response = held(response).await;
        let challenge = match pick(response.headers()) {
            Some(challenge) => challenge,
            None => match self.probe().await? {
                Some(challenge) => challenge,
                None => return Ok(response),
            },
        };
        match failure {
            Some(failure) if known.as_ref() == Some(&challenge) => return Err(failure),
            _ => {}
        }
        let answer = self.answer(&challenge, presented.as_ref()).await?;
        self.shared.challenges.insert(host.clone(), challenge).await;
        match answer {
            Some(answer) if Some(&answer) != presented.as_ref() => self.send(Some(answer)).await,
            _ => Ok(response),
        }
    }

    async fn send(&self, authorization: Option<HeaderValue>) -> Result<Response<Body>, Failure> {
        let mut request = request::of_fetch(self.base()?, &self.fetch)?;
        if let Some(value) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let registry = self.fetch.registry.clone();
        let redirects = self.fetch.redirects;
        let carries = match (&self.fetch.what, self.fetch.verb) {
            (What::Blob(_), Verb::Get) => Carries::Blob,
            _ => Carries::Document,
        };
        self.inner.clone().oneshot(Outbound { registry, redirects, carries, request }).await
    }

    /// The challenge of `/v2/`, for registries whose other paths answer 401 without one.
    async fn probe(&self) -> Result<Option<Challenge>, Failure> {
        let request = request::plain(Method::GET, request::ping(self.base()?).as_str())?;
        let registry = self.fetch.registry.clone();
        let carries = Carries::Document;
        let outbound = Outbound { registry, redirects: Redirects::Follow, carries, request };
        let response = self.inner.clone().oneshot(outbound).await?;
        let challenged =
            response.status() == StatusCode::UNAUTHORIZED && self.fetch.registry.is_own(&response);
        Ok(pick(response.headers()).filter(|_| challenged))
    }

    /// What to answer `challenge` with, where `stale` was not good enough; `None` when there is nothing.
    async fn answer(
        &self,
        challenge: &Challenge,
        stale: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let Fetch { registry, repository, access, .. } = &self.fetch;
        let (realm, service) = match challenge {
            Challenge::Basic { .. } => return Ok(access.credentials().map(|known| known.header())),
            Challenge::Bearer { realm, service, .. } => (realm, service),
        };
        let realm = Realm::new(realm, registry).map_err(|why| {
            let message = format!("registry '{}': {why}", registry.host);
            Failure::Final(Error::new(Code::Denied, Side::Upstream, message))
        })?;
        let key = Key {
            registry: registry.host.clone(),
            repository: repository.clone(),
            access: access.id().clone(),
            action: Action::Pull,
        };
        let fetch = async {
            let credentials = access.credentials().map(|known| &**known);
            let ask = token::ask(registry, &realm, service.as_deref(), Some(repository), credentials)?;
            let response = self.inner.clone().oneshot(ask).await?;
            token::read(registry, response).await
        };
        let token = self.shared.tokens.obtain(key, stale, fetch).await?;
        if token.is_none() && access.credentials().is_some() {
            return Err(Failure::Final(fault::refused(&self.fetch, StatusCode::UNAUTHORIZED, None)));
        }
        Ok(token)
    }

    fn base(&self) -> Result<&url::Url, Failure> {
        match &self.fetch.registry.endpoint {
            Endpoint::Http(base) => Ok(base),
            Endpoint::Layout(_) => Err(Failure::Final(Error::internal("a layout is not spoken to in HTTP"))),
        }
    }
}

/// The same answer, with what it says in memory: its connection is free for the requests that it leads to.
async fn held(response: Response<Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(fault::BODY_TIME, bounded(body, fault::BODY_LIMIT)).await;
    Response::from_parts(parts, body.ok().and_then(Result::ok).map_or_else(Body::empty, Body::full))
}

#[cfg(test)]
mod tests;
