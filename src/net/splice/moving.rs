//! A body on its way to a client's connection: from an upstream connection, from a file, or in frames.

use super::lowat::Lowat;
use super::pipe::{Pipe, Pipes};
use super::resident::{self, Resident};
use crate::body::{Body, Socket, broke};
use crate::error::BoxError;
use crate::telemetry::names;
use bytes::{Buf as _, Bytes};
use http_body::Body as _;
use metrics::counter;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// The content of one response, and what of it is where.
pub(super) struct Moving {
    body: Body,
    /// The upstream connection; `None` when the rest of the body lies in a file or comes in frames.
    socket: Option<Socket>,
    lowat: Lowat,
    resident: Resident,
    pipe: Option<Pipe>,
    pipes: Arc<Pipes>,
    /// What is left of the newest frame.
    frame: Bytes,
    /// Bytes not yet moved to the client.
    left: u64,
    begun: bool,
    /// The kernel may keep the last bytes for a moment, as there are more to come (`MSG_MORE`). The head of the
    /// response was sent so.
    corked: bool,
    /// The kernel does not move these.
    copies: bool,
    /// Bytes that no memory of ours has seen: from the connection, and from a file.
    spliced: u64,
    sent: u64,
}

/// One turn of a connection: others of the same thread wait meanwhile.
const TURN: usize = 4 * 1024 * 1024;

/// Why nothing could be done.
pub(super) enum Stop {
    /// The task is woken when that changes.
    Wait,
    Failed(io::Error),
}

pub(super) type Step = Result<usize, Stop>;

