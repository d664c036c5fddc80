//! A pool of connections under one policy, and the time a response may take.

use super::Failure;
use super::connect::{Connector, Refusal};
use crate::body::{Body, Frames};
use crate::config;
use crate::error::Error;
use crate::oci::Code;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Room for a response head, which some registries fill to more than 32 KiB. Bodies are read in smaller pieces: see
/// `wire`.
const READ_BUFFER: usize = 64 * 1024;
const IDLE_PER_HOST: usize = 32;

/// Sends one request over a pooled HTTP/1.1 connection. Bodies are cut after `idle-timeout` without a byte.
///
/// Never HTTP/2: its streams share one window and one limit of streams, so that a few clients who do not read their
/// blobs would hold up everybody else's requests to the same registry.
#[derive(Clone)]
pub(crate) struct Client {
    inner: legacy::Client<Connector, Empty<Bytes>>,
    head: Duration,
    idle: Duration,
}

impl Client {
    pub(crate) fn new(config: &config::Upstream, connector: Connector) -> Client {
        let inner = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.pool_idle)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_max_buf_size(READ_BUFFER)
            .build(connector);
        Client { inner, head: config.head_timeout, idle: config.idle_timeout }
    }
}

impl tower::Service<Request<Empty<Bytes>>> for Client {
    type Response = Response<Body>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        let (head, idle) = (self.head, self.idle);
        let method = request.method().clone();
        let peer = request.uri().authority().map_or_else(String::new, |authority| authority.to_string());
        let response = self.inner.request(request);
        Box::pin(async move {
            match tokio::time::timeout(head, response).await {
                Ok(Ok(response)) => Ok(embody(&method, response, idle)),
                Ok(Err(error)) => Err(judge(&peer, error)),
                Err(_) => Err(Failure::Final(Error::gateway_timeout(format!(
                    "'{peer}' did not answer within {} s",
                    head.as_secs_f32()
                )))),
            }
        })
    }
}

/// Gives a response our body. Answers to HEAD, 204 and 304 have none, whatever their headers say.
fn embody(method: &Method, response: Response<Incoming>, idle: Duration) -> Response<Body> {
    let none = method == Method::HEAD
        || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    response.map(|incoming| if none { Body::empty() } else { Body::frames(Frames::new(incoming, idle)) })
}

/// What a transport error means for the client, and for a second try.
fn judge(peer: &str, error: legacy::Error) -> Failure {
    let refusal = causes(&error).find_map(|cause| cause.downcast_ref::<Refusal>());
    match refusal {
        Some(Refusal::Address) => {
            tracing::warn!(peer, "address not allowed");
            Failure::Final(Error::new(
                Code::Denied,
                crate::error::Side::Upstream,
                format!("'{peer}': address not allowed"),
            ))
        }
        Some(Refusal::Url) => {
            Failure::Final(Error::bad_gateway(format!("'{peer}' is not an http or https URL")))
        }
        Some(Refusal::Time(what)) => {
            let message = format!("'{peer}': {what} took too long");
            Failure::Final(Error::gateway_timeout(message).with_source(error))
        }
        Some(Refusal::Resolve(cause)) => {
            // The resolver's temporary failure has no `ErrorKind`; an unknown name must not cost all tries.
            let temporary = cause.to_string().contains("Temporary failure");
            let error =
                Error::bad_gateway(format!("the name of '{peer}' cannot be resolved")).with_source(error);
            if temporary { Failure::Transient(error) } else { Failure::Final(error) }
        }
        Some(Refusal::Proxy(status)) => {
            let message = format!("the forward proxy does not lead to '{peer}' ({status})");
            Failure::Final(Error::bad_gateway(message))
        }
        Some(Refusal::Tls(cause)) if is_certificate(cause) => {
            let message = format!("'{peer}' has a certificate that is not trusted here");
            Failure::Final(Error::bad_gateway(message).with_source(error))
        }
        _ if error.is_connect() => {
            Failure::Transient(Error::bad_gateway(format!("cannot reach '{peer}'")).with_source(error))
        }
        _ => Failure::Transient(
            Error::bad_gateway(format!("the connection to '{peer}' broke")).with_source(error),
        ),
    }
}

fn is_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
