//! Room in the folder for what is being filled.

use super::Disk;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Room for a blob that is being filled; given back unless the blob is kept.
#[derive(Debug)]
pub(in crate::spool) struct Room {
    disk: Arc<Disk>,
    bytes: u64,
}

impl Room {
    /// None yet.
    pub(super) fn none(disk: Arc<Disk>) -> Room {
        Room { disk, bytes: 0 }
    }

    /// Room for `bytes` in all; is it to be had?
    pub(in crate::spool) fn cover(&mut self, bytes: u64) -> bool {
        let disk = &self.disk;
        if bytes > disk.max_size {
            return false;
        }
        let more = bytes.saturating_sub(self.bytes);
        self.bytes += more;
        disk.reserved.fetch_add(more, Ordering::Relaxed);
        disk.show();
        if disk.is_crowded() {
            disk.crowded.notify_one();
        }
        true
    }

    /// The blob is there to stay.
    pub(in crate::spool) fn keep(self) {
        self.disk.kept.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.disk.less(&self.disk.reserved, self.bytes);
    }
}
