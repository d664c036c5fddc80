//! Pipes, which splice(2) moves bytes through.

use crate::telemetry::names;
use metrics::gauge;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pipes for all contents that are under way. Empty ones are kept for the next content.
#[derive(Debug)]
pub struct Pipes {
    most: usize,
    open: AtomicUsize,
    spare: Mutex<Vec<Pipe>>,
}

/// A pipe and how much is in it.
#[derive(Debug)]
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
const SPARE: usize = 256;

impl Pipes {
    /// At most `most` at a time, each of which is two open files.
    pub fn new(most: usize) -> Arc<Pipes> {
        Arc::new(Pipes { most, open: AtomicUsize::new(0), spare: Mutex::default() })
    }

    /// An empty one. An error when there are as many as there may be.
    pub(super) fn take(&self) -> io::Result<Pipe> {
        if let Some(pipe) = self.spare().pop() {
            return Ok(pipe);
        }
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let pipe = if open < self.most { Pipe::open(open) } else { Err(io::ErrorKind::QuotaExceeded.into()) };
        match &pipe {
            Ok(_) => gauge!(names::PIPES).increment(1.0),
            Err(_) => _ = self.open.fetch_sub(1, Ordering::Relaxed),
        }
        pipe
    }

    /// Takes an empty one back; one with bytes in it is closed.
    pub(super) fn give(&self, pipe: Pipe) {
        let mut spare = self.spare();
        if pipe.held == 0 && spare.len() < SPARE {
            spare.push(pipe);
            return;
        }
        drop(spare);
        drop(pipe);
        self.open.fetch_sub(1, Ordering::Relaxed);
        gauge!(names::PIPES).decrement(1.0);
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Pipe>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        gauge!(names::PIPES).decrement(self.spare().len() as f64);
    }
}

impl Pipe {
    /// One beside `open` others.
    fn open(open: usize) -> io::Result<Pipe> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let wish = match open {
            open if open < LARGE.0 => Some(LARGE.1),
            open if open < MIDDLE.0 => Some(MIDDLE.1),
            _ => None,
        };
        let granted = wish.and_then(|wish| fcntl_setpipe_size(&write, wish).ok());
        let size = match granted {
            Some(size) => size,
            None => fcntl_getpipe_size(&write)?,
        };
        Ok(Pipe { read, write, size, held: 0 })
    }

    /// Bytes in it.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Fills the empty pipe from a socket with at most `most` bytes; 0 at the end of the connection.
    pub(super) fn fill(&mut self, from: impl AsFd, most: u64) -> io::Result<usize> {
        let count = usize::try_from(most).map_or(self.size, |most| most.min(self.size));
        self.held = retry(|| splice(&from, None, &self.write, None, count, FLAGS))?;
        Ok(self.held)
    }

    /// Moves at most `most` of what it holds to a socket.
    pub(super) fn drain(&mut self, to: impl AsFd, most: usize) -> io::Result<usize> {
        let count = self.held.min(most);
        let moved = retry(|| splice(&self.read, None, &to, None, count, FLAGS))?;
        self.held -= moved;
        Ok(moved)
    }
}

/// Not `MORE`: what comes next may be long in coming, and the kernel would keep the last bytes for it.
const FLAGS: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

fn retry(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}
