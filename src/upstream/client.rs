//! Pools of connections under one policy, and the time a response may take.

use super::Failure;
use super::connect::{Connector, Refusal};
use super::exchange::{HEAD, exchange};
use super::idle::{Idle, Peer};
use crate::body::{Body, Frames, Source};
use crate::config;
use crate::error::{BoxError, Error};
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
use tower::ServiceExt as _;

const IDLE_PER_HOST: usize = 32;
/// When to come back for a connection.
const BUSY: Duration = Duration::from_secs(1);

/// Sends one request over a pooled HTTP/1.1 connection that carries nothing else meanwhile. Bodies are cut after
/// `idle-timeout` without a byte.
///
/// Never HTTP/2: its streams share one window and one limit of streams, so that a few clients who do not read their
/// blobs would hold up everybody else's requests to the same registry.
#[derive(Clone)]
pub(crate) struct Client {
    documents: legacy::Client<Connector, Empty<Bytes>>,
    connector: Connector,
    blobs: Idle,
    carries: Carries,
    head: Duration,
    idle: Duration,
}

/// What a response is expected to carry, which decides who reads it from its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// A document, read by a task of the connection's own.
    Document,
    /// A blob, read by whoever hands it on: from a plain connection without a copy, where the client's is plain too.
    Blob,
}

impl Client {
    /// Over `connector`, which makes at most `most` connections to one host, and closes those of `blobs` where it must.
    pub(super) fn new(config: &config::Upstream, connector: Connector, blobs: Idle, most: usize) -> Client {
        let documents = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.pool_idle)
            // Nobody can close these, so they must not take the places of all others.
            .pool_max_idle_per_host(IDLE_PER_HOST.min(most / 4))
            .http1_max_buf_size(HEAD)
            .build(connector.clone());
        Client {
            documents,
            connector,
            blobs,
            carries: Carries::Document,
            head: config.head_timeout,
            idle: config.idle_timeout,
        }
    }

    /// The same client, for responses that carry this.
    pub(crate) fn carrying(self, carries: Carries) -> Client {
        Client { carries, ..self }
    }

    async fn document(self, request: Request<Empty<Bytes>>) -> Result<Response<Body>, Trouble> {
        let method = request.method().clone();
        let response = self
            .documents
            .request(request)
            .await
            .map_err(|error| Trouble { connecting: error.is_connect(), error: error.into() })?;
        Ok(embody(&method, response, self.idle))
    }

    async fn blob(self, request: Request<Empty<Bytes>>) -> Result<Response<Body>, Trouble> {
        let uri = request.uri().clone();
        let authority = uri.authority().cloned();
        let peer: Peer = (
            uri.scheme_str() == Some("https"),
            authority.ok_or_else(|| Trouble { connecting: true, error: Refusal::Url.into() })?,
        );
        loop {
            let kept = self.blobs.take(&peer);
            let reused = kept.is_some();
            let wire = match kept {
                Some(wire) => wire,
                None => {
                    let made = self.connector.clone().oneshot(uri.clone()).await;
                    made.map_err(|refusal| Trouble { connecting: true, error: refusal.into() })?.into_inner()
                }
            };
            let (idle, to) = (self.blobs.clone(), peer.clone());
            match exchange(wire, request.clone(), Box::new(move |wire| idle.put(to, wire))).await {
                Ok(response) => {
                    return Ok(response.map(|source| match source {
                        Some(source) => Body::frames(Frames::new(source, self.idle)),
                        None => Body::empty(),
                    }));
                }
                // The peer had closed it, and we had not seen that yet. There are only so many, and a GET may be
                // sent again.
                Err(error) if reused => tracing::debug!(%error, "an idle connection had been closed"),
                Err(error) => return Err(Trouble { connecting: false, error: error.into() }),
            }
        }
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
        let (client, head) = (self.clone(), self.head);
        let peer = request.uri().authority().map_or_else(String::new, |authority| authority.to_string());
        Box::pin(async move {
            let response = async {
                match client.carries {
                    Carries::Document => client.document(request).await,
                    Carries::Blob => client.blob(request).await,
                }
            };
            match tokio::time::timeout(head, response).await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(trouble)) => Err(judge(&peer, trouble)),
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
    response.map(|incoming| match none {
        true => Body::empty(),
        false => Body::frames(Frames::new(Source::Incoming(incoming), idle)),
    })
}

/// Why there is no response.
struct Trouble {
    /// Was there no connection yet?
    connecting: bool,
    error: BoxError,
}

/// What a transport error means for the client, and for a second try.
fn judge(peer: &str, trouble: Trouble) -> Failure {
    let Trouble { connecting, error } = trouble;
    let refusal = causes(&*error).find_map(|cause| cause.downcast_ref::<Refusal>());
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
        Some(Refusal::Full) => {
            let message = format!("there are as many connections to '{peer}' as there may be");
            Failure::Final(Error::overloaded(message, BUSY).unasked())
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
        _ if connecting => {
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
