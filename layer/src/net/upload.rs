//! The body of a request: pieces in memory, and a count of what the connection has taken of them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

/// What the connection takes at once. Small enough that progress shows on a slow line.
const PIECE: usize = 128 << 10;

/// A body of known length.
#[derive(Debug)]
pub(super) struct Upload {
    pieces: VecDeque<Bytes>,
    left: u64,
    taken: Arc<AtomicU64>,
}

impl Upload {
    pub(super) fn new(pieces: &[Bytes]) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces: pieces.iter().cloned().collect(), left, taken: Arc::default() }
    }

    /// Bytes the connection has taken so far; grows as long as the peer reads.
    pub(super) fn taken(&self) -> Arc<AtomicU64> {
        self.taken.clone()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while self.pieces.front().is_some_and(|piece| !piece.has_remaining()) {
            self.pieces.pop_front();
        }
        let Some(front) = self.pieces.front_mut() else { return Poll::Ready(None) };
        let piece = front.split_to(front.len().min(PIECE));
        self.left -= piece.len() as u64;
        self.taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
