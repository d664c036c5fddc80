//! A body that streams from an upstream connection: idle time.

use super::Broken;
use super::idle::Idle;
use super::socket::Socket;
use super::source::Source;
use crate::error::BoxError;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Frames of an upstream response. An upstream that sends nothing for `idle` is cut.
pub struct Frames {
    source: Source,
    idle: Idle,
}

impl Frames {
    /// Streams from `source`, giving up after `idle` without a byte.
    pub fn new(source: Source, idle: Duration) -> Frames {
        Frames { source, idle: Idle::new(idle) }
    }

    /// The plain connection that the rest of this lies in, if it is to be handed on as it is.
    pub(super) fn lend(&mut self) -> Option<Socket> {
        self.source.lend()
    }

    /// Takes back what was lent.
    pub(super) fn restore(&mut self, socket: Socket) {
        self.source = Source::Socket(socket);
    }

    /// Of what was lent, `count` bytes have been handed on.
    pub(super) fn moved(&mut self, count: u64) {
        if let Source::Lent(left) = &mut self.source {
            *left -= count;
        }
        self.idle.moved();
    }

    /// What was lent has broken.
    pub(super) fn lost(&mut self, error: BoxError) {
        if let Source::Lent(left) = self.source {
            self.source = Source::Broken(Some(error), left);
        }
    }

    /// Ready when what was lent has been silent for too long.
    pub(super) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        self.idle.poll(cx)
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = self.source.poll(cx) {
            self.idle.moved();
            return Poll::Ready(frame);
        }
        self.idle.poll(cx).map(|broken| Some(Err(broken.into())))
    }
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.poll_upstream(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size()
    }
}
