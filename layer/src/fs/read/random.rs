//! Reads that do not stream: exactly what is needed, in whole units of 128 KiB.
//!
//! The last few units stay with the open file: the kernel often asks for the next pages of one of them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::cache::{Block, Source};
use super::pool::Charge;

/// Bytes of a unit.
const UNIT: u64 = 128 << 10;
/// Most blocks that are kept.
const KEPT: usize = 8;

/// The blocks that were read last, oldest first.
#[derive(Debug, Default)]
pub struct Recent(VecDeque<Arc<Block>>);

impl Recent {
    /// The block that holds this range.
    pub fn find(&self, range: &Range<u64>) -> Option<Arc<Block>> {
        self.0.iter().find(|block| holds(block, range)).cloned()
    }

    /// Fetches whole units, and keeps them.
    pub fn fetch(&mut self, source: &Arc<Source>, units: Range<u64>, charge: Charge) -> Arc<Block> {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        let block = source.exact(units, charge);
        self.0.push_back(Arc::clone(&block));
        block
    }

    /// Drops what is kept.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// True if a block has, or will have, all of a range.
pub(super) fn holds(block: &Block, range: &Range<u64>) -> bool {
    block.range().start <= range.start && range.end <= block.range().end && !block.has_failed()
}

/// The whole units that hold a range.
pub(super) fn units(range: &Range<u64>, size: u64) -> Range<u64> {
    range.start / UNIT * UNIT..range.end.next_multiple_of(UNIT).min(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_whole_units() {
        assert_eq!(units(&(1..2), 1 << 30), 0..UNIT);
        assert_eq!(units(&(UNIT..2 * UNIT), 1 << 30), UNIT..2 * UNIT);
        assert_eq!(units(&(UNIT - 1..UNIT + 1), 1 << 30), 0..2 * UNIT);
        assert_eq!(units(&(5..7), 10), 0..10);
    }
}
