//! A body that streams from an upstream connection: idle time, and verification where it is asked for.

use super::{Broken, Cause};
use crate::error::BoxError;
use crate::oci::{Digest, Digester};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Frames of an upstream response. An upstream that sends nothing for `idle` is cut.
pub struct Frames {
    incoming: Incoming,
    idle: Duration,
    last: Instant,
    /// Armed lazily and re-armed only when it fires, so that a frame costs no timer work.
    timer: Option<Pin<Box<Sleep>>>,
    check: Option<Box<Check>>,
}

/// What a stream has to turn out to be.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Digest of the whole content.
    pub digest: Digest,
    /// Size of the whole content in bytes, when it is known.
    pub size: Option<u64>,
}

struct Check {
    digester: Digester,
    expect: Expect,
    seen: u64,
    /// The newest frame is withheld until the next one shows that it was not the last.
    held: Option<Bytes>,
    done: bool,
}

impl Frames {
    /// Streams `incoming`, giving up after `idle` without a byte.
    pub fn new(incoming: Incoming, idle: Duration) -> Frames {
        Frames { incoming, idle, last: Instant::now(), timer: None, check: None }
    }

    /// Verifies the stream on the way. Digests that cannot be computed here pass unverified.
    pub(super) fn expect(&mut self, expect: Expect) {
        if let Some(digester) = expect.digest.digester() {
            self.check = Some(Box::new(Check { digester, expect, seen: 0, held: None, done: false }));
        }
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
        let this = &mut *self;
        if this.check.is_none() {
            return this.poll_upstream(cx);
        }
        loop {
            if this.check.as_ref().is_some_and(|check| check.done) {
                return Poll::Ready(None);
            }
            let frame = ready!(this.poll_upstream(cx));
            let check = this.check.as_mut().expect("checked above");
            let next = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => check.take(data)?,
                    Err(_trailers) => None,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(check.finish()?.map(|data| Ok(Frame::data(data)))),
            };
            if let Some(data) = next {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.check {
            Some(check) => check.done,
            None => self.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.check.as_ref().and_then(|check| check.held.as_ref()).map_or(0, Bytes::len) as u64;
        match self.incoming.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + held),
            None => SizeHint::default(),
        }
    }
}

impl Check {
    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, Broken> {
        self.seen += data.len() as u64;
        if self.expect.size.is_some_and(|size| self.seen > size) {
            return Err(wrong_size());
        }
        self.digester.update(&data);
        Ok(self.held.replace(data))
    }

    fn finish(&mut self) -> Result<Option<Bytes>, Broken> {
        self.done = true;
        if self.expect.size.is_some_and(|size| self.seen != size) {
            return Err(wrong_size());
        }
        match self.digester.clone().finish() == self.expect.digest {
            true => Ok(self.held.take()),
            false => Err(wrong_digest()),
        }
    }
}

fn idle(idle: Duration) -> Broken {
    Broken::new(Cause::Idle, format!("upstream sent nothing for {} s", idle.as_secs()))
}

fn wrong_size() -> Broken {
    Broken::new(Cause::Size, "upstream content does not have its size")
}

fn wrong_digest() -> Broken {
    Broken::new(Cause::Digest, "upstream content does not have its digest")
}
