//! A set of byte ranges: which bytes of a file are here, or are changed.

use std::collections::BTreeMap;
use std::ops::Range;

/// Byte ranges that neither overlap nor touch, by their start. An empty range is never in the set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range and joins it with what it overlaps or touches.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        // The last range that starts at or before the new end, again and again, until it ends before the new start.
        while let Some((&from, &to)) = self.0.range(..=end).next_back() {
            if to < start {
                break;
            }
            self.0.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.0.insert(start, end);
    }

    /// Takes away all bytes from `offset` on.
    pub fn truncate(&mut self, offset: u64) {
        self.0.split_off(&offset);
        if let Some(mut last) = self.0.last_entry()
            && *last.get() > offset
        {
            *last.get_mut() = offset;
        }
    }

    /// Empties the set.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether the set holds no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of ranges, which is what the set costs in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|(&start, &end)| start..end)
    }

    /// The parts of `range` that are not in the set, in order; none of a range that ends before it starts.
    #[must_use]
    pub fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        if range.is_empty() {
            return gaps;
        }
        let mut at = range.start;
        let before = self.0.range(..range.start).next_back();
        for (&start, &end) in before.into_iter().chain(self.0.range(range.start..range.end)) {
            if at < start {
                gaps.push(at..start);
            }
            at = at.max(end);
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // Sets of one range are meant.
mod tests {
    use super::*;
    use crate::fs::write::model::Random;

    fn set(ranges: &[Range<u64>]) -> Ranges {
        let mut set = Ranges::default();
        ranges.iter().for_each(|range| set.insert(range.clone()));
        set
    }

    #[test]
    fn touching_ranges_become_one() {
        assert_eq!(set(&[0..4, 8..12, 4..8]).iter().collect::<Vec<_>>(), [0..12]);
        assert_eq!(set(&[0..4, 6..8, 3..7]).iter().collect::<Vec<_>>(), [0..8]);
        assert_eq!(set(&[2..4, 0..9]).len(), 1);
        assert!(set(&[3..3]).is_empty());
    }

    #[test]
    fn gaps_are_what_a_range_lacks() {
        let set = set(&[2..4, 6..8]);
        assert_eq!(set.gaps(0..10), [0..2, 4..6, 8..10]);
        assert_eq!(set.gaps(3..7), [4..6]);
        assert_eq!(set.gaps(2..4), []);
        assert_eq!(set.gaps(5..5), []);
    }

    #[test]
    fn a_set_is_what_a_table_of_bits_is() {
        let mut random = Random::seeded(7);
        for _ in 0..300 {
            let mut set = Ranges::default();
            let mut bits = [false; 64];
            for _ in 0..20 {
                let (a, b) = (random.below(65), random.below(65));
                let range = a.min(b)..a.max(b);
                if random.below(5) == 0 {
                    set.truncate(range.start);
                    bits[range.start as usize..].fill(false);
                } else {
                    set.insert(range.clone());
                    bits[range.start as usize..range.end as usize].fill(true);
                }
                let mut seen = [true; 64];
                for gap in set.gaps(0..64) {
                    assert!(!gap.is_empty());
                    seen[gap.start as usize..gap.end as usize].fill(false);
                }
                assert_eq!(seen, bits);
                let all: Vec<_> = set.iter().collect();
                assert!(all.windows(2).all(|pair| pair[0].end < pair[1].start), "{all:?}");
            }
        }
    }
}
