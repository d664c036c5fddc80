//! A connection to an upstream: TCP, or TLS over one.

use super::ahead::Ahead;
use super::places::Place;
use bytes::BufMut as _;
use hyper_util::client::legacy::connect::{Connected, Connection};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A byte stream to a peer, in its place among the connections there.
#[derive(Debug)]
pub(crate) enum Wire {
    Tcp(TcpStream, Place),
    Tls(Box<TlsStream<Ahead>>, Place),
}

impl Wire {
    /// Its place.
    pub(crate) fn place(&self) -> &Place {
        let (Wire::Tcp(_, place) | Wire::Tls(_, place)) = self;
        place
    }

    /// Is nothing to be read, not even the end? Then the peer has not closed an idle connection, as far as can be
    /// seen from here.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(self).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(stream, _) => read(stream, cx, buffer),
            Wire::Tls(stream, _) => read_records(stream, cx, buffer),
        }
    }
}

/// A record (RFC 8446, 5.1) has at most so many bytes.
const RECORD: usize = 16 * 1024;

/// As many records as were read ahead and have room: rustls hands out one at a time.
fn read_records(
    stream: &mut TlsStream<Ahead>,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let before = buffer.filled().len();
    loop {
        let start = buffer.filled().len();
        match Pin::new(&mut *stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let ended = buffer.filled().len() == start;
                if ended || buffer.remaining() < RECORD || !stream.get_ref().0.is_ahead() {
                    return Poll::Ready(Ok(()));
                }
            }
            // What came before an error is handed on first; there is no end without an error later.
            _ if start > before => return Poll::Ready(Ok(())),
            other => return other,
        }
    }
}

/// Most bytes of one read. hyper makes its buffers as large as the largest read asks for, up to what a head may take,
/// and a stream holds some of them: one less than a power of two keeps them at that power.
const READ: usize = 32 * 1024 - 1;

fn read(stream: &TcpStream, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read_buf(&mut (&mut *buffer).limit(READ)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done.map(drop)),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Tcp(stream, _) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream, _) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Tcp(stream, _) => Pin::new(stream).poll_write_vectored(cx, slices),
            Wire::Tls(stream, _) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Wire::Tcp(stream, _) => stream.is_write_vectored(),
            Wire::Tls(stream, _) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(stream, _) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(stream, _) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
