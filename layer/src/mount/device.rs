//! `/dev/fuse` and mount(2).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::hints::{Failure, Step};
use super::userns;
use crate::sys::{self, Unmount};

/// The device of FUSE.
const DEVICE: &str = "/dev/fuse";

/// A mount that was made here.
#[derive(Debug)]
pub struct Mount {
    target: PathBuf,
}

/// Whether a user namespace may be made for the mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// If the mount is refused.
    UserNamespace,
    /// `FUSION_USERNS=off`.
    None,
}

impl Mount {
    /// Mounts at a folder, which is made if it is not there. Returns the mount and the device that its requests come
    /// from. This process must have one thread: it may go to a namespace of its own.
    ///
    /// # Errors
    /// What failed, in words that say what to do.
    pub fn new(target: &Path, fallback: Fallback) -> Result<(Self, OwnedFd), Failure> {
        let device = open()?;
        // Before a namespace of ours, in which the image's root may belong to nobody.
        fs::create_dir_all(target).map_err(|error| Failure::new(Step::Folder(target.to_owned()), error))?;
        let device = match sys::mount_fuse(device.as_fd(), target) {
            Ok(()) => device,
            Err(error)
                if error.raw_os_error() == Some(libc::EPERM) && fallback == Fallback::UserNamespace =>
            {
                drop(device);
                let identity = sys::identity();
                userns::enter().map_err(|error| Failure::new(Step::Namespace, error))?;
                mount_in_namespace(target, identity).map_err(Failure::in_namespace)?
            }
            Err(error) => return Err(Failure::new(Step::Mount(target.to_owned()), error)),
        };
        Ok((Self { target: target.to_owned() }, device.into()))
    }

    /// The folder.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Takes the mount away: from the tree at least, if somebody still uses it.
    ///
    /// # Errors
    /// What the kernel says; a mount that is gone already is no error.
    pub fn unmount(self) -> io::Result<()> {
        match sys::unmount(&self.target, Unmount::Idle) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                sys::unmount(&self.target, Unmount::Lazy)
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            other => other,
        }
    }
}

fn mount_in_namespace(target: &Path, identity: (u32, u32)) -> Result<File, Failure> {
    userns::become_ourselves(identity).map_err(|error| Failure::new(Step::Namespace, error))?;
    // The kernel takes only a device that was opened in the namespace of the mount.
    let device = open()?;
    let mounted = sys::mount_fuse(device.as_fd(), target);
    mounted.map_err(|error| Failure::new(Step::Mount(target.to_owned()), error))?;
    Ok(device)
}

/// Opens the device, which starts nothing.
///
/// # Errors
/// What failed, in words that say what to do.
pub fn open() -> Result<File, Failure> {
    let opened = OpenOptions::new().read(true).write(true).open(DEVICE);
    opened.map_err(|error| Failure::new(Step::Device, error))
}
