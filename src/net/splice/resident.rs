//! From a file to a client without a copy (sendfile(2)), for as far as the file is in memory.
//!
//! Reading a disk must not hold up a thread that serves: what is not in the page cache comes in frames, which are read
//! elsewhere, and the kernel reads ahead of them. [`Resident`] looks at the first and the last byte of each [`STEP`],
//! which is what the kernel reads ahead, and hence at a sample. So a thread may still wait for the disk, but only for pages that were
//! alone in leaving the cache or left it since they were looked at, and for no more than [`CHUNK`] at a time.

use rustix::fs::{FsWord, fstatfs, sendfile};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::AsFd;

/// Most bytes that are looked for, and sent, at once.
const CHUNK: u64 = 1024 * 1024;
/// Bytes for each two that are looked at: the kernel reads ahead by so many (`read_ahead_kb`).
const STEP: u64 = 128 * 1024;

/// The file system that lies in memory (statfs(2)).
const TMPFS: FsWord = 0x0102_1994;

/// Up to where a file is in memory.
#[derive(Default)]
pub(super) struct Resident(u64);

impl Resident {
    /// How many of `bytes`, counted from their start, may be sent without waiting for the disk; none when the first one
    /// is not in memory, or when the file cannot say.
    pub(super) fn of(&mut self, file: &File, bytes: Range<u64>) -> u64 {
        let end = bytes.end.min(bytes.start + CHUNK);
        // Not asked again before it has been used up.
        if !(bytes.start..=bytes.start + CHUNK).contains(&self.0) {
            self.0 = bytes.start;
        }
        if self.0 == bytes.start {
            while self.0 < end {
                let next = end.min(self.0 + STEP);
                // What is read ahead begins and ends anywhere.
                if !is_resident(file, self.0) || !is_resident(file, next - 1) {
                    break;
                }
                self.0 = next;
            }
        }
        self.0.min(end) - bytes.start
    }
}

/// Can this byte be read at once? The end of the file cannot. A file system that does not say might be slow, unless it
/// is memory.
fn is_resident(file: &File, at: u64) -> bool {
    let mut byte = [0];
    match preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) {
        Ok(count) => count > 0,
        Err(Errno::OPNOTSUPP) => fstatfs(file).is_ok_and(|system| system.f_type == TMPFS),
        Err(_) => false,
    }
}

/// Sends at most `count` bytes of `file`; 0 when it ends before `at`.
pub(super) fn send(to: impl AsFd, file: &File, mut at: u64, count: u64) -> io::Result<usize> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    loop {
        match sendfile(&to, file, Some(&mut at), count) {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use rustix::fs::{Advice, fadvise};

    #[test]
    fn what_is_on_disk_alone_is_not_resident() {
        const SIZE: u64 = 3 * 1024 * 1024;
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        std::fs::write(&path, vec![7; SIZE as usize]).unwrap();
        let file = File::open(&path).unwrap();
        let of = |range| Resident::default().of(&file, range);
        assert_eq!((of(0..SIZE), of(10..20), of(SIZE - 1..SIZE)), (CHUNK, 10, 1));
        assert_eq!(of(SIZE..SIZE + 10), 0, "there is nothing behind the end");
        file.sync_all().unwrap();
        let in_memory = fstatfs(&file).unwrap().f_type == TMPFS;
        let expected = if in_memory { CHUNK } else { 0 };
        // The kernel takes this as advice: pages that it has just put down stay for a moment.
        let dropped = (0..10_000).any(|_| {
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            let found = of(CHUNK..SIZE);
            std::thread::yield_now();
            found == expected
        });
        assert!(dropped, "it would have to be read from disk");
        let mut begun = Resident(CHUNK);
        assert_eq!(begun.of(&file, 100..SIZE), CHUNK - 100, "what has been looked at is not looked at again");
    }
}
