//! How a file is cut into the parts of an upload.
//!
//! S3 allows 10 000 parts of 5 MiB to 5 GiB (the last may be smaller) and 5 TiB in all. A part is in memory while it
//! is sent, so parts are small as long as the file is: 1000 of 8 MiB, 1000 of 32 MiB, 1000 of 128 MiB, and the rest
//! as large as 5 TiB needs. Where memory allows less, the steps stop there and so does the largest file.

use std::ops::Range;

/// One MiB.
pub const MIB: u64 = 1 << 20;
/// What a file may have to be sent by one PUT, and the size of the first parts.
pub const FIRST_PART: u64 = 8 * MIB;
/// The smallest part that may be followed by another.
pub const SMALLEST_PART: u64 = 5 * MIB;
/// The largest range that one UploadPartCopy takes.
pub const LARGEST_PART: u64 = 5 << 30;
/// Parts of one upload.
pub const MOST_PARTS: u64 = 10_000;
/// The largest object.
pub const LARGEST_OBJECT: u64 = 5 << 40;

/// Parts of each size but the last.
const STEP: u64 = 1000;
/// Sizes of the parts, each for [`STEP`] of them, the last for all that remain. The last is what 5 TiB needs.
const SIZES: [u64; 4] = [FIRST_PART, 32 * MIB, 128 * MIB, 736 * MIB];

/// The sizes of parts for files of unknown length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    largest: u64,
}

impl Plan {
    /// A plan whose parts have `memory` bytes at most; less than [`FIRST_PART`] is taken as that.
    #[must_use]
    pub fn within(memory: u64) -> Self {
        Self { largest: memory.max(FIRST_PART) }
    }

    /// The size of part `number`, which counts from 1.
    #[must_use]
    pub fn size(self, number: u64) -> u64 {
        let step = (number.saturating_sub(1) / STEP).min(SIZES.len() as u64 - 1);
        SIZES[step as usize].min(self.largest)
    }

    /// The largest file that the plan can send.
    #[must_use]
    pub fn largest_file(self) -> u64 {
        let steps = SIZES.len() as u64 - 1;
        let first: u64 = (0..steps).map(|step| STEP * self.size(step * STEP + 1)).sum();
        let rest = (MOST_PARTS - steps * STEP) * self.size(MOST_PARTS);
        (first + rest).min(LARGEST_OBJECT)
    }
}

/// A part of an object that is put together from an older one and from bytes of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The bytes are the older object's, at the same place: the server copies them.
    Copy(Range<u64>),
    /// The bytes are sent.
    Send(Range<u64>),
}

impl Piece {
    /// The bytes of the new object that this is.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        let (Self::Copy(range) | Self::Send(range)) = self;
        range.clone()
    }
}

/// Cuts an object of `size` bytes in pieces. `kept` are the ranges of the older object that are the same in the new
/// one, in order. Each piece has the size that S3 asks of a part; what is kept but too short for a copy is sent, and
/// so the caller must have those bytes or fetch them.
///
/// Pieces that are sent have about `part` bytes, or more where [`MOST_PARTS`] ask for it.
#[must_use]
pub fn pieces(size: u64, kept: &[Range<u64>], part: u64) -> Vec<Piece> {
    let part = part.max(FIRST_PART).max(size.div_ceil(MOST_PARTS / 2));
    // At most a thousand copies, so at most as many gaps between them, each with one part more than its size asks.
    let shortest_copy = SMALLEST_PART.max(size.div_ceil(MOST_PARTS / 10));
    let mut pieces = Vec::new();
    let mut sent_from = 0;
    for range in kept {
        // What is to be sent before this copy must not be a short part: it takes what lacks from the copy.
        let lead = range.start - sent_from;
        let from = if lead == 0 { range.start } else { sent_from + lead.max(SMALLEST_PART) };
        let end = range.end.min(size);
        if from >= end || end - from < shortest_copy {
            continue;
        }
        cut(sent_from..from, part, |range| pieces.push(Piece::Send(range)));
        cut(from..end, LARGEST_PART, |range| pieces.push(Piece::Copy(range)));
        sent_from = end;
    }
    cut(sent_from..size, part, |range| pieces.push(Piece::Send(range)));
    pieces
}

