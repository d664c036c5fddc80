//! A body that streams from an upstream connection: idle time, and verification where it is asked for.

use super::idle::Idle;
use super::socket::Socket;
use super::source::Source;
use super::{Broken, Cause};
use crate::error::BoxError;
use crate::oci::{Digest, Digester};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Frames of an upstream response. An upstream that sends nothing for `idle` is cut.
pub struct Frames {
    source: Source,
    idle: Idle,
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
    /// Streams from `source`, giving up after `idle` without a byte.
    pub fn new(source: Source, idle: Duration) -> Frames {
        Frames { source, idle: Idle::new(idle), check: None }
    }

    /// The plain connection that the rest of this lies in, if it is to be handed on as it is.
    pub(super) fn lend(&mut self) -> Option<Socket> {
        if self.check.is_some() { None } else { self.source.lend() }
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

    /// Verifies the stream on the way. Digests that cannot be computed here pass unverified.
    pub(super) fn expect(&mut self, expect: Expect) {
        if let Some(digester) = expect.digest.digester() {
            self.check = Some(Box::new(Check { digester, expect, seen: 0, held: None, done: false }));
        }
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
            None => self.source.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.check.as_ref().and_then(|check| check.held.as_ref()).map_or(0, Bytes::len) as u64;
        match self.source.size().exact() {
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

fn wrong_size() -> Broken {
    Broken::new(Cause::Size, "upstream content does not have its size")
}

fn wrong_digest() -> Broken {
    Broken::new(Cause::Digest, "upstream content does not have its digest")
}
