//! Which blobs go first.

use std::collections::BinaryHeap;
use std::path::PathBuf;
use std::time::SystemTime;

/// Blobs that are evicted after one look at the folder: their names are held in memory.
const EVICTED: usize = 8192;

/// A blob, ordered by when it was last read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::spool) struct Entry {
    pub(in crate::spool) read: SystemTime,
    pub(in crate::spool) size: u64,
    pub(in crate::spool) path: PathBuf,
}

/// Number and bytes of all, and those that were not read for longest.
#[derive(Default)]
pub(in crate::spool) struct Oldest {
    pub(in crate::spool) files: u64,
    pub(in crate::spool) bytes: u64,
    pub(in crate::spool) heap: BinaryHeap<Entry>,
}

impl Oldest {
    pub(in crate::spool) fn add(&mut self, entry: Entry) {
        self.files += 1;
        self.bytes += entry.size;
        if self.heap.len() < EVICTED {
            self.heap.push(entry);
        } else if self.heap.peek().is_some_and(|youngest| entry < *youngest) {
            self.heap.pop();
            self.heap.push(entry);
        }
    }
}
