//! Pipes, which splice(2) moves bytes through.

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A pipe and how much is in it.
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    size: usize,
    held: usize,
}

/// What may be in all pipes of a user without privileges is bounded (pipe(7), `pipe-user-pages-soft`: 64 MiB): few
/// streams get large ones, more get smaller ones, and the rest what the kernel gives.
const LARGE: (usize, usize) = (32, 1024 * 1024);
const MIDDLE: (usize, usize) = (128, 256 * 1024);
/// Most empty pipes kept for the next stream.
const SPARE: usize = 32;

static SPARES: Mutex<Vec<Pipe>> = Mutex::new(Vec::new());
static OPEN: AtomicUsize = AtomicUsize::new(0);

impl Pipe {
    /// An empty one.
    pub(super) fn take() -> io::Result<Pipe> {
        if let Some(pipe) = SPARES.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(pipe);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let open = OPEN.fetch_add(1, Ordering::Relaxed);
        let mut pipe = Pipe { read, write, size: 0, held: 0 };
        let wish = match open {
            open if open < LARGE.0 => Some(LARGE.1),
            open if open < MIDDLE.0 => Some(MIDDLE.1),
            _ => None,
        };
        let granted = wish.and_then(|wish| fcntl_setpipe_size(&pipe.write, wish).ok());
        pipe.size = match granted {
            Some(size) => size,
            None => fcntl_getpipe_size(&pipe.write)?,
        };
        Ok(pipe)
    }

    /// Gives an empty one back; one with bytes in it is closed.
    pub(super) fn give(self) {
        let mut spares = SPARES.lock().unwrap_or_else(PoisonError::into_inner);
        if self.held == 0 && spares.len() < SPARE {
            spares.push(self);
        }
    }

    /// Bytes in it.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Fills the empty pipe from a socket with at most `most` bytes; 0 at the end of the connection.
    pub(super) fn fill(&mut self, from: impl AsFd, most: u64) -> io::Result<usize> {
        let count = usize::try_from(most).map_or(self.size, |most| most.min(self.size));
        self.held = retry(|| splice(&from, None, &self.write, None, count, flags(false)))?;
        Ok(self.held)
    }

    /// Moves at most `most` of what it holds to a socket; `more` says that there is more to come.
    pub(super) fn drain(&mut self, to: impl AsFd, most: usize, more: bool) -> io::Result<usize> {
        let count = self.held.min(most);
        let moved = retry(|| splice(&self.read, None, &to, None, count, flags(more)))?;
        self.held -= moved;
        Ok(moved)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

fn flags(more: bool) -> SpliceFlags {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    if more { flags | SpliceFlags::MORE } else { flags }
}

fn retry(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}
