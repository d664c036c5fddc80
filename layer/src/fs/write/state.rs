//! What becomes of one file's bytes: the decisions, without the bytes.
//!
//! ```text
//!            write at the end of a small object, or of nothing
//!   CLEAN ────────────────────────────────────────────────────▶ STREAMING
//!     ▲  ◀──────────────────────────────────────────────────────    │
//!     │          upload finished, or last handle released           │ anything but the next byte,
//!     │                                                             │ or a byte that left memory is wanted
//!     └───────────────────────── STAGED ◀───────────────────────────┘
//!       last handle released              also from CLEAN, by any other write
//! ```
//!
//! Truncation to nothing leads from everywhere to STREAMING.

use std::ops::Range;

use super::parts::SMALLEST_PART;

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// In the object, and nowhere else.
    Clean,
    /// Written in order: the first `sent` are parts of an upload that is not finished, the rest is in memory.
    Streaming {
        /// Bytes that have left memory.
        sent: u64,
    },
    /// In a staging file, and in the object where the staging file has no bytes.
    Staged,
}

/// Where an operation finds its bytes. What the file is not yet must be made first: [`State::enter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In the object.
    Object,
    /// In memory, at the end of what was streamed.
    Tail,
    /// In memory, once the whole of the small object has been fetched.
    LoadedTail,
    /// In a staging file.
    Staging,
}

/// How a new length is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    /// The file has that length.
    Nothing,
    /// All bytes and the unfinished upload are dropped.
    Restart,
    /// In this place.
    In(Home),
}

/// What makes the object what the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It is.
    Nothing,
    /// One PUT of the bytes in memory.
    Put,
    /// The last part and the end of the upload.
    Finish,
    /// The staging file's changes over the object.
    Patch,
}

/// One file. See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    phase: Phase,
    size: u64,
    dirty: bool,
}

impl State {
    /// A file that is no object yet. It becomes one even if nothing is written.
    #[must_use]
    pub fn created() -> Self {
        Self { phase: Phase::Streaming { sent: 0 }, size: 0, dirty: true }
    }

    /// An object of `size` bytes.
    #[must_use]
    pub fn of_object(size: u64) -> Self {
        Self { phase: Phase::Clean, size, dirty: false }
    }

