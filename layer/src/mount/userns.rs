//! A user namespace of our own, in which we may mount. The command runs in it as the same user.

use std::fs;
use std::io;

use crate::sys;

/// Goes to a new user namespace and a new mount namespace. This process must have one thread. Without an error it is
/// there, and must become the same user and group by [`become_ourselves`].
pub(super) fn enter() -> io::Result<()> {
    sys::unshare_user()
}

/// Makes user and group of the new namespace those that this process had before, `identity`.
pub(super) fn become_ourselves((user, group): (u32, u32)) -> io::Result<()> {
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    // Without the right to set groups a process may map its own one. Kernels before 3.19 have no such file.
    match fs::write("/proc/self/setgroups", "deny") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}
