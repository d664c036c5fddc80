//! One connection: HTTP/1.1 or HTTP/2 over whatever carries it.

use super::pace::{Paced, Streams};
use super::reason::Reason;
use super::{Limits, Peer, Service, Watch};
use crate::body::Body;
use crate::error::BoxError;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tower::Service as _;

// These are not for operators to set: no client of a registry comes near them, and larger ones cost memory that
// `max-connections` and `max-requests` are reckoned with.

/// Bytes of a request head; more is 431. A head has at most 100 headers, which is hyper's default and costs
/// nothing. It is also how much of a response may wait for the socket before no further frame is asked for: below
/// one read from upstream while there are fewer streams than a thousand, so that one whose client is slow holds one
/// frame here and not two.
const HEAD: usize = 32 * 1024;
const STREAMS: u32 = 128;
const HEADER_LIST: u32 = 16 * 1024;
/// Streams that a client may reset before we have looked at them (CVE-2023-44487).
const PENDING_RESETS: usize = 20;
const LOCAL_RESETS: usize = 1024;
/// Requests have small bodies or none.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes of a response that wait for one stream's window, and the largest frame that goes there. A stream has ended
/// for us when its last frame is there, so a permit, a record and the watch for stalls end that much early.
const SEND_BUFFER: usize = 64 * 1024;
const PIECE: usize = 16 * 1024;
/// Over HTTP/1 a frame is the most that may wait beside [`HEAD`]: no smaller than what comes from upstream.
const FRAME: usize = 256 * 1024;
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// Serves HTTP/1.1 until the client closes, the head of a request is late, or the drain is over. The head of the first
/// request has to be complete at `deadline`; that of a later one `limits.idle` after the response before it, however
/// much of it is there by then.
///
/// `outgoing` makes of a response what `io` takes.
pub(super) async fn http1<I, B>(
    io: I,
    outgoing: impl Fn(Response<Body>) -> Response<B>,
    service: Service,
    peer: Peer,
    limits: &Limits,
    deadline: Instant,
    mut watch: Watch,
) -> Reason
where
    I: AsyncRead + AsyncWrite + Unpin,
    B: HttpBody<Data = Bytes, Error = BoxError> + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let first = asked.clone();
    let outgoing = &outgoing;
    let edge = Edge::new(service, peer, FRAME);
    let answer = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        let answer = edge.answer(request);
        async move { answer.await.map(outgoing) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // It runs from when the connection is ready for a head, hence between requests too.
        .header_read_timeout(limits.idle)
        .max_buf_size(HEAD)
        .writev(true)
        .serve_connection(TokioIo::new(io), answer);
    let mut connection = pin!(connection);
    let mut late = pin!(async {
        tokio::time::sleep_until(deadline).await;
        if first.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    });
    tokio::select! {
        result = &mut connection => return Reason::of(result, peer),
        () = &mut late => return Reason::Silent,
        () = watch.draining() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        result = &mut connection => Reason::of(result, peer),
        () = &mut late => Reason::Silent,
    }
}

/// Serves HTTP/2 until the client closes, the first stream is not there at `deadline`, there has been none for
/// `limits.idle`, or the drain is over.
pub(super) async fn http2<I>(
    io: I,
    service: Service,
    peer: Peer,
    limits: &Limits,
    deadline: Instant,
    mut watch: Watch,
) -> Reason
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let edge = Edge::new(service, peer, PIECE);
    let answer = service_fn(move |request| {
        let answer = edge.answer(request);
        async move { answer.await.map(|response| response.map(Paced::new)) }
    });
    let streams = Streams::new(limits.stall);
    let activity = streams.activity();
    let connection = http2::Builder::new(streams)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .serve_connection(TokioIo::new(io), answer);
    let mut connection = pin!(connection);
    tokio::select! {
        result = &mut connection => return Reason::of(result, peer),
        () = watch.draining() => {}
        () = activity.unused(deadline, limits.idle) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A graceful end waits for the client's answer, or even for its SETTINGS: one without streams may not take for
    // ever. The last pieces of a response may still wait for a client that reads as slowly as is allowed.
    let wait =
        if activity.was_used() { limits.stall * (1 + SEND_BUFFER / PIECE) as u32 } else { limits.header };
    tokio::select! {
        result = &mut connection => Reason::of(result, peer),
        () = activity.idle_for(wait) => Reason::Silent,
    }
}

/// The edge stack for the requests of one connection. They share one clone of it: each takes its turn to find it ready
/// and to be given to it, and no one's readiness is used by another.
struct Edge {
    service: Arc<Mutex<Service>>,
    peer: Peer,
    piece: usize,
}

impl Edge {
    fn new(service: Service, peer: Peer, piece: usize) -> Edge {
        Edge { service: Arc::new(Mutex::new(service)), peer, piece }
    }

    fn answer(
        &self,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
        request.extensions_mut().insert(self.peer);
        let (service, piece, mut request) = (self.service.clone(), self.piece, Some(request));
        async move {
            let answer = poll_fn(|cx| {
                let mut service = service.lock().expect("no panic while locked");
                ready!(service.poll_ready(cx))?;
                let request = request.take().expect("a request is given away once");
                Poll::Ready(Ok::<_, Infallible>(service.call(request)))
            });
            answer.await?.await.map(|response| response.map(|body| body.in_pieces(piece)))
        }
    }
}
