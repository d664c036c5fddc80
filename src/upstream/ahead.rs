//! A TCP connection that is read from in large pieces, for rustls, which asks for 4 KiB at a time.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of one piece: four records.
const PIECE: usize = 64 * 1024;

/// The connection, and what was read ahead of it. An idle one holds no buffer.
#[derive(Debug)]
pub(crate) struct Ahead {
    stream: TcpStream,
    buffer: Option<Box<[u8]>>,
    /// The part of the buffer that is to be handed on.
    next: usize,
    end: usize,
}

impl Ahead {
    pub(crate) fn new(stream: TcpStream) -> Ahead {
        Ahead { stream, buffer: None, next: 0, end: 0 }
    }

    /// Is there something that was read ahead?
    pub(crate) fn is_ahead(&self) -> bool {
        self.next < self.end
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let buffer = self.buffer.get_or_insert_with(|| vec![0; PIECE].into());
        let mut piece = ReadBuf::new(buffer);
        let filled = Pin::new(&mut self.stream).poll_read(cx, &mut piece);
        (self.next, self.end) = (0, piece.filled().len());
        if self.end == 0 {
            self.buffer = None;
        }
        filled
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
            ready!(this.poll_fill(cx))?;
        }
        let Some(piece) = &this.buffer else { return Poll::Ready(Ok(())) };
        let count = buffer.remaining().min(this.end - this.next);
        buffer.put_slice(&piece[this.next..this.next + count]);
        this.next += count;
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
        assert!(near.buffer.is_none() && !near.is_ahead());
    }
}
