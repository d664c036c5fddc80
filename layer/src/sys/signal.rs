//! Signals are waited for, never handled: no code runs at a moment that is not ours.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::{Duration, Instant};

use super::{Group, Pid, succeeded};

/// The highest signal of Linux.
const LAST: libc::c_int = 64;

/// A signal's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signal(libc::c_int);

impl Signal {
    /// SIGCHLD.
    pub(crate) const CHILD: Self = Self(libc::SIGCHLD);
    /// SIGCONT.
    pub(crate) const CONTINUE: Self = Self(libc::SIGCONT);
    /// SIGHUP.
    pub(crate) const HANGUP: Self = Self(libc::SIGHUP);
    /// SIGINT.
    pub(crate) const INTERRUPT: Self = Self(libc::SIGINT);
    /// SIGKILL.
    pub(crate) const KILL: Self = Self(libc::SIGKILL);
    /// SIGPIPE.
    pub(crate) const PIPE: Self = Self(libc::SIGPIPE);
    /// SIGTERM.
    pub(crate) const TERMINATE: Self = Self(libc::SIGTERM);
    /// SIGTTIN.
    pub(crate) const TTY_INPUT: Self = Self(libc::SIGTTIN);
    /// SIGTTOU.
    pub(crate) const TTY_OUTPUT: Self = Self(libc::SIGTTOU);
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Waits for signals, all of which are blocked while it is used. The kernel keeps a blocked signal for us even if
/// its default is to be ignored, and even if we are PID 1.
pub(crate) struct Waiter {
    all: libc::sigset_t,
    inherited: libc::sigset_t,
}

impl Waiter {
    /// Blocks all signals for this thread and for threads and children it starts. A fault of our own still ends us:
    /// the kernel does not keep those.
    pub(crate) fn block_all() -> Self {
        let mut all = MaybeUninit::uninit();
        // SAFETY: `sigfillset` writes the whole set and cannot fail for a valid address.
        let all = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            all.assume_init()
        };
        let inherited = set_mask(&all);
        Self { all, inherited }
    }

    /// Blocks what was blocked before, for a program that takes our place.
    pub(crate) fn unblock(self) {
        set_mask(&self.inherited);
    }

    /// The next signal.
    pub(crate) fn next(&self) -> Signal {
        loop {
            // SAFETY: the set is initialised; a null address means that details are not asked for.
            match unsafe { libc::sigwaitinfo(&raw const self.all, ptr::null_mut()) } {
                // Stopped and continued meanwhile.
                -1 => {}
                signal => return Signal(signal),
            }
        }
    }

    /// The next signal, or `None` when the deadline has passed.
    pub(crate) fn next_before(&self, deadline: Instant) -> Option<Signal> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let time = timespec(left);
            // SAFETY: as in `next`; the time is initialised.
            match unsafe { libc::sigtimedwait(&raw const self.all, ptr::null_mut(), &raw const time) } {
                -1 if left.is_zero() => return None,
                -1 => {}
                signal => return Some(Signal(signal)),
            }
        }
    }
}

/// Sends a signal to one process.
pub(crate) fn signal_process(to: Pid, signal: Signal) -> io::Result<()> {
    // SAFETY: the call takes numbers.
    succeeded(unsafe { libc::kill(to.0, signal.0) })
}

/// Sends a signal to this process.
pub(crate) fn signal_self(signal: Signal) -> io::Result<()> {
    // SAFETY: the calls take and return numbers.
    succeeded(unsafe { libc::kill(libc::getpid(), signal.0) })
}

/// Sends a signal to all processes of a group.
pub(crate) fn signal_group(to: Group, signal: Signal) -> io::Result<()> {
    // SAFETY: the call takes numbers.
    succeeded(unsafe { libc::kill(-to.leader().0, signal.0) })
}

/// Sends a signal to all processes of the namespace but its PID 1, which must be us: anybody else would reach
/// processes that are not below him.
pub(crate) fn signal_all(signal: Signal) -> io::Result<()> {
    assert_eq!(std::process::id(), 1, "only PID 1 may end everybody");
    // SAFETY: the call takes numbers.
    succeeded(unsafe { libc::kill(-1, signal.0) })
}

/// Lets SIGPIPE end the program that replaces us. Rust's start-up code ignores it, and `execve` keeps that.
pub(crate) fn default_sigpipe() {
    set_default(libc::SIGPIPE);
}

/// Makes ended children wait for us: who has inherited an ignored SIGCHLD never sees how they ended.
pub(crate) fn default_sigchld() {
    set_default(libc::SIGCHLD);
}

/// Gives every signal its default action and blocks none. Async-signal-safe.
pub(super) fn restore_defaults() {
    for signal in 1..=LAST {
        set_default(signal);
    }
    let mut none = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` writes the whole set and cannot fail for a valid address.
    let none = unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        none.assume_init()
    };
    set_mask(&none);
}

/// Asks the kernel and not the libc, which hides the signals it keeps for itself; a caller may have left those
/// ignored as well. The kernel refuses SIGKILL and SIGSTOP, which have no other action.
fn set_default(signal: libc::c_int) {
    // The kernel's `struct sigaction`: handler (SIG_DFL is zero), flags, restorer where there is one, mask.
    let default = [0u64; 4];
    const MASK_BYTES: usize = 8;
    // SAFETY: the structure is as long as the kernel reads, and SIG_DFL installs no handler.
    unsafe {
        let old = ptr::null_mut::<libc::c_void>();
        libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old, MASK_BYTES);
    }
}

/// Sets the mask of this thread, and returns the one before. Async-signal-safe.
fn set_mask(set: &libc::sigset_t) -> libc::sigset_t {
    let mut old = *set;
    // SAFETY: both sets are initialised, and the second one is writable for the call.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, set, &raw mut old) };
    old
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as _ }
}
