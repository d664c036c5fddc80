//! A TCP connection that is read from in large pieces, for rustls, which asks for 4 KiB at a time.

use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

/// Bytes of one piece: four records.
const PIECE: usize = 64 * 1024;

/// The connection, and what was read ahead of it. An idle one holds no buffer.
#[derive(Debug)]
pub(crate) struct Ahead {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Ahead {
    pub(crate) fn new(stream: TcpStream) -> Ahead {
        Ahead { stream, buffer: BytesMut::new() }
    }

    /// Is there something that was read ahead?
    pub(crate) fn is_ahead(&self) -> bool {
        !self.buffer.is_empty()
    }
}

impl AsyncRead for Ahead {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_ahead() {
            this.buffer.reserve(PIECE);
            let filled = poll_read_buf(Pin::new(&mut this.stream), cx, &mut this.buffer);
            if !this.is_ahead() {
                this.buffer = BytesMut::new();
            }
            ready!(filled)?;
        }
        let count = buffer.remaining().min(this.buffer.len());
        buffer.put_slice(&this.buffer.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ahead {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn everything_comes_and_nothing_stays() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = Ahead::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut far, _) = listener.accept().await.unwrap();
        let sent: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
        let (copy, mut got) = (sent.clone(), vec![0; sent.len()]);
        tokio::spawn(async move {
            far.write_all(&copy).await.unwrap();
        });
        for part in got.chunks_mut(4096) {
            near.read_exact(part).await.unwrap();
        }
        assert!(got == sent);
        assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0, "the end is told");
        assert!(near.buffer.capacity() == 0 && !near.is_ahead());
    }
}
