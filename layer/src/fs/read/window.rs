//! Where a file is read, and how far ahead is worth it. Pure: no clock, no data.
//!
//! A *run* is a sequence of reads that go forward, with holes of up to `SLACK` and out of order by up to `DISORDER`:
//! the kernel reads ahead in several requests at once, which reach us in any order. A run that began at the start of the file streams at once; another one when it has
//! gone on for `PROOF` in at least two reads. Until then every read is answered with exactly what it needs.
//!
//! A stream reads four times as far ahead as it has come, so what is fetched and never used is bounded by what was
//! used, and the window is wide after few round trips.

use std::ops::Range;

/// The largest hole in a run, in bytes.
const SLACK: u64 = 1 << 20;
/// How far a read of a stream may be behind the furthest one, in bytes.
const DISORDER: u64 = 8 << 20;
/// What is kept behind the furthest read, in bytes; a narrow window keeps a quarter of its share.
const BEHIND: u64 = 4 << 20;
/// Bytes after which a run in the middle of a file is believed.
const PROOF: u64 = 256 << 10;
/// Boundary at which fetches of a stream end.
const GRID: u64 = 1 << 20;
/// Most bytes of one fetch of a stream.
const PART: u64 = 8 << 20;
/// Most bytes a stream is ahead.
const WIDEST: u64 = 128 << 20;
/// Times what was read.
const GROWTH: u64 = 4;

/// What to do about a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It belongs to a stream: fetch these ranges, in order; what is before them is fetched already.
    Stream(Vec<Range<u64>>),
    /// Fetch what it needs, and nothing else.
    Exact,
}

/// The reads of one open file.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// End of the furthest read of the run.
    position: u64,
    /// Bytes read in this run.
    run: u64,
    reads: u32,
    streams: bool,
    /// End of what is fetched for the stream.
    ahead: u64,
}

impl Window {
    /// Notes a read of a file of `size` bytes, which may be `share` bytes ahead.
    pub fn read(&mut self, range: &Range<u64>, size: u64, share: u64) -> Step {
        if !self.continues(range) {
            *self = Self {
                position: range.start,
                ahead: range.start,
                streams: range.start == 0,
                ..Self::default()
            };
        }
        self.run += range.end - range.start;
        self.reads += 1;
        if !self.streams && self.reads >= 2 && self.run >= PROOF {
            self.streams = true;
            self.ahead = range.start;
        }
        self.position = self.position.max(range.end);
        if self.streams { Step::Stream(self.fetch(range, size, share)) } else { Step::Exact }
    }

    /// What is fetched for the stream ends here: the rest could not be.
    pub fn cut(&mut self, ahead: u64) {
        self.ahead = self.ahead.min(ahead);
    }

    /// The last read began a run: what was fetched for another one is of no use any more.
    pub fn is_new(&self) -> bool {
        self.reads == 1
    }

    /// What is before this is not expected to be read again.
    pub fn behind(&self, share: u64) -> u64 {
        self.position.saturating_sub(BEHIND.min(share / 4).max(SLACK))
    }

    fn continues(&self, range: &Range<u64>) -> bool {
        let reach = self.ahead.max(self.position) + SLACK;
        let back = if self.streams { DISORDER } else { SLACK };
        self.reads > 0 && (self.position.saturating_sub(back)..=reach).contains(&range.start)
    }

