//! How much has to lie in an upstream connection before a wait for it ends (socket(7), `SO_RCVLOWAT`).
//!
//! Each wake-up costs as much as moving a hundred kilobytes, so a fast stream is moved in large pieces. A slow one must
//! not wait for them: a piece is what comes in [`PIECE`], and what has lain there for [`PATIENCE`] is taken however
//! little it is. Close to the end of the content nothing is waited for, so that a connection that is given back, or has
//! nothing more to say, is as it was.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

const PIECE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_millis(50);
/// Bytes of the smallest and the largest piece. The kernel makes room for the largest, up to half of `tcp_rmem`.
const SMALLEST: u64 = 16 * 1024;
const LARGEST: u64 = 1024 * 1024;
/// Bytes that must be left behind a wait for more than one: no pipe takes that many at once, so that the last bytes of
/// a content are never taken before the socket has been set back.
pub(super) const NEAR: u64 = 2 * LARGEST;

/// What one connection waits for.
pub(super) struct Lowat {
    /// What the socket has.
    set: u64,
    /// What came since `since`.
    bytes: u64,
    since: Instant,
    /// When something last came.
    last: Instant,
    /// Armed by the first wait and again only when it fires.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Lowat {
    pub(super) fn new() -> Lowat {
        let now = Instant::now();
        Lowat { set: 1, bytes: 0, since: now, last: now, timer: None }
    }

    /// `left` bytes are still to come, some of which are about to be taken.
    pub(super) fn approach(&mut self, socket: impl AsFd, left: u64) {
        if left <= NEAR {
            self.set(&socket, 1);
        }
    }

    /// `count` bytes have been taken.
    pub(super) fn came(&mut self, count: usize) {
        self.bytes += count as u64;
    }

    /// Nothing can be taken now, and `left` bytes are still to come: decides for how many to wait. The task is woken
    /// when that has taken too long.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>, socket: impl AsFd, left: u64) {
        if left <= NEAR {
            return self.set(&socket, 1);
        }
        let now = Instant::now();
        if self.bytes > 0 {
            self.last = now;
            let piece = piece(self.bytes, now - self.since);
            // Another size is worth a system call when it is quite another.
            if let Some(piece) = piece
                && (piece > self.set * 2 || piece < self.set / 2)
            {
                self.set(&socket, piece);
            }
            if piece.is_some() {
                (self.bytes, self.since) = (0, now);
            }
        }
        while self.set > 1 {
            let due = self.last + PATIENCE;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            if due <= now {
                // The silence is not part of what is measured next.
                (self.bytes, self.since) = (0, now);
                return self.set(&socket, 1);
            }
            timer.as_mut().reset(due);
        }
    }

    /// What a socket refuses, it has not got: then every byte wakes us, as ever.
    fn set(&mut self, socket: &impl AsFd, bytes: u64) {
        if bytes != self.set && set(socket, bytes).is_ok() {
            self.set = bytes;
        }
    }
}

/// What comes in [`PIECE`] where `bytes` came in `time`; `None` before there is anything to be said.
fn piece(bytes: u64, time: Duration) -> Option<u64> {
    let rate = u128::from(bytes) * PIECE.as_nanos();
    let piece = (time >= PIECE).then(|| rate / time.as_nanos())?;
    let piece = u64::try_from(piece).map_or(LARGEST, |piece| piece.min(LARGEST));
    Some(if piece < SMALLEST { 1 } else { piece })
}

/// Neither rustix nor socket2 has this option.
#[allow(unsafe_code)]
fn set(socket: &impl AsFd, bytes: u64) -> io::Result<()> {
    let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    let size = size_of_val(&value) as libc::socklen_t;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is borrowed, so open; the kernel reads `size` bytes at the address of `value`, which is an
    // integer of that size and outlives the call, and writes nothing.
    let done = unsafe {
        libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, (&raw const value).cast(), size)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    #[test]
    fn a_piece_is_what_comes_in_two_milliseconds() {
        let piece = |bytes, millis| piece(bytes, Duration::from_millis(millis));
        assert_eq!(piece(1 << 20, 1), None, "too early");
        assert_eq!(piece(1 << 20, 2), Some(1 << 20));
        assert_eq!(piece(1 << 20, 8), Some(1 << 18));
        assert_eq!(piece(1 << 30, 2), Some(LARGEST));
        assert_eq!(piece(1024, 20), Some(1), "slow");
        assert_eq!(piece(u64::MAX, 2), Some(LARGEST));
    }
    /// Waits as a stream does: until then, or until this can be read.
    async fn wait(lowat: &mut Lowat, near: &TcpStream) {
        let until = |cx: &mut Context<'_>| {
            lowat.wait(cx, near, u64::MAX);
            near.poll_read_ready(cx)
        };
        let waited = tokio::time::timeout(Duration::from_secs(5), std::future::poll_fn(until));
        waited.await.expect("it does not wait for ever").unwrap();
    }

    #[tokio::test]
    async fn what_is_less_is_waited_for_and_not_for_long() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut lowat = Lowat::new();
        tokio::time::sleep(PIECE).await;
        lowat.came(1 << 30);
        far.write_all(&[7; 1000]).await.unwrap();
        let begun = Instant::now();
        wait(&mut lowat, &near).await;
        assert!(begun.elapsed() >= PATIENCE && lowat.set == 1, "{:?}", begun.elapsed());
        // A whole piece is not waited with.
        assert_eq!(near.try_read(&mut [0; 2000]).unwrap(), 1000);
        near.try_read(&mut [0]).unwrap_err();
        tokio::time::sleep(PIECE).await;
        lowat.came(1 << 30);
        let sending = tokio::spawn(async move {
            far.write_all(&[7; 3 * LARGEST as usize]).await.unwrap();
            far
        });
        let begun = Instant::now();
        wait(&mut lowat, &near).await;
        assert!(begun.elapsed() < PATIENCE && lowat.set == LARGEST, "{:?}", begun.elapsed());
        lowat.approach(&near, NEAR);
        assert_eq!(lowat.set, 1);
        drop(near);
        sending.abort();
    }
}
