//! The compressor of packed layers: gzip in blocks, several at a time.
//!
//! Each block of one mebibyte is deflated on its own and ends at a byte boundary (RFC 1951, 3.2.4: an empty stored
//! block), so blocks can be made in any order and put together in theirs. The result is one ordinary gzip member, and
//! depends on the content and the level alone, not on how many threads made it.

use flate2::{Compress, Compression, Crc, FlushCompress};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// Bytes deflated at a time. It is part of the format: another size gives other bytes.
const BLOCK: usize = 1 << 20;
/// RFC 1952, 2.3: deflate, no flags, no time, no hint, unknown system; so that equal content gives equal bytes.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The last deflate block, an empty one (RFC 1951, 3.2.3).
const END: [u8; 2] = [3, 0];

/// Compresses what `fill` writes into `sink`, at `level` 0 to 9, with `threads` threads beside the caller's.
/// Returns what `fill` returns, once everything is in `sink`; `failed` says what a failure of the sink is.
pub(super) fn gzip<W: Write, T, E>(
    sink: W,
    level: u32,
    threads: usize,
    fill: impl FnOnce(&mut Gzip<W>) -> Result<T, E>,
    failed: impl Fn(io::Error) -> E,
) -> Result<(T, W), E> {
    let (jobs, queue) = channel::<Job>();
    let queue = Arc::new(Mutex::new(queue));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let queue = queue.clone();
            scope.spawn(move || work(&queue, level));
        }
        let pending = VecDeque::with_capacity(2 * threads + 1);
        let block = Vec::with_capacity(BLOCK);
        let mut gzip = Gzip { sink, jobs, pending, block, crc: Crc::new(), size: 0, spare: Vec::new() };
        gzip.sink.write_all(&HEADER).map_err(&failed)?;
        let result = fill(&mut gzip)?;
        // The workers end when `jobs` is dropped with the rest.
        Ok((result, gzip.finish().map_err(&failed)?))
    })
}

/// Takes in bytes and hands them out by the block.
pub(super) struct Gzip<W> {
    sink: W,
    jobs: Sender<Job>,
    /// Blocks under way, in the order of the content; as many as it has room for.
    pending: VecDeque<Receiver<Done>>,
    block: Vec<u8>,
    /// Of everything in `sink`.
    crc: Crc,
    /// Bytes of content in `sink`, modulo 2^32 (RFC 1952, 2.3.1).
    size: u32,
    /// A buffer to use again.
    spare: Vec<Vec<u8>>,
}

struct Job {
    block: Vec<u8>,
    done: Sender<Done>,
}

struct Done {
    /// The block as it came.
    block: Vec<u8>,
    deflated: io::Result<Vec<u8>>,
    crc: Crc,
}

impl<W: Write> Gzip<W> {
    fn submit(&mut self) -> io::Result<()> {
        if self.pending.len() == self.pending.capacity() {
            self.collect()?;
        }
        let empty = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK));
        let block = std::mem::replace(&mut self.block, empty);
        let (done, result) = channel();
        self.jobs.send(Job { block, done }).map_err(|_| lost())?;
        self.pending.push_back(result);
        Ok(())
    }

    /// Writes the oldest block under way; `false` when there is none.
    fn collect(&mut self) -> io::Result<bool> {
        let Some(oldest) = self.pending.pop_front() else { return Ok(false) };
        let Done { mut block, deflated, crc } = oldest.recv().map_err(|_| lost())?;
        self.sink.write_all(&deflated?)?;
        self.crc.combine(&crc);
        self.size = self.size.wrapping_add(block.len() as u32);
        block.clear();
        self.spare.push(block);
        Ok(true)
    }

    fn finish(mut self) -> io::Result<W> {
        if !self.block.is_empty() {
            self.submit()?;
        }
        while self.collect()? {}
        self.sink.write_all(&END)?;
        self.sink.write_all(&self.crc.sum().to_le_bytes())?;
        self.sink.write_all(&self.size.to_le_bytes())?;
        self.sink.flush()?;
        Ok(self.sink)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        if self.block.len() == BLOCK {
            self.submit()?;
        }
        Ok(count)
    }

    /// Nothing leaves before a block is full: where blocks end must not depend on who flushes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Deflates blocks until there are no more.
fn work(queue: &Mutex<Receiver<Job>>, level: u32) {
    let mut compress = Compress::new(Compression::new(level.min(9)), false);
    loop {
        let job = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        let Ok(Job { block, done }) = job else { return };
        let mut crc = Crc::new();
        crc.update(&block);
        let deflated = deflate(&mut compress, &block);
        // Whoever no longer waits has failed already.
        let _ = done.send(Done { block, deflated, crc });
    }
}

/// One block, ended at a byte boundary.
fn deflate(compress: &mut Compress, block: &[u8]) -> io::Result<Vec<u8>> {
    compress.reset();
    let mut output = Vec::with_capacity(block.len() / 2 + 1024);
    loop {
        let rest = &block[compress.total_in() as usize..];
        compress.compress_vec(rest, &mut output, FlushCompress::Sync)?;
        // Room that is left over says that nothing waits inside.
        if compress.total_in() == block.len() as u64 && output.len() < output.capacity() {
            return Ok(output);
        }
        output.reserve(output.capacity() / 2);
    }
}

fn lost() -> io::Error {
    io::Error::other("a thread that compresses is gone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    fn run(content: &[u8], piece: usize, level: u32, threads: usize) -> Vec<u8> {
        let fill = |gzip: &mut Gzip<Vec<u8>>| {
            content.chunks(piece).try_for_each(|piece| gzip.write_all(piece))?;
            gzip.flush()
        };
        gzip(Vec::new(), level, threads, fill, |error| error).unwrap().1
    }

    /// Content that does not compress, content that does, and both.
    fn content(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut byte = |place: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if (place / 300_000).is_multiple_of(2) { (state >> 24) as u8 } else { (place % 50) as u8 }
        };
        (0..length).map(&mut byte).collect()
    }

    #[test]
    fn one_member_that_any_reader_reads() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 12_345] {
            let content = content(length);
            for level in [0, 1, 6] {
                let packed = run(&content, 70_000, level, 2);
                let mut read = Vec::new();
                let mut decoder = GzDecoder::new(&packed[..]);
                decoder.read_to_end(&mut read).unwrap();
                assert!(read == content, "{length} bytes at level {level}");
                assert!(decoder.into_inner().is_empty(), "nothing behind the member");
            }
        }
    }

    #[test]
    fn the_bytes_depend_on_the_content_alone() {
        let content = content(7 * BLOCK + 1);
        let one = run(&content, 1 << 16, 6, 1);
        assert!(one == run(&content, 999_999, 6, 4));
        assert!(one == run(&content, 3 << 20, 6, 2));
    }

    #[test]
    fn a_failure_ends_all_threads() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let content = content(9 * BLOCK);
        let failed = gzip(Full(BLOCK), 1, 2, |gzip| gzip.write_all(&content), |error| error);
        assert_eq!(failed.err().unwrap().kind(), io::ErrorKind::StorageFull);
        let fill = |gzip: &mut Gzip<Vec<u8>>| {
            gzip.write_all(&content)?;
            Err::<(), _>(io::ErrorKind::NotFound.into())
        };
        let failed = gzip(Vec::new(), 1, 2, fill, |error| error);
        assert_eq!(failed.err().unwrap().kind(), io::ErrorKind::NotFound);
    }
}
