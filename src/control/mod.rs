//! The control plane: tokens, credential checks, service information. JSON in and out, errors as
//! `{"message": "..."}`.

mod authority;
mod config;
mod container_token;
mod image;
mod json;
mod service_info;
#[cfg(test)]
mod tests;
mod validate_creds;

pub use json::instant;

use crate::admission::Pool;
use crate::auth::{Credentials, Gate};
use crate::body::Body;
use crate::error::{BoxError, Envelope, Error, render};
use crate::grant::{Grants, Layer, Recipe};
use crate::inject::Request as LayerRequest;
use crate::oci::Code;
use crate::pull::Image;
use crate::rewrite::Derivation;
use crate::state::State;
use crate::upstream::{Registries, Registry};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::Body as HttpBody;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use tower::Service;
use tower::util::BoxCloneSyncService;
use url::Url;

/// Accepts a layer that a request brought or named: verified, spooled, or measured, but not fetched from afar.
pub type Layers = BoxCloneSyncService<LayerRequest, Layer, Error>;

/// Derives an image; the cached stack.
pub type Derive = BoxCloneSyncService<Image, Arc<Derivation>, Error>;

/// Does a registry accept these credentials?
pub type Login = BoxCloneSyncService<(Arc<Registry>, Credentials), bool, Error>;

/// What the control plane works with.
#[derive(Debug)]
pub struct Parts {
    /// Where tokens are minted.
    pub grants: Grants,
    /// Where derivations of pinned images are written down.
    pub state: State,
    /// The registries.
    pub registries: Arc<Registries>,
    /// The default layer's recipe, for tokens without a containerConfig; empty when there is none.
    pub default: Arc<Recipe>,
    /// Who may call.
    pub gate: Arc<Gate>,
    /// `wave.server.url`; its authority is put into image names.
    pub url: Option<Url>,
    /// Accepts layers.
    pub layers: Layers,
    /// Derives images that are named by digest.
    pub derive: Derive,
    /// Tries credentials.
    pub login: Login,
    /// Set when the process is asked to stop.
    pub draining: Arc<AtomicBool>,
}

/// The control plane as a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    parts: Arc<Parts>,
    /// For requests with layers in them.
    large: Pool,
}

impl Control {
    /// The control plane over its parts.
    pub fn new(parts: Parts) -> Control {
        Control { parts: Arc::new(parts), large: json::large_ones() }
    }
}

impl<B> Service<Request<B>> for Control
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Control { parts, large } = self.clone();
        Box::pin(async move {
            match (request.uri().path(), request.method()) {
                ("/container-token", &Method::POST) => container_token::answer(&parts, &large, request).await,
                ("/container-token", _) => Ok(not_allowed("POST")),
                ("/validate-creds", &Method::POST) => validate_creds::answer(&parts, &large, request).await,
                ("/validate-creds", _) => Ok(not_allowed("POST")),
                ("/service-info", &Method::GET | &Method::HEAD) => Ok(service_info::answer(request.method())),
                ("/health", &Method::GET | &Method::HEAD) => {
                    Ok(service_info::health(request.method(), &parts.draining))
                }
                ("/service-info" | "/health", _) => Ok(not_allowed("GET, HEAD")),
                _ => Err(Error::client(Code::NameUnknown, "there is nothing at this path")),
            }
        })
    }
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let error = Error::client(Code::Unsupported, "this path has other methods");
    let mut response = render(&error, Envelope::Control);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}
