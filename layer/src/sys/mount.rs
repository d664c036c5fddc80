//! Mounts and namespaces.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use super::succeeded;

/// The user and group this process acts as.
pub(crate) fn identity() -> (u32, u32) {
    // SAFETY: both calls take nothing, return numbers and cannot fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Mounts the file system that answers on `device`, an open `/dev/fuse`.
pub(crate) fn mount_fuse(device: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    let (user, group) = identity();
    let options = format!(
        "fd={},rootmode=40000,user_id={user},group_id={group},allow_other,default_permissions",
        device.as_raw_fd()
    );
    let flags = libc::MS_NODEV | libc::MS_NOSUID | libc::MS_NOATIME;
    mount("fusion", target, "fuse.fusion", flags, Some(&options))
}

/// Mounts a sysfs, over the one that is there.
pub(crate) fn mount_sysfs(target: &Path) -> io::Result<()> {
    mount("sysfs", target, "sysfs", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC, None)
}

/// Keeps what is mounted from here on to this mount namespace.
pub(crate) fn make_mounts_private() -> io::Result<()> {
    mount("none", Path::new("/"), "none", libc::MS_REC | libc::MS_PRIVATE, None)
}

fn mount(
    source: &str,
    target: &Path,
    kind: &str,
    flags: libc::c_ulong,
    options: Option<&str>,
) -> io::Result<()> {
    let source = CString::new(source)?;
    let target = CString::new(target.as_os_str().as_bytes())?;
    let kind = CString::new(kind)?;
    let options = options.map(CString::new).transpose()?;
    let data = options.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: all strings are NUL-terminated and live until the call returns; `data` is such a string or null.
    succeeded(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.cast()) })
}

/// How a mount is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmount {
    /// Not while it is used.
    Idle,
    /// From the tree at once; it goes when the last user has.
    Lazy,
}

/// Takes a mount away.
pub(crate) fn unmount(target: &Path, how: Unmount) -> io::Result<()> {
    let target = CString::new(target.as_os_str().as_bytes())?;
    let flags = if how == Unmount::Lazy { libc::MNT_DETACH } else { 0 };
    // SAFETY: the path is NUL-terminated and lives until the call returns.
    succeeded(unsafe { libc::umount2(target.as_ptr(), flags) })
}

/// Moves this process, which must have one thread, to a user namespace and a mount namespace of its own.
pub(crate) fn unshare_user() -> io::Result<()> {
    // SAFETY: the call takes a number; with more than one thread it is refused.
    succeeded(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })
}

/// Moves this thread to a mount namespace of its own.
pub(crate) fn unshare_mounts() -> io::Result<()> {
    // SAFETY: the call takes a number. The thread's view of the root and its folder is its own from here on.
    succeeded(unsafe { libc::unshare(libc::CLONE_NEWNS) })
}
