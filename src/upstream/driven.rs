//! A response body that drives its own connection, so that no other task has to be woken for a frame.

use super::wire::Wire;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// hyper's end of a connection.
pub(super) type Conn = Connection<TokioIo<Wire>, Empty<Bytes>>;

/// What takes a connection back when its body has been read to the end.
pub(super) type Back = Box<dyn FnOnce(Wire) + Send>;

/// The body of the response that has just come over `connection`.
pub(super) struct Driven {
    body: Incoming,
    /// `None` once it has been given back or has ended.
    connection: Option<Conn>,
    /// Dropped with the connection: hyper closes what nobody can send on.
    _send: SendRequest<Empty<Bytes>>,
    back: Option<Back>,
}

impl Driven {
    /// `back` is called with the connection after the body's end, if more can be sent over it.
    pub(super) fn new(
        body: Incoming,
        connection: Conn,
        send: SendRequest<Empty<Bytes>>,
        back: Option<Back>,
    ) -> Driven {
        let mut driven = Driven { body, connection: Some(connection), _send: send, back };
        if driven.body.is_end_stream() {
            driven.finish(&mut Context::from_waker(Waker::noop()));
        }
        driven
    }

    /// The body is over: hyper has to see that too before the connection can be used again.
    fn finish(&mut self, cx: &mut Context<'_>) {
        let Some(mut connection) = self.connection.take() else { return };
        let Some(back) = self.back.take() else { return };
        if connection.poll_without_shutdown(cx).is_pending() {
            let parts = connection.into_parts();
            // A peer that sends more than it says is not to be asked again.
            if parts.read_buf.is_empty() {
                back(parts.io.into_inner());
            }
        }
    }
}

impl HttpBody for Driven {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let mut driven = false;
        loop {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(frame) => {
                    // What says that it is at its end may not be asked again.
                    if frame.is_none() || this.body.is_end_stream() {
                        this.finish(cx);
                    }
                    return Poll::Ready(frame);
                }
                Poll::Pending if driven => return Poll::Pending,
                Poll::Pending => {}
            }
            driven = true;
            if let Some(connection) = &mut this.connection
                && let Poll::Ready(ended) = connection.poll_without_shutdown(cx)
            {
                this.connection = None;
                ended?;
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
