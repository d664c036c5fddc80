//! What the supervisor does with each signal.

use crate::sys::{self, Group, Signal};

/// The part of a signal in supervision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A child ended.
    Reap,
    /// It is about our own reading and writing.
    Drop,
    /// It is meant for the command.
    Forward,
}

/// SIGKILL and SIGSTOP cannot be waited for and do not come here. SIGPIPE is the kernel's answer when we trace to a
/// stderr that nobody reads; the command gets one of its own if it writes there.
pub(crate) fn part(signal: Signal) -> Part {
    match signal {
        Signal::CHILD => Part::Reap,
        Signal::PIPE | Signal::TTY_INPUT | Signal::TTY_OUTPUT => Part::Drop,
        _ => Part::Forward,
    }
}

/// Sends a signal to the command's group, or to the command alone if it has left its group.
pub(crate) fn forward(signal: Signal, command: Group) {
    if sys::signal_group(command, signal).is_err() {
        // It has ended a moment ago: nobody is left to be told.
        let _ = sys::signal_process(command.leader(), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_forwarded_but_what_is_ours() {
        assert_eq!(part(Signal::CHILD), Part::Reap);
        assert_eq!(part(Signal::PIPE), Part::Drop);
        assert_eq!(part(Signal::TTY_INPUT), Part::Drop);
        assert_eq!(part(Signal::TTY_OUTPUT), Part::Drop);
        assert_eq!(part(Signal::TERMINATE), Part::Forward);
        assert_eq!(part(Signal::CONTINUE), Part::Forward);
    }
}
