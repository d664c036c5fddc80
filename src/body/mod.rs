//! The one response body. Every frame is a [`Bytes`] handed on by reference; nothing is copied or boxed on the way
//! from socket to socket, and only what is larger than a connection takes at a time is handed on in pieces.

mod bounded;
mod cause;
mod checked;
mod file;
mod frames;
mod idle;
mod parts;
mod renewed;
mod socket;
mod source;
mod watch;

pub use bounded::bounded;
pub use cause::{Broken, Cause};
pub use checked::Expect;
pub use file::FilePart;
pub use frames::Frames;
pub use parts::{Part, Parts};
pub use renewed::{NoRest, Renew, Renewal, Renewed, Rest};
pub(crate) use socket::Back;
pub use socket::Socket;
pub(crate) use source::broke;
pub use source::{Drive, Source};
pub use watch::{End, Watch};

use crate::error::BoxError;
use crate::oci::Digester;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A response body that can be watched to its end.
pub struct Body {
    inner: Inner,
    watch: Option<Box<dyn Watch>>,
    /// Payload bytes handed on so far.
    seen: u64,
    /// Largest frame that is handed on.
    piece: usize,
    /// What is left of a larger one.
    rest: Bytes,
}

enum Inner {
    Empty,
    /// What can be replayed and sliced.
    Full(Bytes),
    /// What streams from upstream and cannot.
    Frames(Box<Frames>),
    /// What is asked for again where it breaks off.
    Renewed(Box<Renewed>),
    /// What has to have its digest.
    Checked(Box<checked::Checked>),
    /// What lies in files.
    Parts(Box<dyn Parts>),
    /// Another local stream.
    Local(UnsyncBoxBody<Bytes, BoxError>),
}

impl Body {
    /// No content.
    pub fn empty() -> Body {
        Body::new(Inner::Empty)
    }

    /// Content in memory.
    pub fn full(content: impl Into<Bytes>) -> Body {
        Body::new(Inner::Full(content.into()))
    }

    /// Content that streams from an upstream connection.
    pub fn frames(frames: Frames) -> Body {
        Body::new(Inner::Frames(Box::new(frames)))
    }

    /// Content that is asked for again where it breaks off.
    pub fn renewed(renewed: Renewed) -> Body {
        Body::new(Inner::Renewed(Box::new(renewed)))
    }

    /// Content that lies in files.
    pub fn parts(parts: impl Parts + 'static) -> Body {
        Body::new(Inner::Parts(Box::new(parts)))
    }

