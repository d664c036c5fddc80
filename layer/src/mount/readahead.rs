//! Larger requests: the kernel reads 128 KiB ahead on a FUSE mount, which costs a stream half of its speed.
//!
//! The limit is a file in sysfs, which is read-only in containers; a sysfs mounted by ourselves, in a mount namespace
//! that only one short-lived thread sees, is not. Where that is refused, the mount works as well and more slowly.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

use crate::sys;

/// What is set, in KiB: the largest request of the kernel.
const KIB: &str = "1024";

/// Sets the read-ahead of a mount whose requests are answered by now. Does not wait.
pub fn raise(target: &Path) {
    let target = target.to_owned();
    // Nothing depends on it.
    let _ = thread::Builder::new().name("fusion-ra".into()).spawn(move || set(&target));
}

fn set(target: &Path) -> io::Result<()> {
    // Not asked of the mount itself: a process that is killed while it waits for its own answer never ends.
    let mounts = fs::read("/proc/self/mountinfo")?;
    let device = device(&mounts, target).ok_or(io::ErrorKind::NotFound)?;
    let file = format!("/sys/class/bdi/{device}/read_ahead_kb");
    fs::write(&file, KIB).or_else(|_| {
        sys::unshare_mounts()?;
        sys::make_mounts_private()?;
        sys::mount_sysfs(Path::new("/sys"))?;
        fs::write(&file, KIB)
    })
}

/// The device of the mount at `target`, as `major:minor` (proc_pid_mountinfo(5)); of several the one on top.
fn device(mounts: &[u8], target: &Path) -> Option<String> {
    let at = |line: &&[u8]| {
        let point = line.split(|byte| *byte == b' ').nth(4);
        point.is_some_and(|point| unescaped(point) == target.as_os_str().as_bytes())
    };
    let line = mounts.rsplit(|byte| *byte == b'\n').find(at)?;
    let device = line.split(|byte| *byte == b' ').nth(2)?;
    OsStr::from_bytes(device).to_str().map(str::to_owned)
}

/// A path as it is: blanks and backslashes stand there as octal numbers.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..3).filter(|_| first == b'\\').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                path.push(byte);
                rest = &tail[3..];
            }
            None => {
                path.push(first);
                rest = tail;
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_on_top_counts() {
        let mounts = b"22 1 8:1 / / rw - ext4 /dev/sda rw\n\
            30 22 0:40 / /a\\040b rw shared:1 - fuse.fusion fusion rw\n\
            31 30 0:41 / /a\\040b rw - fuse.fusion fusion rw\n";
        assert_eq!(device(mounts, Path::new("/a b")).as_deref(), Some("0:41"));
        assert_eq!(device(mounts, Path::new("/")).as_deref(), Some("8:1"));
        assert_eq!(device(mounts, Path::new("/a")), None);
    }
}
