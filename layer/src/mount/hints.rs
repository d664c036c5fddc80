//! Why a mount cannot be had, and what a person can do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What was being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Opening `/dev/fuse`.
    Device,
    /// Making the folder.
    Folder(PathBuf),
    /// mount(2).
    Mount(PathBuf),
    /// Making a user namespace, after mount(2) was refused.
    Namespace,
}

/// A mount that cannot be had. `Display` is one sentence that says what to do.
#[derive(Debug)]
pub struct Failure {
    step: Step,
    error: io::Error,
    in_namespace: bool,
}

impl Failure {
    /// The kernel's answer to a step.
    pub fn new(step: Step, error: io::Error) -> Self {
        Self { step, error, in_namespace: false }
    }

    /// The same, after this process has gone to a namespace of its own.
    #[must_use]
    pub(super) fn in_namespace(self) -> Self {
        Self { in_namespace: true, ..self }
    }

    /// This process is in a namespace that was made for the mount and may not be complete, so nothing else should run
    /// in it.
    pub fn is_final(&self) -> bool {
        self.in_namespace
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.error.raw_os_error().unwrap_or_default();
        match (&self.step, code) {
            (Step::Device, libc::ENOENT | libc::ENODEV | libc::ENXIO) => write!(
                f,
                "/dev/fuse is not there; run the container with --device /dev/fuse and --cap-add SYS_ADMIN \
                 (in Kubernetes: a privileged container, or a device plugin for FUSE)"
            ),
            (Step::Device, libc::EACCES) => write!(
                f,
                "no permission to open /dev/fuse; run the container as root, or make the device accessible to its \
                 user (mode 0666)"
            ),
            (Step::Device, libc::EPERM) => write!(
                f,
                "/dev/fuse may not be opened; run the container with --device /dev/fuse and not with a node of its own"
            ),
            (Step::Mount(_), libc::EPERM) => {
                write!(f, "mount is not permitted; run the container with --cap-add SYS_ADMIN")
            }
            (Step::Mount(_), libc::EACCES) => write!(
                f,
                "mount is denied by AppArmor or SELinux; run the container with --security-opt apparmor=unconfined \
                 (SELinux: --security-opt label=disable)"
            ),
            (Step::Mount(_), libc::ENODEV) => {
                write!(f, "the kernel has no FUSE; load its module on the host (modprobe fuse)")
            }
            (Step::Namespace, _) => write!(
                f,
                "mount is not permitted, and neither is a user namespace ({}); run the container with \
                 --cap-add SYS_ADMIN, or with --security-opt seccomp=unconfined",
                self.error
            ),
            (Step::Folder(folder), _) => write!(
                f,
                "the folder {} cannot be made ({}); make it in the image",
                folder.display(),
                self.error
            ),
            (Step::Device, _) => write!(f, "/dev/fuse cannot be opened: {}", self.error),
            (Step::Mount(folder), _) => write!(f, "mount at {} failed: {}", folder.display(), self.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(step: Step, code: i32, hint: &str) {
        let text = Failure::new(step, io::Error::from_raw_os_error(code)).to_string();
        assert!(text.contains(hint) && !text.contains('\n'), "{text}");
    }

    #[test]
    fn every_usual_failure_says_what_to_do() {
        let mount = Step::Mount("/fusion/s3".into());
        check(Step::Device, libc::ENOENT, "--device /dev/fuse");
        check(Step::Device, libc::EPERM, "--device /dev/fuse");
        check(Step::Device, libc::EACCES, "0666");
        check(mount.clone(), libc::EPERM, "--cap-add SYS_ADMIN");
        check(mount.clone(), libc::EACCES, "apparmor=unconfined");
        check(mount.clone(), libc::ENODEV, "modprobe fuse");
        check(mount, libc::EBUSY, "/fusion/s3");
        check(Step::Namespace, libc::EPERM, "seccomp=unconfined");
        check(Step::Folder("/fusion/s3".into()), libc::EROFS, "/fusion/s3");
    }
}
