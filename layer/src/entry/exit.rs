//! Exit codes, and the reasons for those that are ours.

use std::ffi::OsString;
use std::fmt;
use std::io;

use crate::driver::Unusable;

use super::command::Command;
use super::path::SearchPath;

/// A request of ours that cannot be read.
const USAGE: u8 = 2;
/// A mount is wanted and cannot be had, or outputs were lost; the code Fusion uses.
pub(crate) const NO_MOUNT: u8 = 174;
/// POSIX: found, but cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// POSIX: not found.
const NOT_FOUND: u8 = 127;

/// Why the command was not started. `Display` is the sentence for stderr, without the prefix.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Neither a chain nor an argument.
    NothingToRun,
    /// A word or a variable holds a NUL; only a broken runtime can make one.
    UnusableWord,
    /// A mount is wanted, by a variable or by our name.
    NoMount {
        /// What asked for it.
        asked_by: &'static str,
        /// What failed, and what to do.
        reason: Unusable,
    },
    /// `fusion` was called with words that make no request.
    Usage(&'static str),
    /// The program is not there.
    NotFound {
        /// The program as it was named.
        program: OsString,
        /// Where it was looked for, if it was named without a slash.
        path: Option<OsString>,
    },
    /// A file is there, but what it needs to run is not.
    NoInterpreter {
        /// The program as it was named.
        program: OsString,
    },
    /// The kernel refused it.
    CannotRun {
        /// The program as it was named.
        program: OsString,
        /// The kernel's reason.
        error: io::Error,
    },
}

impl Refusal {
    /// Sorts the kernel's answer to `execve`, or to the fork before it.
    pub(crate) fn cannot_run(command: &Command, path: &SearchPath, error: io::Error) -> Self {
        let program = command.program().to_owned();
        if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            return Self::CannotRun { program, error };
        }
        // The kernel says "not found" of the interpreter of a script and of the loader of an ELF file as well.
        if path.resolve(&program).is_some() {
            return Self::NoInterpreter { program };
        }
        let searched = path.candidates(&program) != [program.as_os_str()];
        Self::NotFound { program, path: searched.then(|| path.as_os_str().to_owned()) }
    }

    /// The exit code that tells this to the runtime.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::NothingToRun | Self::NotFound { .. } | Self::NoInterpreter { .. } => NOT_FOUND,
            Self::UnusableWord | Self::CannotRun { .. } => NOT_EXECUTABLE,
            Self::Usage(_) => USAGE,
            Self::NoMount { .. } => NO_MOUNT,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToRun => {
                write!(f, "nothing to run: the image has no entry point and no command was given")
            }
            Self::UnusableWord => write!(f, "cannot run: a word or a variable holds a NUL byte"),
            Self::NoMount { asked_by, reason } => write!(
                f,
                "{asked_by} asks for a mount at /fusion/s3: {reason}; FUSION_MOUNT_OPTIONAL=1 runs the command \
                 without it"
            ),
            Self::Usage(usage) => write!(f, "usage: {usage}"),
            Self::NotFound { program, path: Some(path) } => {
                write!(f, "cannot run {program:?}: not found in PATH {path:?}")
            }
            Self::NotFound { program, path: None } => write!(f, "cannot run {program:?}: no such file"),
            Self::NoInterpreter { program } => {
                write!(f, "cannot run {program:?}: its interpreter or dynamic loader is not in the image")
            }
            Self::CannotRun { program, error } => write!(f, "cannot run {program:?}: {error}"),
        }
    }
}