    /// Where the bytes are.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The length of the file, which its object may not have yet.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the object is not what the file is.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.dirty
    }

    /// Where bytes at `offset` are written.
    #[must_use]
    pub fn write(&self, offset: u64) -> Home {
        match self.phase {
            Phase::Clean if offset == self.size => self.small_object(),
            Phase::Streaming { .. } if offset == self.size => Home::Tail,
            _ => Home::Staging,
        }
    }

    /// Where `range` is read; it lies within the file.
    #[must_use]
    pub fn read(&self, range: &Range<u64>) -> Home {
        match self.phase {
            Phase::Clean => Home::Object,
            Phase::Streaming { sent } if range.start >= sent => Home::Tail,
            _ => Home::Staging,
        }
    }

    /// How the file gets `size` bytes.
    #[must_use]
    pub fn truncate(&self, size: u64) -> Truncation {
        match self.phase {
            _ if size == self.size => Truncation::Nothing,
            _ if size == 0 => Truncation::Restart,
            Phase::Clean if size < self.size => Truncation::In(self.small_object()),
            Phase::Streaming { sent } if (sent..self.size).contains(&size) => Truncation::In(Home::Tail),
            _ => Truncation::In(Home::Staging),
        }
    }

    /// How the file is made an object.
    #[must_use]
    pub fn commit(&self) -> Commit {
        match self.phase {
            _ if !self.dirty => Commit::Nothing,
            // A clean file has no changes; `dirty` is never set without a place for them.
            Phase::Clean => Commit::Nothing,
            Phase::Streaming { sent: 0 } => Commit::Put,
            Phase::Streaming { .. } => Commit::Finish,
            Phase::Staged => Commit::Patch,
        }
    }

    /// The bytes are in that place now.
    pub fn enter(&mut self, home: Home) {
        self.phase = match (home, self.phase) {
            (Home::Object, _) => Phase::Clean,
            (Home::Tail | Home::LoadedTail, Phase::Clean) => Phase::Streaming { sent: 0 },
            (Home::Tail | Home::LoadedTail, phase) => phase,
            (Home::Staging, _) => Phase::Staged,
        };
    }

    /// Bytes were written up to `end`.
    pub fn wrote(&mut self, end: u64) {
        self.size = self.size.max(end);
        self.dirty = true;
    }

    /// The file has another length.
    pub fn truncated(&mut self, size: u64) {
        self.size = size;
        self.dirty = true;
    }

    /// All bytes were dropped.
    pub fn restarted(&mut self) {
        *self = Self::created();
    }

    /// The first bytes in memory are a part of an upload now.
    pub fn sent(&mut self, bytes: u64) {
        if let Phase::Streaming { sent } = &mut self.phase {
            *sent += bytes;
        }
    }

    /// The object is what the file is. What was sent as parts is in the object alone; memory and staging file keep
    /// their bytes for what is written next.
    pub fn committed(&mut self) {
        self.dirty = false;
        if let Phase::Streaming { sent: 1.. } = self.phase {
            self.phase = Phase::Clean;
        }
    }

    fn small_object(&self) -> Home {
        match self.size {
            0 => Home::Tail,
            1..SMALLEST_PART => Home::LoadedTail,
            _ => Home::Staging,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::write::parts::FIRST_PART;

    const LARGE: u64 = 100 << 20;

    #[test]
    fn a_new_file_is_one_put_even_if_it_stays_empty() {
        let mut state = State::created();
        assert_eq!(state.commit(), Commit::Put);
        assert_eq!(state.write(0), Home::Tail);
        state.wrote(10);
        assert_eq!(state.commit(), Commit::Put);
        state.committed();
        assert_eq!(state.commit(), Commit::Nothing);
        assert_eq!(state.write(10), Home::Tail, "what is in memory can be sent again, longer");
    }

    #[test]
    fn what_was_sent_in_parts_ends_with_the_upload() {
        let mut state = State::created();
        state.wrote(FIRST_PART + 1);
        state.sent(FIRST_PART);
        assert_eq!(state.commit(), Commit::Finish);
        state.committed();
        assert_eq!(state, State::of_object(FIRST_PART + 1));
    }

    #[test]
    fn a_step_out_of_order_stages() {
        let mut state = State::created();
        state.wrote(100);
        assert_eq!(state.write(50), Home::Staging);
        assert_eq!(state.write(101), Home::Staging);
        state.enter(Home::Staging);
        state.wrote(60);
        assert_eq!((state.size(), state.write(100), state.commit()), (100, Home::Staging, Commit::Patch));
    }

    #[test]
    fn only_bytes_that_left_memory_stage_a_reader() {
        let mut state = State::created();
        state.wrote(FIRST_PART + 100);
        assert_eq!(state.read(&(0..10)), Home::Tail);
        state.sent(FIRST_PART);
        assert_eq!(state.read(&(FIRST_PART..FIRST_PART + 10)), Home::Tail);
        assert_eq!(state.read(&(FIRST_PART - 1..FIRST_PART + 10)), Home::Staging);
    }

    #[test]
    fn objects_are_appended_to_in_memory_while_they_are_small() {
        assert_eq!(State::of_object(0).write(0), Home::Tail);
        assert_eq!(State::of_object(10).write(10), Home::LoadedTail);
        assert_eq!(State::of_object(10).write(3), Home::Staging);
        assert_eq!(State::of_object(SMALLEST_PART).write(SMALLEST_PART), Home::Staging);
        assert_eq!(State::of_object(LARGE).write(LARGE), Home::Staging);
    }

    #[test]
    fn truncation_keeps_what_it_can_in_memory() {
        let mut state = State::created();
        state.wrote(FIRST_PART + 100);
        state.sent(FIRST_PART);
        assert_eq!(state.truncate(FIRST_PART + 100), Truncation::Nothing);
        assert_eq!(state.truncate(FIRST_PART + 10), Truncation::In(Home::Tail));
        assert_eq!(state.truncate(FIRST_PART - 1), Truncation::In(Home::Staging));
        assert_eq!(state.truncate(LARGE), Truncation::In(Home::Staging));
        assert_eq!(state.truncate(0), Truncation::Restart);
        assert_eq!(State::of_object(LARGE).truncate(10), Truncation::In(Home::Staging));
        assert_eq!(State::of_object(10).truncate(5), Truncation::In(Home::LoadedTail));
        assert_eq!(State::of_object(10).truncate(0), Truncation::Restart);
    }
}
