//! A plain HTTP/1.1 connection over which blobs go from socket to socket (splice(2)) and from file to socket
//! (sendfile(2)) inside the kernel.
//!
//! hyper frames messages, keeps connections alive and watches times; only payload bytes pass it by. For them it is
//! given slices of a region of zeros, the sentinel, of exactly the length of the content. [`Spliced`] sees by their
//! address what they stand for, and moves as many bytes to the client as it reports written.
//!
//! Zeros must never reach a client. So the sentinel is a type of its own that only [`Slot::load`] makes, for the
//! connection that owns the slot; bodies elsewhere (TLS, HTTP/2, whoever reads one here) yield real frames. And every
//! sentinel byte is counted against what was promised: any other order of writes ends the connection.

mod lowat;
mod moving;
mod pipe;
mod resident;
mod sentinel;

use crate::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use moving::{Moving, copy};
use sentinel::Sentinel;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub use pipe::Pipes;

/// What is being moved over one connection. Its service and its I/O, which run in one task, share it.
#[derive(Clone)]
pub(super) struct Slot {
    load: Arc<Mutex<Load>>,
    pipes: Arc<Pipes>,
}

#[derive(Default)]
struct Load {
    /// In the order of their responses. hyper may ask for the next response while the last bytes of this one wait.
    queue: VecDeque<Moving>,
    /// Sentinel bytes that hyper has and has not written.
    promised: u64,
    /// Something was written in another order than it was promised; nothing more may be.
    confused: bool,
}

/// The response body that hyper sees.
pub(super) enum Outgoing {
    /// As it is.
    Body(Body),
    /// Stands for a body that the connection moves itself.
    Sentinel(Sentinel),
}

/// The connection.
pub(super) struct Spliced {
    stream: TcpStream,
    slot: Slot,
}

/// Content below this is read and written: two system calls are as many as splicing takes.
const LEAST: u64 = 64 * 1024;

impl Slot {
    /// Of a connection without a request.
    pub(super) fn new(pipes: Arc<Pipes>) -> Slot {
        Slot { load: Arc::default(), pipes }
    }

    /// The response as hyper is to see it.
    pub(super) fn load(&self, response: Response<Body>) -> Response<Outgoing> {
        response.map(|mut body| match (body.lend(), body.in_files()) {
            (Some(socket), _) if socket.behind() >= LEAST => {
                self.promised(Moving::lent(body, socket, self.pipes.clone()))
            }
            (Some(socket), _) => {
                body.restore(socket);
                Outgoing::Body(body)
            }
            (None, Some(left)) if left > 0 => self.promised(Moving::filed(body, left, self.pipes.clone())),
            (None, _) => Outgoing::Body(body),
        })
    }

    /// What stands for this content.
    fn promised(&self, moving: Moving) -> Outgoing {
        let sentinel = Sentinel::new(moving.left(), self.clone());
        self.lock().queue.push_back(moving);
        Outgoing::Sentinel(sentinel)
    }

    /// hyper is given `count` bytes of a sentinel.
    fn promise(&self, count: usize) {
        self.lock().promised += count as u64;
    }

    /// hyper has let go of the sentinel. Whatever is left of the content will not be asked for any more.
    fn unload(&self) {
        self.lock().confused = true;
    }

    fn lock(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Load {
    /// What the next sentinel bytes stand for.
    fn next(&mut self) -> io::Result<&mut Moving> {
        match self.queue.front_mut() {
            Some(moving) if !self.confused => Ok(moving),
            _ => Err(confused()),
        }
    }

    /// May real bytes be written, behind which the sentinel comes or not? Not between those of one content. And when
    /// hyper has sentinel bytes and shows none, it has copied them: those would be zeros.
    fn may_write(&self, before_sentinel: bool) -> io::Result<()> {
        let between = self.queue.front().is_some_and(Moving::has_begun);
        let copied = self.promised > 0 && !before_sentinel;
        if self.confused || between || copied { Err(confused()) } else { Ok(()) }
    }
}

impl Spliced {
    pub(super) fn new(stream: TcpStream, slot: Slot) -> Spliced {
        Spliced { stream, slot }
    }

    /// Moves at most `most` bytes of what is loaded.
    fn poll_move(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        let mut load = self.slot.lock();
        let moving = load.next()?;
        let moved = ready!(moving.poll_move(cx, &self.stream, most))?;
        if moving.is_done() {
            load.queue.pop_front();
        }
        load.promised = load.promised.checked_sub(moved as u64).ok_or_else(confused)?;
        Poll::Ready(Ok(moved))
    }

    /// Real bytes: heads, and bodies that are not moved.
    fn poll_real(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        self.slot.lock().may_write(more)?;
        // With the head alone in its hands the kernel would send it at once, in a segment of its own.
        match slices.iter().find(|slice| !slice.is_empty()).filter(|_| more) {
            Some(head) => {
                copy(cx, &self.stream, head, true).map_or_else(Poll::from, |sent| Poll::Ready(Ok(sent)))
            }
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }
}

fn confused() -> io::Error {
    io::Error::other("a response was written in another order than it was promised")
}

impl AsyncRead for Spliced {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Spliced {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match slices.iter().position(|slice| sentinel::is_in(slice)) {
            Some(at) if slices[..at].iter().all(|slice| slice.is_empty()) => {
                this.poll_move(cx, slices[at].len())
            }
            Some(at) => this.poll_real(cx, &slices[..at], true),
            None => this.poll_real(cx, slices, false),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = crate::error::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Outgoing::Body(body) => Pin::new(body).poll_frame(cx),
            Outgoing::Sentinel(sentinel) => Poll::Ready(sentinel.next().map(|zeros| Ok(Frame::data(zeros)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Body(body) => body.is_end_stream(),
            Outgoing::Sentinel(sentinel) => sentinel.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Body(body) => body.size_hint(),
            Outgoing::Sentinel(sentinel) => SizeHint::with_exact(sentinel.left()),
        }
    }
}
