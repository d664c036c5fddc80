//! `execve` and `fork`.

use std::ffi::{CString, NulError, OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

use super::signal::restore_defaults;
use super::{Group, Pid, Terminal, succeeded};

/// A program to execute: all that `execve` takes, in the kernel's form. It is made before `fork`, as the child may
/// not allocate.
pub(crate) struct Image {
    files: Vec<CString>,
    words: Strings,
    variables: Strings,
}

impl Image {
    /// `files` are tried in order; `words` are `argv`.
    ///
    /// # Errors
    /// When a string holds a NUL.
    pub(crate) fn new<'a>(
        files: Vec<PathBuf>,
        words: &[OsString],
        variables: impl Iterator<Item = (&'a OsStr, &'a OsStr)>,
    ) -> Result<Self, NulError> {
        let files = files.into_iter().map(|file| CString::new(file.into_os_string().as_bytes()));
        let words = words.iter().map(|word| CString::new(word.as_bytes()));
        let variables =
            variables.map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()));
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
            words: Strings::of(words.collect::<Result<_, _>>()?),
            variables: Strings::of(variables.collect::<Result<_, _>>()?),
        })
    }

    /// Replaces this process. Returns only the reason why it could not: that of the last file, but a file without
    /// permission is told before one that is not there, as `execvp` has it. Unlike `execvp` a file that the kernel
    /// does not know is not given to a shell: a runtime does not do so either, and there may be no shell.
    ///
    /// Async-signal-safe.
    pub(crate) fn exec(&self) -> io::Error {
        let mut denied = None;
        let mut last = io::Error::from_raw_os_error(libc::ENOENT);
        for file in &self.files {
            // SAFETY: the file is NUL-terminated; both tables end with null and point to NUL-terminated strings
            // that `self` owns and does not change.
            unsafe { libc::execve(file.as_ptr(), self.words.table.as_ptr(), self.variables.table.as_ptr()) };
            last = io::Error::last_os_error();
            match last.raw_os_error() {
                Some(libc::EACCES) => denied = Some(libc::EACCES),
                Some(libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT) => {}
                _ => return last,
            }
        }
        denied.map_or(last, io::Error::from_raw_os_error)
    }
}

/// Strings and the null-terminated table of their addresses. The addresses are of the heap, so moving this is fine.
struct Strings {
    table: Vec<*const libc::c_char>,
    _owned: Vec<CString>,
}

impl Strings {
    fn of(owned: Vec<CString>) -> Self {
        let table = owned.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Self { table, _owned: owned }
    }
}

/// Starts an image as a child that leads a group of its own, with the default mask and dispositions, and with the
/// terminal if that is ours. Returns when the image runs.
///
/// # Errors
/// What `fork` or `execve` said. After an error of `execve` the child is left to be waited for.
pub(crate) fn spawn(image: &Image, terminal: Terminal) -> io::Result<Group> {
    // Both ends close on exec: the end of the pipe without a byte is the sign that the image runs.
    let (mut reader, writer) = io::pipe()?;
    // SAFETY: between fork and exec the child calls async-signal-safe functions only and does not allocate, so it
    // does not matter what locks other threads held.
    let pid = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => become_image(image, terminal, writer.as_raw_fd()),
        pid => pid,
    };
    drop(writer);
    // The child does this too; whoever comes first, the group is there before a signal is sent to it. It fails
    // when the child has called exec already, and then the child was first.
    // SAFETY: the call takes numbers.
    let _ = succeeded(unsafe { libc::setpgid(pid, pid) });
    let mut code = [0; size_of::<libc::c_int>()];
    match reader.read_exact(&mut code) {
        Err(_) => Ok(Group(Pid(pid))),
        Ok(()) => Err(io::Error::from_raw_os_error(libc::c_int::from_ne_bytes(code))),
    }
}

/// The child's part of [`spawn`]: async-signal-safe throughout.
fn become_image(image: &Image, terminal: Terminal, errors: RawFd) -> ! {
    // SAFETY: the call takes numbers; a new child that leads no session can always lead a group.
    unsafe { libc::setpgid(0, 0) };
    // Before the mask falls, as it keeps SIGTTOU away.
    terminal.take();
    restore_defaults();
    let code = image.exec().raw_os_error().unwrap_or(libc::EIO).to_ne_bytes();
    // SAFETY: the buffer is readable for its length, which a pipe takes in one piece. The parent sees the end of
    // the pipe as success, but it also sees our exit code.
    unsafe { libc::write(errors, code.as_ptr().cast(), code.len()) };
    // SAFETY: ends the child without running the parent's destructors in it.
    unsafe { libc::_exit(126) }
}
