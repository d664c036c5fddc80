//! What a person reads on stderr.

use std::fmt;
use std::io::Write;

/// Writes one line to stderr, in one write so that it is not torn by the command's own output.
///
/// A closed stderr is no reason to fail the container.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    let line = format!("[fusion] {text}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// The steps told when `WAVE_DEBUG` is set. They name programs and counts; arguments and values of variables can
/// be secrets and are never told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Say nothing.
    Silent,
    /// Say each step.
    Steps,
}

impl Trace {
    /// Tells one step.
    pub(crate) fn step(self, text: fmt::Arguments<'_>) {
        if self == Self::Steps {
            say(text);
        }
    }
}
