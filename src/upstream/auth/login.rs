//! Are these credentials good?

use super::challenge::pick;
use super::realm::Realm;
use super::token;
use crate::auth::Credentials;
use crate::body::Body;
use crate::error::{Error, Side};
use crate::oci::{Challenge, Code};
use crate::upstream::outbound::{Http, Outbound};
use crate::upstream::{Carries, Endpoint, Failure, Redirects, Registry, request};
use http::{HeaderValue, Method, Response, StatusCode, header};
use std::sync::Arc;
use tower::ServiceExt as _;
use url::Url;

/// Tries credentials at a registry.
#[derive(Clone)]
pub struct Login(Http);

impl Login {
    /// Through these pools.
    pub fn new(http: Http) -> Login {
        Login(http)
    }

    /// Does `registry` accept `credentials`? True when its token server, or for Basic its `/v2/`, answers 200 to them,
    /// and when it asks for none. An error is a registry that cannot be asked: not reached, at a forbidden address,
    /// or with a realm that may not see credentials.
    pub async fn accepts(&self, registry: &Arc<Registry>, credentials: Credentials) -> Result<bool, Error> {
        self.ask(registry, credentials).await.map_err(Error::from)
    }

    async fn ask(&self, registry: &Arc<Registry>, credentials: Credentials) -> Result<bool, Failure> {
        let Endpoint::Http(base) = &registry.endpoint else { return Ok(true) };
        let ping = request::ping(base);
        let response = self.get(registry, &ping, None).await?;
        let challenge = pick(response.headers()).filter(|_| registry.is_own(&response));
        match (response.status(), challenge) {
            (StatusCode::UNAUTHORIZED, Some(Challenge::Bearer { realm, service, .. })) => {
                let realm = Realm::new(&realm, registry).map_err(|why| {
                    let message = format!("registry '{}': {why}", registry.host);
                    Failure::Final(Error::new(Code::Denied, Side::Upstream, message))
                })?;
                let ask = token::ask(registry, &realm, service.as_deref(), None, Some(&credentials))?;
                let response = self.0.clone().oneshot(ask).await?;
                verdict(registry, response.status())
            }
            (StatusCode::UNAUTHORIZED, Some(Challenge::Basic { .. })) => {
                let response = self.get(registry, &ping, Some(credentials.header())).await?;
                verdict(registry, response.status())
            }
            (status, _) => verdict(registry, status),
        }
    }

    async fn get(
        &self,
        registry: &Arc<Registry>,
        url: &Url,
        authorization: Option<HeaderValue>,
    ) -> Result<Response<Body>, Failure> {
        let mut request = request::plain(Method::GET, url.as_str())?;
        if let Some(value) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let outbound = Outbound {
            registry: registry.clone(),
            redirects: Redirects::Follow,
            carries: Carries::Document,
            request,
        };
        self.0.clone().oneshot(outbound).await
    }
}

fn verdict(registry: &Registry, status: StatusCode) -> Result<bool, Failure> {
    match status.as_u16() {
        200..=299 => Ok(true),
        400..=499 => Ok(false),
        status => {
            let message = format!("registry '{}' answered {status}", registry.host);
            Err(Failure::Final(Error::bad_gateway(message)))
        }
    }
}
