//! The router: the last place that sees a URL.

mod form;
mod layer;
mod query;

pub use layer::{Echo, EchoLayer};

use crate::auth::{Caller, Gate, basic};
use crate::body::Body;
use crate::error::Error;
use crate::grant::Token;
use crate::net::Peer;
use crate::oci::path::Path;
use crate::oci::{Code, Host, headers};
use crate::pull::{Conditions, Place, Pull, Spelt, Verb};
use crate::telemetry::masked;
use crate::upstream::Registries;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use pin_project_lite::pin_project;
use query::Query;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower::Service;

/// What a request is.
#[derive(Debug)]
pub enum Routed {
    /// `/v2/`, by whom.
    Ping(Caller),
    /// Something to pull.
    Pull(Box<Pull>),
    /// Everything outside `/v2`.
    Control,
}

/// Dispatches to the three kinds of request.
#[derive(Clone)]
pub struct Route<G, P, C> {
    registries: Arc<Registries>,
    ping: G,
    pull: P,
    control: C,
}

pin_project! {
    /// The response future of [`Route`]: that of the service it chose.
    #[project = Projected]
    #[allow(missing_docs)]
    pub enum Routing<G, P, C> {
        Ping { #[pin] future: G },
        Pull { #[pin] future: P },
        Control { #[pin] future: C },
        Refused { error: Option<Error> },
    }
}

impl<G, P, C> Route<G, P, C> {
    /// A router over the service for each kind.
    pub fn new(registries: Arc<Registries>, ping: G, pull: P, control: C) -> Route<G, P, C> {
        Route { registries, ping, pull, control }
    }
}

impl<B, G, P, C> Service<Request<B>> for Route<G, P, C>
where
    B: http_body::Body + Send + 'static,
    G: Service<Caller, Response = Response<Body>, Error = Error>,
    P: Service<Pull, Response = Response<Body>, Error = Error>,
    C: Service<Request<B>, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Routing<G::Future, P::Future, C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Which one is needed is known in `call` only. None holds back by its readiness: what is too much is refused.
        ready!(self.ping.poll_ready(cx))?;
        ready!(self.pull.poll_ready(cx))?;
        self.control.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match form::check(&request).and_then(|()| route(&request, &self.registries)) {
            Ok(Routed::Ping(caller)) => Routing::Ping { future: self.ping.call(caller) },
            Ok(Routed::Pull(pull)) => Routing::Pull { future: self.pull.call(*pull) },
            Ok(Routed::Control) => Routing::Control { future: self.control.call(request) },
            Err(error) => Routing::Refused { error: Some(error) },
        }
    }
}

impl<G, P, C> Future for Routing<G, P, C>
where
    G: Future<Output = Result<Response<Body>, Error>>,
    P: Future<Output = Result<Response<Body>, Error>>,
    C: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = Result<Response<Body>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projected::Ping { future } => future.poll(cx),
            Projected::Pull { future } => future.poll(cx),
            Projected::Control { future } => future.poll(cx),
            Projected::Refused { error } => {
                Poll::Ready(Err(error.take().expect("a future is not polled after it was ready")))
            }
        }
    }
}

/// Parses a request.
pub fn route<B>(request: &Request<B>, registries: &Registries) -> Result<Routed, Error> {
    let path = request.uri().path();
    if path != "/v2" && !path.starts_with("/v2/") {
        return Ok(Routed::Control);
    }
    let verb = match *request.method() {
        Method::GET => Verb::Get,
        Method::HEAD => Verb::Head,
        _ => return Err(Error::client(Code::Unsupported, "this registry is for pulling only")),
    };
    let caller = caller(request);
    let invalid = |why: crate::oci::path::Invalid| Error::client(why.code(), describe(why, path));
    let (name, object) = match Path::parse(path).map_err(invalid)? {
        Path::Ping => return Ok(Routed::Ping(caller)),
        Path::Object { name, object } => (name, object),
    };
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let place = place(&name, query.ns.as_deref(), registries)?;
    Ok(Routed::Pull(Box::new(Pull {
        place,
        wish: query.wish(object)?,
        verb,
        accept: request.headers().get_all(header::ACCEPT).iter().cloned().collect(),
        conditions: conditions(request.headers()),
        caller,
    })))
}

