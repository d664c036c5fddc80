//! Work, counted where debug assertions are on: no document within the limits takes more than linear time, and that is
//! checked by steps, not by a clock. Elsewhere the counter is compiled to nothing.
//!
//! A step is a byte, a word or a block that the validating pass looks at, a member or an item that is stepped over, a
//! word that is written.

use std::cell::Cell;

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// Counts steps of this thread.
#[inline(always)]
pub(super) fn count(steps: usize) {
    if cfg!(debug_assertions) {
        TAKEN.set(TAKEN.get() + steps);
    }
}

/// What `work` gives, and the steps it took.
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = TAKEN.get();
    let done = work();
    (done, TAKEN.get() - before)
}
