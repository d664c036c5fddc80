//! Which digests may lead to a root: most blobs that are asked for are not ours, and need no look into the file.

use super::Key;
use std::sync::atomic::{AtomicU64, Ordering};

/// A Bloom filter over the keys of places. It never forgets one: what was swept from the file costs a look into it.
pub(super) struct Filter(Box<[AtomicU64]>);

/// 1 MiB: with a million places one question in forty is answered with a needless yes.
const BITS: usize = 1 << 23;

impl Filter {
    /// With nothing in it.
    pub(super) fn new() -> Filter {
        Filter((0..BITS / 64).map(|_| AtomicU64::new(0)).collect())
    }

    /// Notes a place. To be called before it is written, so that whoever reads it finds it here.
    pub(super) fn add(&self, place: &Key) {
        for (word, bit) in bits(place) {
            self.0[word].fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// May the place be in the file? Never no for one that is.
    pub(super) fn has(&self, place: &Key) -> bool {
        bits(place).all(|(word, bit)| self.0[word].load(Ordering::Relaxed) & bit != 0)
    }
}

/// Four bits of the filter. Keys are hashes, so that any of their bytes will do.
fn bits(place: &Key) -> impl Iterator<Item = (usize, u64)> {
    place.as_chunks::<4>().0.iter().take(4).map(|bytes| {
        let bit = u32::from_le_bytes(*bytes) as usize % BITS;
        (bit / 64, 1 << (bit % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::super::record::hash;
    use super::*;

    #[test]
    fn what_was_added_is_there_and_little_else() {
        let filter = Filter::new();
        let key = |n: usize| hash(n.to_le_bytes());
        (0..10_000).for_each(|n| filter.add(&key(n)));
        assert!((0..10_000).all(|n| filter.has(&key(n))));
        let wrong = (10_000..20_000).filter(|n| filter.has(&key(*n))).count();
        assert!(wrong < 10, "{wrong}");
    }
}
