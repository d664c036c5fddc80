//! The kernel's interface: the only unsafe code of this program. Every function here is safe to call.
//!
//! - [`image`]: what `execve` needs, made before it is needed; `fork`
//! - [`memory`]: files in memory
//! - [`mount`]: mounts and namespaces
//! - [`signal`]: blocking, waiting for and sending signals
//! - this file: processes, the terminal, and where we were started from

mod image;
mod memory;
mod mount;
mod signal;

use std::ffi::{CStr, OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;

pub(crate) use image::{Image, spawn};
pub(crate) use memory::memory_file;
pub(crate) use mount::{
    Unmount, identity, make_mounts_private, mount_fuse, mount_sysfs, unmount, unshare_mounts, unshare_user,
};
pub(crate) use signal::{
    Signal, Waiter, default_sigchld, default_sigpipe, signal_all, signal_group, signal_process, signal_self,
};

/// A process of ours. Positive, so that no signal is sent to a group or to everybody by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pid(libc::pid_t);

impl Pid {
    /// The first process of a PID namespace.
    pub(crate) const INIT: Self = Self(1);

    /// Reads a PID as `/proc` writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|&pid| pid > 0).map(Self)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A process group, named by the process that leads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group(Pid);

impl Group {
    /// The process whose PID is the group's number.
    pub(crate) fn leader(self) -> Pid {
        self.0
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It returned this code.
    Exited(u8),
    /// This signal ended it.
    Killed(u8),
}

impl Status {
    fn of_wait(status: libc::c_int) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Killed(libc::WTERMSIG(status) as u8)
        } else {
            Self::Exited(libc::WEXITSTATUS(status) as u8)
        }
    }

    /// The code that shells and runtimes give: a signal's number is added to 128.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => 128 + signal,
        }
    }
}

/// The answer of one `waitpid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaped {
    /// This child ended, and is gone now.
    Ended(Pid, Status),
    /// There are children, and all of them run.
    NoneEnded,
    /// There are no children.
    NoChildren,
}

/// Waits for one child that has ended, without blocking.
pub(crate) fn reap_one() -> Reaped {
    let mut status = 0;
    // SAFETY: `status` is writable for the call.
    match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
        0 => Reaped::NoneEnded,
        // With WNOHANG and without handlers the only error is ECHILD.
        -1 => Reaped::NoChildren,
        pid => Reaped::Ended(Pid(pid), Status::of_wait(status)),
    }
}

/// Makes orphans of our descendants our children, which they are anyway if we are PID 1.
pub(crate) fn become_subreaper() -> io::Result<()> {
    // SAFETY: PR_SET_CHILD_SUBREAPER takes a number and touches no memory.
    succeeded(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })
}

/// The terminal on stdin, if it is ours to hand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terminal {
    /// Our group is the one that may read it.
    Foreground,
    /// Stdin is no terminal, or another group has it.
    Elsewhere,
}

impl Terminal {
    /// Looks at stdin.
    pub(crate) fn of_stdin() -> Self {
        // SAFETY: both calls take and return numbers; -1, the error of the first, is the number of no group.
        let ours = unsafe { libc::tcgetpgrp(libc::STDIN_FILENO) == libc::getpgrp() };
        if ours { Self::Foreground } else { Self::Elsewhere }
    }

    /// Gives the terminal to our group. SIGTTOU must be blocked, or a background group is stopped for asking.
    /// Async-signal-safe.
    pub(crate) fn take(self) {
        if self == Self::Foreground {
            // SAFETY: the calls take and return numbers. The terminal may have hung up; then nobody needs it.
            unsafe { libc::tcsetpgrp(libc::STDIN_FILENO, libc::getpgrp()) };
        }
    }
}

/// The path that was given to `execve` to start us.
pub(crate) fn exec_path() -> Option<OsString> {
    // SAFETY: getauxval reads a table that the kernel made at start and nobody changes.
    let text = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const libc::c_char;
    if text.is_null() {
        return None;
    }
    // SAFETY: the kernel put a NUL-terminated string there, above the stack, where it stays for the life of the
    // process; it is copied at once.
    let text = unsafe { CStr::from_ptr(text) };
    Some(OsStr::from_bytes(text.to_bytes()).to_owned())
}

fn succeeded(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_told_as_128_and_more() {
        assert_eq!(Status::of_wait(7 << 8), Status::Exited(7));
        assert_eq!(Status::of_wait(libc::SIGKILL).code(), 137);
        assert_eq!(Status::of_wait(libc::SIGSEGV | 0x80).code(), 139);
        assert_eq!(Status::of_wait(255 << 8).code(), 255);
    }

    #[test]
    fn only_positive_numbers_are_pids() {
        assert_eq!(Pid::parse("17"), Some(Pid(17)));
        for text in ["0", "-1", "", "x", "99999999999"] {
            assert_eq!(Pid::parse(text), None, "{text}");
        }
    }
}
