//! One connection: hyper over plain TCP or TLS, with its limits.

use super::peek::{Opening, opening};
use super::{Certificates, Drain, Peer, Scheme, Service};
use crate::telemetry::names;
use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

/// Serves connections with one stack. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    service: Service,
    limits: Limits,
    certificates: Option<Certificates>,
    drain: Drain,
}

/// Times a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To the end of a request head.
    pub header_timeout: Duration,
    /// For a TLS handshake.
    pub tls_timeout: Duration,
    /// Without reading what we send.
    pub stall_timeout: Duration,
}

/// Bytes of a request head, and header fields in it.
const HEAD_BYTES: usize = 64 * 1024;
const HEAD_FIELDS: usize = 100;
/// HTTP/2: streams a connection may have open, bytes of a decoded header list, flow-control windows.
const STREAMS: u32 = 128;
const HEADER_LIST_BYTES: u32 = 16 * 1024;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// HTTP/2: bytes a stream may have waiting to be sent.
const SEND_BUFFER: usize = 256 * 1024;
/// HTTP/2: resets of streams that were not accepted yet (CVE-2023-44487), and of streams we reset ourselves.
const PENDING_RESETS: usize = 20;
const LOCAL_RESETS: usize = 1024;
/// HTTP/2: a peer that is gone is found by a ping this often, answered in this time.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

impl Connections {
    /// Connections over `service`; a TLS listener needs `certificates`.
    pub fn new(service: Service, limits: Limits, certificates: Option<Certificates>, drain: Drain) -> Connections {
        Connections { service, limits, certificates, drain }
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Serves one accepted socket to its end.
    pub async fn serve(self, stream: TcpStream, address: SocketAddr, scheme: Scheme) {
        let peer = Peer { address, scheme };
        let limits = self.limits;
        match scheme {
            Scheme::Http => match tokio::time::timeout(limits.header_timeout, opening(&stream)).await {
                Ok(Ok(Opening::Http1)) => self.http1(TokioIo::new(stream), peer).await,
                Ok(Ok(Opening::Http2)) => self.http2(TokioIo::new(stream), peer).await,
                Ok(Ok(Opening::Tls)) => refused("tls-on-plain-port"),
                Ok(Ok(Opening::Nothing)) => {}
                Ok(Err(_)) | Err(_) => refused("silent"),
            },
            Scheme::Https => {
                let Some(certificates) = &self.certificates else { return };
                let handshake = certificates.acceptor().accept(stream);
                match tokio::time::timeout(limits.tls_timeout, handshake).await {
                    Ok(Ok(stream)) => {
                        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        match h2 {
                            true => self.http2(TokioIo::new(stream), peer).await,
                            false => self.http1(TokioIo::new(stream), peer).await,
                        }
                    }
                    Ok(Err(error)) => {
                        tracing::debug!(%error, peer = %address, "TLS handshake failed");
                        refused("tls-handshake");
                    }
                    Err(_) => refused("tls-timeout"),
                }
            }
        }
    }

    async fn http1<I: Read + Write + Unpin + Send + 'static>(self, io: I, peer: Peer) {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_headers(HEAD_FIELDS)
            .max_buf_size(HEAD_BYTES)
            // Frames leave by reference in one system call; `Flatten` would copy them.
            .writev(true)
            .half_close(false);
        let (service, drain) = (self.service, self.drain);
        let mut connection =
            pin!(builder.serve_connection(io, service_fn(move |request| answer(service.clone(), request, peer))));
        let end = tokio::select! {
            end = connection.as_mut() => end,
            () = drain.begun() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended(end, peer);
    }

    async fn http2<I: Read + Write + Unpin + Send + 'static>(self, io: I, peer: Peer) {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADER_LIST_BYTES)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(LOCAL_RESETS)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        let (service, drain) = (self.service, self.drain);
        let mut connection =
            pin!(builder.serve_connection(io, service_fn(move |request| answer(service.clone(), request, peer))));
        let end = tokio::select! {
            end = connection.as_mut() => end,
            () = drain.begun() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended(end, peer);
    }
}

async fn answer(
    service: Service,
    mut request: Request<Incoming>,
    peer: Peer,
) -> Result<http::Response<crate::body::Body>, std::convert::Infallible> {
    request.extensions_mut().insert(peer);
    service.oneshot(request).await
}

fn refused(why: &'static str) {
    metrics::counter!(names::CONNECTIONS_REFUSED, "why" => why).increment(1);
}

/// Clients that leave are no news; the access line has said how much they got.
fn ended(end: Result<(), hyper::Error>, peer: Peer) {
    if let Err(error) = end {
        tracing::debug!(%error, peer = %peer.address, "connection ended");
    }
}
