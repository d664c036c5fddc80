//! The rest of a response that lies in a TCP connection.

use bytes::{Buf as _, Bytes, BytesMut};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;

/// Content of known size in a plain connection: what came with the head, then the bytes of the connection up to the
/// size. Nothing but this reads from the connection meanwhile.
pub struct Socket {
    stream: Option<TcpStream>,
    prefix: Bytes,
    /// Bytes that are still in the connection, behind the prefix.
    behind: u64,
    back: Option<Back>,
    /// Is it one of [`COPIED`]?
    copied: bool,
}

/// What takes a connection back when its content has been read to the end.
pub(crate) type Back = Box<dyn FnOnce(TcpStream) + Send>;

/// What all streams together may hold in frames that were copied from their connections, and the smallest and largest
/// such frame. A stream whose client is slow holds two of them: one that waits for the client, one that is read ahead.
const BUDGET: usize = 32 * 1024 * 1024;
const CHUNK: (usize, usize) = (16 * 1024, 256 * 1024);

/// Streams that are being copied.
static COPIED: AtomicUsize = AtomicUsize::new(0);

impl Socket {
    /// Content of `size` bytes of which `prefix` has been read already. `back` is called with the connection as soon
    /// as the last byte has been read, and not when the content breaks off.
    pub(crate) fn new(stream: TcpStream, mut prefix: Bytes, size: u64, back: Option<Back>) -> Socket {
        // A peer that sends more than it says is not to be asked again.
        let back = back.filter(|_| prefix.len() as u64 <= size);
        prefix.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        let behind = size - prefix.len() as u64;
        let mut socket = Socket { stream: Some(stream), prefix, behind, back, copied: false };
        socket.end();
        socket
    }

    /// Bytes not yet taken.
    pub(crate) fn left(&self) -> u64 {
        self.prefix.len() as u64 + self.behind
    }

    /// What was read ahead and not yet taken.
    pub(crate) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Takes `count` bytes off the prefix.
    pub(crate) fn skip_prefix(&mut self, count: usize) {
        self.prefix.advance(count);
    }

    /// Bytes that are still in the connection.
    pub(crate) fn behind(&self) -> u64 {
        self.behind
    }

    /// The connection, while there are bytes in it.
    pub(crate) fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_ref()
    }

    /// `count` bytes have been taken from the connection by other means.
    pub(crate) fn taken(&mut self, count: u64) {
        self.behind -= count;
        self.end();
    }

    /// The next bytes; none at the end. A connection that ends before the content does is an error.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if !self.prefix.is_empty() {
            return Poll::Ready(Ok(std::mem::take(&mut self.prefix)));
        }
        let chunk = self.chunk();
        let Some(stream) = &self.stream else { return Poll::Ready(Ok(Bytes::new())) };
        let most = usize::try_from(self.behind).map_or(chunk, |behind| behind.min(chunk));
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let mut chunk = BytesMut::with_capacity(most);
            // The room of a buffer may be larger than what was asked for.
            match stream.try_read_buf(&mut bytes::BufMut::limit(&mut chunk, most)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.taken(count as u64);
                    return Poll::Ready(Ok(chunk.freeze()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Bytes of the next frame: fewer when there are many streams.
    fn chunk(&mut self) -> usize {
        if !self.copied {
            self.copied = true;
            COPIED.fetch_add(1, Ordering::Relaxed);
        }
        (BUDGET / 2 / COPIED.load(Ordering::Relaxed).max(1)).clamp(CHUNK.0, CHUNK.1)
    }

    fn end(&mut self) {
        if self.behind == 0
            && let (Some(stream), Some(back)) = (self.stream.take(), self.back.take())
        {
            back(stream);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.copied {
            COPIED.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("prefix", &self.prefix.len())
            .field("behind", &self.behind)
            .finish_non_exhaustive()
    }
}