impl From<Stop> for Poll<io::Result<usize>> {
    fn from(stop: Stop) -> Poll<io::Result<usize>> {
        match stop {
            Stop::Wait => Poll::Pending,
            Stop::Failed(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Moving {
    /// All of `body`, whose connection has been lent.
    pub(super) fn lent(body: Body, socket: Socket, pipes: Arc<Pipes>) -> Moving {
        let left = socket.left();
        Moving::new(body, Some(socket), left, pipes)
    }

    /// All of `body`, which lies in files: `left` bytes.
    pub(super) fn filed(body: Body, left: u64, pipes: Arc<Pipes>) -> Moving {
        Moving::new(body, None, left, pipes)
    }

    fn new(body: Body, socket: Option<Socket>, left: u64, pipes: Arc<Pipes>) -> Moving {
        Moving {
            body,
            socket,
            lowat: Lowat::new(),
            resident: Resident::default(),
            pipe: None,
            pipes,
            frame: Bytes::new(),
            left,
            begun: false,
            corked: true,
            copies: false,
            spliced: 0,
            sent: 0,
        }
    }

    /// Bytes that are not with the client.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Is everything with the client?
    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Is something with the client?
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Moves at most `most` bytes to `to`; how many, which is zero only where nothing was asked for.
    pub(super) fn poll_move(
        &mut self,
        cx: &mut Context<'_>,
        to: &TcpStream,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let most = usize::try_from(self.left).map_or(TURN, |left| left.min(TURN)).min(most);
        let mut moved = 0;
        while moved < most {
            match self.step(cx, to, most - moved) {
                Ok(count) => {
                    self.begun = true;
                    self.left -= count as u64;
                    moved += count;
                }
                Err(Stop::Wait) => {
                    self.uncork(to);
                    if moved == 0 {
                        return Poll::Pending;
                    }
                    break;
                }
                Err(stop) => return stop.into(),
            }
        }
        Poll::Ready(Ok(moved))
    }

    /// Nothing follows just now: the kernel would keep a short segment for 200 ms.
    fn uncork(&mut self, to: &TcpStream) {
        // To set the option again sends what is kept (tcp(7)).
        if std::mem::take(&mut self.corked) {
            _ = to.set_nodelay(true);
        }
    }

    fn step(&mut self, cx: &mut Context<'_>, to: &TcpStream, most: usize) -> Step {
        match &self.socket {
            Some(socket) if !socket.prefix().is_empty() => self.prefix(cx, to, most),
            Some(_) => self.splice(cx, to, most),
            None if self.frame.is_empty() && !self.copies => self.file(cx, to, most),
            None => self.frame(cx, to, most),
        }
    }

    /// From a file to the client. What is not in memory comes in frames, and so does the rest after a failure: these
    /// tell whose it was.
    fn file(&mut self, cx: &mut Context<'_>, to: &TcpStream, most: usize) -> Step {
        let part = match self.body.poll_part(cx) {
            Poll::Pending => return Err(Stop::Wait),
            Poll::Ready(Ok(Some(part))) => part,
            Poll::Ready(Ok(None)) => return self.frame(cx, to, most),
            Poll::Ready(Err(error)) => return Err(Stop::Failed(io::Error::other(error))),
        };
        match to.poll_write_ready(cx) {
            Poll::Pending => return Err(Stop::Wait),
            Poll::Ready(ready) => ready.map_err(Stop::Failed)?,
        }
        let start = part.bytes.start;
        let count = self.resident.of(&part.file, start..part.bytes.end.min(start + most as u64));
        if count == 0 {
            return self.frame(cx, to, most);
        }
        let send = || resident::send(to, &part.file, start, count);
        match attempt(cx, to, Interest::WRITABLE, send) {
            Ok(0) | Err(Stop::Failed(_)) => {
                self.copies = true;
                self.frame(cx, to, most)
            }
            Ok(count) => {
                self.corked = false;
                self.sent += count as u64;
                self.body.moved(count as u64);
                Ok(count)
            }
            Err(Stop::Wait) => Err(Stop::Wait),
        }
    }

    /// A body that was asked for again may lie in another plain connection by now.
    fn borrow(&mut self) -> bool {
        if self.frame.is_empty() && !self.copies {
            self.socket = self.body.lend();
            self.lowat = Lowat::new();
        }
        self.socket.is_some()
    }

    /// What came with the head.
    fn prefix(&mut self, cx: &mut Context<'_>, to: &TcpStream, most: usize) -> Step {
        let Some(socket) = &mut self.socket else { return Ok(0) };
        let more = socket.behind() > 0;
        let prefix = socket.prefix();
        let count = copy(cx, to, &prefix[..prefix.len().min(most)], more)?;
        self.corked = more;
        socket.skip_prefix(count);
        self.body.moved(count as u64);
        if !more && socket.prefix().is_empty() {
            self.socket = None;
        }
        Ok(count)
    }

    /// From the connection into the pipe when that is empty, and from the pipe to the client.
    fn splice(&mut self, cx: &mut Context<'_>, to: &TcpStream, most: usize) -> Step {
        if self.pipe.as_ref().is_none_or(|pipe| pipe.held() == 0) && !self.fill(cx)? {
            return self.frame(cx, to, most);
        }
        let Some(pipe) = &mut self.pipe else { return self.frame(cx, to, most) };
        let count = attempt(cx, to, Interest::WRITABLE, || pipe.drain(to, most))?;
        self.corked = false;
        self.spliced += count as u64;
        self.body.moved(count as u64);
        if pipe.held() == 0 {
            self.rest();
        }
        Ok(count)
    }

    /// Fills the pipe. False when the rest comes in frames: the connection broke, or cannot be spliced from.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        let Some(socket) = &mut self.socket else { return Ok(false) };
        let Some(stream) = socket.stream() else { return Ok(false) };
        let pipe = match &mut self.pipe {
            Some(pipe) => pipe,
            empty => match self.pipes.take() {
                Ok(pipe) => empty.insert(pipe),
                Err(_) => return Ok(self.give_up()),
            },
        };
        self.lowat.approach(stream, socket.behind());
        match attempt(cx, stream, Interest::READABLE, || pipe.fill(stream, socket.behind())) {
            Ok(0) => self.lost(broke(ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.lowat.came(count);
                socket.taken(count as u64);
                return Ok(true);
            }
            Err(Stop::Wait) => {
                self.lowat.wait(cx, stream, socket.behind());
                match self.body.poll_idle(cx) {
                    Poll::Ready(broken) => self.lost(broken.into()),
                    Poll::Pending => {
                        self.rest();
                        return Err(Stop::Wait);
                    }
                }
            }
            Err(Stop::Failed(error)) if is_refused(&error) => return Ok(self.give_up()),
            Err(Stop::Failed(error)) => self.lost(broke(error)),
        }
        Ok(false)
    }

    /// The kernel, or what stands in for it, does not splice these, or there are too many pipes. Frames it is.
    fn give_up(&mut self) -> bool {
        self.copies = true;
        if let Some(socket) = self.socket.take() {
            if let Some(stream) = socket.stream() {
                self.lowat.approach(stream, 0);
            }
            self.body.restore(socket);
        }
        self.rest();
        false
    }

    fn lost(&mut self, error: BoxError) {
        self.socket = None;
        self.rest();
        self.body.lost(error);
    }

    /// The pipe is empty: somebody else may need it while this one waits.
    fn rest(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            self.pipes.give(pipe);
        }
    }

    /// The rest of the body as it comes.
    fn frame(&mut self, cx: &mut Context<'_>, to: &TcpStream, most: usize) -> Step {
        while self.frame.is_empty() {
            if self.borrow() {
                return Ok(0);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Err(Stop::Wait),
                Poll::Ready(Some(Ok(frame))) => self.frame = frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(error))) => return Err(Stop::Failed(io::Error::other(error))),
                Poll::Ready(None) => return Err(Stop::Failed(ErrorKind::UnexpectedEof.into())),
            }
            if self.frame.len() as u64 > self.left {
                return Err(Stop::Failed(io::Error::other("upstream sent more than it promised")));
            }
        }
        let more = self.frame.len() < usize::try_from(self.left).unwrap_or(usize::MAX);
        let count = copy(cx, to, &self.frame[..self.frame.len().min(most)], more)?;
        self.corked = more;
        self.frame.advance(count);
        Ok(count)
    }
}

/// Sends some of `bytes`; `more` says that there is more to come, which the kernel then waits for a moment.
pub(super) fn copy(cx: &mut Context<'_>, to: &TcpStream, bytes: &[u8], more: bool) -> Step {
    let flags = if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
    attempt(cx, to, Interest::WRITABLE, || Ok(send(to, bytes, flags)?))
}

/// Does something with a socket once that is ready, and waits until then.
fn attempt(
    cx: &mut Context<'_>,
    socket: &TcpStream,
    interest: Interest,
    mut call: impl FnMut() -> io::Result<usize>,
) -> Step {
    loop {
        match socket.try_io(interest, &mut call) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            done => return done.map_err(Stop::Failed),
        }
        let ready = match interest.is_readable() {
            true => socket.poll_read_ready(cx),
            false => socket.poll_write_ready(cx),
        };
        match ready {
            Poll::Pending => return Err(Stop::Wait),
            Poll::Ready(ready) => ready.map_err(Stop::Failed)?,
        }
    }
}

/// Is this about splicing itself, and not about a connection?
fn is_refused(error: &io::Error) -> bool {
    let refused = [Errno::INVAL, Errno::NOSYS, Errno::PERM, Errno::OPNOTSUPP];
    error.raw_os_error().is_some_and(|code| refused.iter().any(|errno| errno.raw_os_error() == code))
}

impl Drop for Moving {
    fn drop(&mut self) {
        counter!(names::SPLICED_BYTES).increment(self.spliced);
        counter!(names::SENDFILE_BYTES).increment(self.sent);
        self.rest();
    }
}