/// Cuts a range in equal parts of about `size` bytes, [`FIRST_PART`] or more: at most a quarter more than that, and
/// at least [`SMALLEST_PART`] unless the range is shorter.
pub(crate) fn cut(range: Range<u64>, size: u64, mut each: impl FnMut(Range<u64>)) {
    let len = range.end - range.start;
    let mut count = len.div_ceil(size);
    if count > 1 && len / count < SMALLEST_PART {
        count -= 1;
    }
    let mut start = range.start;
    for n in 1..=count {
        let end = range.start + (u128::from(len) * u128::from(n) / u128::from(count)) as u64;
        each(start..end);
        start = end;
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // Sets of one range are meant.
mod tests {
    use super::*;
    use crate::fs::write::model::Random;

    #[test]
    fn five_tebibytes_fit_in_ten_thousand_parts() {
        let plan = Plan::within(u64::MAX);
        let sum: u64 = (1..=MOST_PARTS).map(|number| plan.size(number)).sum();
        assert!(sum >= LARGEST_OBJECT, "{sum}");
        assert_eq!(plan.largest_file(), LARGEST_OBJECT);
    }

    #[test]
    fn parts_grow_by_steps_of_a_thousand() {
        let plan = Plan::within(u64::MAX);
        for (number, mib) in
            [(1, 8), (1000, 8), (1001, 32), (2000, 32), (2001, 128), (3001, 736), (10_000, 736)]
        {
            assert_eq!(plan.size(number), mib * MIB, "part {number}");
        }
    }

    #[test]
    fn little_memory_means_small_parts_and_a_smaller_largest_file() {
        let plan = Plan::within(32 * MIB);
        assert!((1..=MOST_PARTS).all(|number| plan.size(number) <= 32 * MIB));
        assert_eq!(plan.largest_file(), 1000 * 8 * MIB + 9000 * 32 * MIB);
        assert_eq!(Plan::within(0).size(1), FIRST_PART);
    }

    /// The sizes S3 asks for, all bytes once and in order, copies only of what is kept.
    fn check(size: u64, kept: &[Range<u64>], part: u64) -> Vec<Piece> {
        let pieces = pieces(size, kept, part);
        let mut at = 0;
        for (n, piece) in pieces.iter().enumerate() {
            let range = piece.range();
            assert_eq!(range.start, at);
            at = range.end;
            let len = range.end - range.start;
            assert!(len <= LARGEST_PART && len > 0, "{piece:?}");
            assert!(n + 1 == pieces.len() || len >= SMALLEST_PART, "{piece:?} of {size}, {kept:?}");
            if let Piece::Copy(range) = piece {
                assert!(kept.iter().any(|kept| kept.start <= range.start && range.end <= kept.end));
            }
        }
        assert_eq!(at, size);
        assert!(pieces.len() as u64 <= MOST_PARTS);
        pieces
    }

    #[test]
    fn an_append_copies_the_object_and_sends_the_rest() {
        let old = 100 * MIB;
        let pieces = check(old + 10, std::slice::from_ref(&(0..old)), FIRST_PART);
        assert_eq!(pieces, [Piece::Copy(0..old), Piece::Send(old..old + 10)]);
    }

    #[test]
    fn a_short_lead_takes_its_bytes_from_the_copy() {
        let pieces = check(100 * MIB, &[4096..100 * MIB], FIRST_PART);
        assert_eq!(pieces, [Piece::Send(0..SMALLEST_PART), Piece::Copy(SMALLEST_PART..100 * MIB)]);
    }

    #[test]
    fn a_large_object_is_copied_in_ranges_of_five_gibibytes_at_most() {
        let pieces = check(12 << 30, std::slice::from_ref(&(0..(12 << 30))), FIRST_PART);
        assert_eq!(pieces.len(), 3);
    }

    #[test]
    fn the_largest_object_can_be_sent_whole() {
        check(LARGEST_OBJECT, &[], FIRST_PART);
    }

    #[test]
    fn any_file_is_cut_as_s3_asks() {
        let mut random = Random::seeded(3);
        for _ in 0..5000 {
            let size = random.below(200 * MIB) + 1;
            let mut kept = Vec::new();
            let mut at = random.below(20 * MIB);
            while at < size {
                let end = at + 1 + random.below(30 * MIB);
                kept.push(at..end.min(size));
                at = end + 1 + random.below(8 * MIB);
            }
            check(size, &kept, FIRST_PART);
        }
    }

    #[test]
    fn a_chequered_file_stays_below_ten_thousand_parts() {
        let kept: Vec<_> = (0..50_000).map(|n| n * 12 * MIB..(n * 12 + 6) * MIB).collect();
        check(600_000 * MIB, &kept, FIRST_PART);
    }
}