/// How the name is to be understood: by `ns`, by token, by host or alias in front, else as one of the default
/// registry.
fn place(name: &str, ns: Option<&str>, registries: &Registries) -> Result<Place, Error> {
    let invalid = |why| Error::client(Code::NameInvalid, format!("invalid repository name: {why}"));
    let (first, rest) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
    if let ("wt", Some(rest)) = (first, rest) {
        let (token, image) = rest.split_once('/').unwrap_or((rest, ""));
        let token: Token =
            token.parse().map_err(|_| Error::client(Code::NameUnknown, "unknown container token"))?;
        return Ok(Place::Token(token, image.parse().map_err(invalid)?));
    }
    if let Some(ns) = ns {
        let unknown = || Error::client(Code::NameUnknown, "no such namespace is served here");
        let host: Host = ns.parse().map_err(|_| unknown())?;
        // A lookup key, never a dial target: only registries the operator named.
        if !registries.is_listed(&host) {
            return Err(unknown());
        }
        let registry = Spelt { text: ns.into(), host };
        return Ok(Place::Mirror(registry, name.parse().map_err(invalid)?));
    }
    if let Some(rest) = rest {
        let alias = registries.by_alias(first).cloned();
        let host =
            || first.parse::<Host>().ok().filter(|host| first.contains('.') || registries.is_listed(host));
        if let Some(host) = alias.or_else(host) {
            let registry = Spelt { text: first.into(), host };
            return Ok(Place::Named(registry, rest.parse().map_err(invalid)?));
        }
    }
    Ok(Place::Default(name.parse().map_err(invalid)?))
}

fn conditions(fields: &HeaderMap) -> Conditions {
    // Two `Range` headers are as good as none (RFC 9110, 14.2: a server may ignore the field).
    let mut ranges = fields.get_all(header::RANGE).iter();
    let range = match (ranges.next(), ranges.next()) {
        (Some(range), None) => Some(range.clone()),
        _ => None,
    };
    Conditions {
        range,
        if_range: fields.get(header::IF_RANGE).cloned(),
        if_none_match: list(fields, header::IF_NONE_MATCH),
    }
}

/// A field whose lines are parts of one list (RFC 9110, 5.3).
fn list(fields: &HeaderMap, name: header::HeaderName) -> Option<HeaderValue> {
    let mut lines = fields.get_all(name).iter();
    let first = lines.next()?.clone();
    let joined =
        lines.fold(first.as_bytes().to_vec(), |list, line| [&list, &b", "[..], line.as_bytes()].concat());
    Some(HeaderValue::from_bytes(&joined).unwrap_or(first))
}

fn caller<B>(request: &Request<B>) -> Caller {
    let address = request.extensions().get::<Peer>().map(|peer| peer.address.ip());
    Caller {
        address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        credentials: request.headers().get(header::AUTHORIZATION).and_then(basic),
    }
}

fn describe(why: crate::oci::path::Invalid, path: &str) -> String {
    use crate::oci::path::Invalid;
    match why {
        Invalid::Path => {
            let shown = masked(path);
            let shown = shown.chars().filter(|c| c.is_ascii_graphic() && *c != '<').take(128);
            format!("invalid request path '{}'", shown.collect::<String>())
        }
        Invalid::Digest(why) => why.to_string(),
        Invalid::Tag => "invalid tag".into(),
    }
}

/// Answers the ping, which is also where clients look for a challenge.
#[derive(Clone, Debug)]
pub struct Pong(Arc<Gate>);

impl Pong {
    /// By the rules of `gate`.
    pub fn new(gate: Arc<Gate>) -> Pong {
        Pong(gate)
    }
}

impl Service<Caller> for Pong {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Ready<Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, caller: Caller) -> Self::Future {
        ready(self.0.ping(&caller).map(|()| pong()))
    }
}

fn pong() -> Response<Body> {
    let mut response = Response::new(Body::full("OK"));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(2));
    fields.insert(headers::API_VERSION, headers::REGISTRY_V2);
    response
}

#[cfg(test)]
mod tests;
