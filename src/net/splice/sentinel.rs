//! A region of zeros whose addresses say: here goes content that is moved by other means.

use super::Slot;
use bytes::Bytes;
use std::sync::LazyLock;

/// Bytes of the region, hence of the largest frame. Nobody reads or writes them, so that they cost no memory.
const REGION: usize = 16 * 1024 * 1024;

static ZEROS: LazyLock<&'static [u8]> = LazyLock::new(|| vec![0; REGION].leak());

/// So many bytes of content, for hyper to account for. Dropped early, it says so to the slot.
pub(in crate::net) struct Sentinel {
    left: u64,
    slot: Slot,
}

impl Sentinel {
    pub(super) fn new(size: u64, slot: Slot) -> Sentinel {
        Sentinel { left: size, slot }
    }

    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn next(&mut self) -> Option<Bytes> {
        let count = usize::try_from(self.left).map_or(REGION, |left| left.min(REGION));
        self.left -= count as u64;
        self.slot.promise(count);
        (count > 0).then(|| Bytes::from_static(&ZEROS[..count]))
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if self.left > 0 {
            self.slot.unload();
        }
    }
}

/// Does this slice stand for content? Empty slices stand for nothing.
pub(super) fn is_in(slice: &[u8]) -> bool {
    !slice.is_empty() && ZEROS.as_ptr_range().contains(&slice.as_ptr())
}
