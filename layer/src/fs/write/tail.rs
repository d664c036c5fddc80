//! The end of a file that is written in order: bytes in memory that are not sent yet.

use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Writes of this size or more are kept as they came; smaller ones are put together.
const OWN_CHUNK: usize = 64 << 10;
const SMALLEST_CHUNK: usize = 4 << 10;
const LARGEST_CHUNK: usize = 1 << 20;

/// Bytes in order, added at the end and taken from the front.
#[derive(Debug, Default)]
pub struct Tail {
    chunks: Vec<Bytes>,
    open: BytesMut,
    len: u64,
}

impl Tail {
    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, data: Bytes) {
        self.len += data.len() as u64;
        if data.len() >= OWN_CHUNK {
            self.close();
            self.chunks.push(data);
            return;
        }
        if self.open.capacity() - self.open.len() < data.len() {
            self.close();
            // Grows with what is there: tiny files cost 4 KiB, long ones are few chunks.
            let room = (self.len as usize).clamp(SMALLEST_CHUNK, LARGEST_CHUNK).max(data.len());
            self.open = BytesMut::with_capacity(room);
        }
        self.open.extend_from_slice(&data);
    }

    /// Takes the first `count` bytes, or all.
    pub fn take(&mut self, count: u64) -> Vec<Bytes> {
        self.close();
        let count = count.min(self.len);
        let rest = slice(&self.chunks, count..self.len);
        let taken = slice(&self.chunks, 0..count);
        self.len -= count;
        self.chunks = rest;
        taken
    }

    /// All bytes; they stay here as well.
    pub fn all(&mut self) -> Vec<Bytes> {
        self.close();
        self.chunks.clone()
    }

    /// The bytes of a range that lies within.
    pub fn read(&mut self, range: Range<u64>) -> Vec<Bytes> {
        self.close();
        slice(&self.chunks, range)
    }

    /// Drops all bytes from `len` on.
    pub fn truncate(&mut self, len: u64) {
        self.close();
        self.chunks = slice(&self.chunks, 0..len.min(self.len));
        self.len = len.min(self.len);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            // The room that is left stays with `open` for the next bytes.
            self.chunks.push(self.open.split().freeze());
        }
    }
}

/// The parts of `chunks` that make up `range`, sharing their memory.
pub(crate) fn slice(chunks: &[Bytes], range: Range<u64>) -> Vec<Bytes> {
    let mut out = Vec::new();
    let mut at = 0;
    for chunk in chunks {
        let end = at + chunk.len() as u64;
        let (from, to) = (range.start.max(at), range.end.min(end));
        if from < to {
            out.push(chunk.slice((from - at) as usize..(to - at) as usize));
        }
        at = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::write::model::Random;

    #[test]
    fn a_tail_is_what_a_vector_is() {
        let mut random = Random::seeded(11);
        for _ in 0..50 {
            let (mut tail, mut model) = (Tail::default(), Vec::new());
            for _ in 0..40 {
                match random.below(8) {
                    0 => {
                        let count = random.below(model.len() as u64 + 10);
                        let taken = tail.take(count).concat();
                        let rest = model.split_off(model.len().min(count as usize));
                        assert_eq!(taken, model);
                        model = rest;
                    }
                    1 => {
                        let len = random.below(model.len() as u64 + 10);
                        tail.truncate(len);
                        model.truncate(len as usize);
                    }
                    2 => assert_eq!(tail.all().concat(), model),
                    3 => {
                        let end = random.below(model.len() as u64 + 1);
                        let start = random.below(end + 1);
                        assert_eq!(tail.read(start..end).concat(), model[start as usize..end as usize]);
                    }
                    size => {
                        let len = if size == 4 { OWN_CHUNK } else { random.below(3000) as usize };
                        let data = random.bytes(len);
                        model.extend_from_slice(&data);
                        tail.push(data.into());
                    }
                }
                assert_eq!(tail.len(), model.len() as u64);
            }
        }
    }

    #[test]
    fn small_writes_share_chunks() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push(Bytes::from_static(&[7; 100]));
        }
        assert!(tail.all().len() < 10);
    }
}
