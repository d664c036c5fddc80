//! Files in memory.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;

/// A file in memory that is closed on exec and gone when it is closed.
pub(crate) fn memory_file(name: &CStr) -> io::Result<File> {
    // SAFETY: the name is NUL-terminated and read during the call only.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(fd) })
}
