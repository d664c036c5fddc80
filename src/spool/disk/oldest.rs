//! Which blobs go first.

use std::collections::BinaryHeap;
use std::path::PathBuf;
use std::time::SystemTime;

/// Blobs that are evicted after one look at the folder: their names are held in memory.
const EVICTED: usize = 8192;

/// A blob, ordered by when it was last read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) read: SystemTime,
    pub(super) size: u64,
    pub(super) path: PathBuf,
}

/// Bytes of all, and those that were not read for longest.
#[derive(Default)]
pub(super) struct Oldest {
    pub(super) bytes: u64,
    pub(super) heap: BinaryHeap<Entry>,
}

impl Oldest {
    pub(super) fn add(&mut self, entry: Entry) {
        self.bytes += entry.size;
        if self.heap.len() < EVICTED {
            self.heap.push(entry);
        } else if self.heap.peek().is_some_and(|youngest| entry < *youngest) {
            self.heap.pop();
            self.heap.push(entry);
        }
    }
}