    fn fetch(&mut self, range: &Range<u64>, size: u64, share: u64) -> Vec<Range<u64>> {
        let width = (self.run * GROWTH).clamp(GRID, WIDEST.min(share).max(GRID));
        let part = (width / 4 / GRID * GRID).clamp(GRID, PART);
        let needed = range.end.next_multiple_of(GRID).min(size);
        let wanted = ((self.position + width) / GRID * GRID).min(size);
        // One fetch of a whole part rather than one for every read.
        let until = if wanted == size || wanted.saturating_sub(self.ahead) >= part { wanted } else { needed };
        let until = until.max(needed);
        if range.start > self.ahead + SLACK {
            self.ahead = range.start;
        }
        let mut fetches = Vec::new();
        while self.ahead < until {
            let end = ((self.ahead + part) / GRID * GRID).min(until);
            fetches.push(self.ahead..end);
            self.ahead = end;
        }
        fetches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    /// Reads in order from `start`; all that is fetched, in order.
    fn stream(start: u64, step: u64, count: u64, size: u64, share: u64) -> Vec<Range<u64>> {
        let mut window = Window::default();
        let reads = (0..count).map(|n| start + n * step..(start + (n + 1) * step).min(size));
        reads
            .filter(|read| read.start < size)
            .flat_map(|read| match window.read(&read, size, share) {
                Step::Stream(fetches) => fetches,
                Step::Exact => Vec::new(),
            })
            .collect()
    }

    #[track_caller]
    fn is_gapless(fetches: &[Range<u64>], from: u64, to: u64) {
        assert_eq!(fetches.first().map(|range| range.start), Some(from));
        assert_eq!(fetches.last().map(|range| range.end), Some(to));
        assert!(fetches.windows(2).all(|pair| pair[0].end == pair[1].start), "{fetches:?}");
        assert!(fetches.iter().all(|range| range.end - range.start <= PART), "{fetches:?}");
    }

    #[test]
    fn a_stream_fetches_everything_once() {
        for step in [4 * KIB, 128 * KIB, MIB, 3 * MIB] {
            for size in [1, 100 * KIB, MIB, 5 * MIB + 7, 300 * MIB] {
                is_gapless(&stream(0, step, size.div_ceil(step), size, 1 << 30), 0, size);
            }
        }
    }

    #[test]
    fn the_first_fetch_is_small_and_later_ones_are_large() {
        let fetches = stream(0, 128 * KIB, 8 * 300, 300 * MIB, 1 << 30);
        assert_eq!(fetches[0], 0..MIB);
        let large = fetches.iter().filter(|range| range.end - range.start == PART).count();
        assert!(large >= 30, "{large} of {}", fetches.len());
    }

    #[test]
    fn what_is_fetched_in_vain_is_bounded_by_what_is_read() {
        for read in [MIB, 4 * MIB, 16 * MIB] {
            let fetches = stream(0, 128 * KIB, read / (128 * KIB), 1 << 40, 1 << 30);
            let end = fetches.last().unwrap().end;
            assert!(end <= read * (GROWTH + 1) + MIB, "{read} read, {end} fetched");
        }
    }

    #[test]
    fn the_share_bounds_the_window() {
        let mut window = Window::default();
        let mut ahead = 0;
        for n in 0..800 {
            let read = n * 128 * KIB..(n + 1) * 128 * KIB;
            if let Step::Stream(fetches) = window.read(&read, 1 << 40, 4 * MIB) {
                ahead = fetches.last().map_or(ahead, |range| range.end);
            }
            assert!(ahead <= read.end + 5 * MIB);
        }
    }

    #[test]
    fn random_reads_are_exact() {
        let mut window = Window::default();
        let mut place = 12_345_u64;
        for _ in 0..1000 {
            place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let start = (place >> 20) % (1 << 40) + 4 * MIB;
            assert_eq!(window.read(&(start..start + 64 * KIB), 1 << 41, 1 << 30), Step::Exact);
        }
    }

    #[test]
    fn a_run_in_the_middle_becomes_a_stream() {
        let mut window = Window::default();
        let start = 777 * KIB + 500 * MIB;
        let size = 1 << 40;
        let read = |n: u64| start + n * 128 * KIB..start + (n + 1) * 128 * KIB;
        assert_eq!(window.read(&read(0), size, 1 << 30), Step::Exact);
        let Step::Stream(fetches) = window.read(&read(1), size, 1 << 30) else { panic!("no stream") };
        assert_eq!(fetches[0].start, read(1).start);
    }

    #[test]
    fn reads_out_of_order_and_holes_do_not_end_a_stream() {
        let mut window = Window::default();
        for n in [0, 2, 1, 3, 5, 4, 11, 6, 7, 8, 9, 10, 12, 14, 16, 15, 13] {
            let read = n * MIB / 2..(n + 1) * MIB / 2;
            assert!(matches!(window.read(&read, 1 << 30, 1 << 30), Step::Stream(_)), "{n}");
        }
    }

    #[test]
    fn what_could_not_be_fetched_is_asked_for_again_if_it_is_near() {
        for (cut, start) in [(7 * MIB / 2, 7 * MIB / 2), (MIB, 4 * MIB)] {
            let mut window = Window::default();
            window.read(&(0..4 * MIB), 1 << 30, 1 << 30);
            window.cut(cut);
            let Step::Stream(fetches) = window.read(&(4 * MIB..5 * MIB), 1 << 30, 1 << 30) else { panic!() };
            assert_eq!(fetches[0].start, start);
        }
    }
}
