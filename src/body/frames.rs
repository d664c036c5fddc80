//! A body that streams from an upstream connection: idle time.

use super::{Broken, Cause};
use crate::error::BoxError;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Frames of an upstream response. An upstream that sends nothing for `idle` is cut.
pub struct Frames {
    incoming: Incoming,
    idle: Duration,
    last: Instant,
    /// Armed lazily and re-armed only when it fires, so that a frame costs no timer work.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Frames {
    /// Streams `incoming`, giving up after `idle` without a byte.
    pub fn new(incoming: Incoming, idle: Duration) -> Frames {
        Frames { incoming, idle, last: Instant::now(), timer: None }
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.last = Instant::now();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let idle = self.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.last + idle)));
        while timer.as_mut().poll(cx).is_ready() {
            let due = self.last + idle;
            if due <= Instant::now() {
                return Poll::Ready(Some(Err(self::idle(idle).into())));
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
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
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn idle(idle: Duration) -> Broken {
    Broken::new(Cause::Idle, format!("upstream sent nothing for {} s", idle.as_secs()))
}