    /// Content from another local source. It must state its exact size.
    pub fn local<B>(body: B) -> Body
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Body::new(Inner::Local(body.map_err(Into::into).boxed_unsync()))
    }

    /// The same body, with `watch` told how and after how many bytes it ended. Watchers add up.
    pub fn watched(mut self, watch: impl Watch + 'static) -> Body {
        self.watch = Some(match self.watch.take() {
            None => Box::new(watch),
            Some(first) => Box::new((first, Box::new(watch) as Box<dyn Watch>)),
        });
        self
    }

    /// The same body in frames of at most `piece` bytes. Its watchers are told of the end when the last of them is
    /// handed on, and not when a large document is.
    pub fn in_pieces(mut self, piece: usize) -> Body {
        self.piece = piece.max(1);
        self
    }

    /// The same body, which must turn out to be `expect` or fail before its end: its last frame is withheld until the
    /// digest is right. Digests that cannot be computed here pass unverified.
    pub fn expecting(self, expect: Expect) -> Body {
        match expect.digest.digester() {
            Some(digester) => self.expecting_rest(expect, digester, 0),
            None => self,
        }
    }

    /// The same for what follows the first `seen` bytes of the content, which are in `digester` already.
    pub fn expecting_rest(self, expect: Expect, digester: Digester, seen: u64) -> Body {
        Body::new(Inner::Checked(Box::new(checked::Checked::new(self, expect, digester, seen))))
    }

    /// The plain connection that all of this lies in, for a client connection that takes it from there as it is. What
    /// it takes is reported by [`Body::moved`]; what cannot be taken is [restored](Body::restore), and a connection
    /// that breaks is [lost](Body::lost), after which the rest comes in frames, or an error does.
    pub(crate) fn lend(&mut self) -> Option<Socket> {
        match &mut self.inner {
            Inner::Frames(frames) if self.rest.is_empty() => frames.lend(),
            Inner::Renewed(renewed) if self.rest.is_empty() => renewed.lend(),
            _ => None,
        }
    }

    /// Takes back what was lent: the rest comes in frames.
    pub(crate) fn restore(&mut self, socket: Socket) {
        match &mut self.inner {
            Inner::Frames(frames) => frames.restore(socket),
            Inner::Renewed(renewed) => {
                if let Some(lender) = renewed.lender() {
                    lender.restore(socket);
                }
            }
            _ => {}
        }
    }

    /// Bytes of a content that lies in files, for a client connection that takes it from there as it is.
    pub(crate) fn in_files(&self) -> Option<u64> {
        match &self.inner {
            Inner::Parts(parts) if self.rest.is_empty() => parts.size_hint().exact(),
            _ => None,
        }
    }

    /// The bytes that come next and lie in a file. What is taken of them is reported by [`Body::moved`]. `None` when
    /// the next ones come in frames.
    pub(crate) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, BoxError>> {
        let part = match &mut self.inner {
            Inner::Parts(parts) if self.rest.is_empty() => std::task::ready!(parts.poll_part(cx)),
            _ => Ok(None),
        };
        if let Err(error) = &part {
            self.broke(error);
        }
        Poll::Ready(part)
    }

    /// `count` bytes of what was lent, or of a part, have been handed on.
    pub(crate) fn moved(&mut self, count: u64) {
        match &mut self.inner {
            Inner::Frames(frames) => frames.moved(count),
            Inner::Renewed(renewed) => renewed.moved(count),
            Inner::Parts(parts) => parts.taken(count),
            _ => {}
        }
        self.seen += count;
        if self.is_end_stream() {
            self.end(End::Complete);
        }
    }

    /// What was lent has broken.
    pub(crate) fn lost(&mut self, error: BoxError) {
        match &mut self.inner {
            Inner::Frames(frames) => frames.lost(error),
            Inner::Renewed(renewed) => {
                if let Some(lender) = renewed.lender() {
                    lender.lost(error);
                }
            }
            _ => {}
        }
    }

    /// Ready when what was lent has been silent for too long. To be asked only while it has nothing.
    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        match &mut self.inner {
            Inner::Frames(frames) => frames.poll_idle(cx),
            Inner::Renewed(renewed) => renewed.lender().map_or(Poll::Pending, |lender| lender.poll_idle(cx)),
            _ => Poll::Pending,
        }
    }

    /// The content, when it is in memory already.
    pub fn as_full(&self) -> Option<&Bytes> {
        match &self.inner {
            Inner::Full(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn new(inner: Inner) -> Body {
        Body { inner, watch: None, seen: 0, piece: usize::MAX, rest: Bytes::new() }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match &mut self.inner {
            Inner::Empty => None,
            Inner::Full(bytes) if bytes.is_empty() => None,
            Inner::Full(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Inner::Frames(frames) => std::task::ready!(Pin::new(&mut **frames).poll_frame(cx)),
            Inner::Renewed(renewed) => std::task::ready!(Pin::new(&mut **renewed).poll_frame(cx)),
            Inner::Checked(checked) => std::task::ready!(Pin::new(&mut **checked).poll_frame(cx)),
            Inner::Parts(parts) => std::task::ready!(Pin::new(&mut **parts).poll_frame(cx)),
            Inner::Local(body) => std::task::ready!(Pin::new(body).poll_frame(cx)),
        })
    }

    /// The first piece of a frame; the others are kept.
    fn cut(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut data) => {
                self.rest = data.split_off(data.len().min(self.piece));
                Frame::data(data)
            }
            Err(trailers) => trailers,
        }
    }

    fn broke(&mut self, error: &BoxError) {
        if let Some(watch) = &mut self.watch {
            watch.broken(error);
        }
        self.end(End::Failed);
    }

    fn end(&mut self, end: End) {
        if let Some(watch) = self.watch.take() {
            watch.end(end, self.seen);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match std::mem::take(&mut self.rest) {
            none if none.is_empty() => std::task::ready!(self.poll_source(cx)),
            rest => Some(Ok(Frame::data(rest))),
        };
        let frame = frame.map(|frame| frame.map(|frame| self.cut(frame)));
        match &frame {
            Some(Ok(frame)) => {
                self.seen += frame.data_ref().map_or(0, |data| data.len() as u64);
                // hyper drops a body that says it is at its end without polling it to `None`.
                if self.is_end_stream() {
                    self.end(End::Complete);
                }
            }
            Some(Err(error)) => self.broke(error),
            None => self.end(End::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.inner {
                Inner::Empty => true,
                Inner::Full(bytes) => bytes.is_empty(),
                Inner::Frames(frames) => frames.is_end_stream(),
                Inner::Renewed(renewed) => renewed.is_end_stream(),
                Inner::Checked(checked) => checked.is_end_stream(),
                Inner::Parts(parts) => parts.is_end_stream(),
                Inner::Local(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let source = match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Frames(frames) => frames.size_hint(),
            Inner::Renewed(renewed) => renewed.size_hint(),
            Inner::Checked(checked) => checked.size_hint(),
            Inner::Parts(parts) => parts.size_hint(),
            Inner::Local(body) => body.size_hint(),
        };
        let rest = self.rest.len() as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(source.lower() + rest);
        if let Some(upper) = source.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let end = if self.is_end_stream() { End::Complete } else { End::Dropped };
        self.end(end);
    }
}

impl Default for Body {
    fn default() -> Body {
        Body::empty()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.inner {
            Inner::Empty => "Empty",
            Inner::Full(_) => "Full",
            Inner::Frames(_) => "Frames",
            Inner::Renewed(_) => "Renewed",
            Inner::Checked(_) => "Checked",
            Inner::Parts(_) => "Parts",
            Inner::Local(_) => "Local",
        };
        f.debug_struct("Body").field("kind", &kind).field("seen", &self.seen).finish()
    }
}

#[cfg(test)]
mod tests;
