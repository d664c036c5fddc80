//! Changing attributes.

use std::time::SystemTime;

use super::content::Content;
use super::file::Leaving;
use crate::fs::Fs;
use crate::fs::attr::{Entry, Kind, Time};
use crate::fs::errno::Errno;
use crate::fs::inode::Ino;

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Length of a file.
    pub size: Option<u64>,
    /// Permission bits.
    pub mode: Option<u16>,
    /// User.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Time of the last change.
    pub modified: Option<Time>,
}

impl Change {
    /// Keeps all but the length with the object, under the names that s3fs has for it.
    fn note(&self, content: &mut Content) {
        let mode = self.mode.map(|mode| (libc::S_IFREG | u32::from(mode & 0o7777)).to_string());
        let time = self.modified.map(|Time(nanos)| nanos.div_euclid(1_000_000_000).to_string());
        let (uid, gid) = (self.uid.map(|uid| uid.to_string()), self.gid.map(|gid| gid.to_string()));
        for (name, value) in [("mode", mode), ("mtime", time), ("uid", uid), ("gid", gid)] {
            if let Some(value) = value {
                content.set_metadata(name, value);
            }
        }
    }
}

impl Fs {
    /// Changes attributes. A length is S3's when nobody has the file open for writing, else when it is closed. All else
    /// is kept in memory, as long as the kernel knows the inode, and goes to S3 with a file that is being written.
    ///
    /// # Errors
    /// `EISDIR` for the length of a folder, `EROFS`, what S3 says.
    pub async fn setattr(&self, ino: Ino, change: Change) -> Result<Entry, Errno> {
        if let Some(size) = change.size {
            self.truncate(ino, size).await?;
        }
        if let Some(file) = self.written.get(ino) {
            change.note(&mut *file.hold().await);
        }
        let mut table = self.table();
        table.set_owner(ino, change.uid, change.gid);
        if let Some(node) = table.get_mut(ino) {
            if let Some(mode) = change.mode {
                node.mode = mode & 0o7777;
            }
            if let Some(time) = change.modified {
                node.modified = time;
            } else if change.size.is_some() {
                node.modified = SystemTime::now().into();
            }
        }
        drop(table);
        self.getattr(ino)
    }

    async fn truncate(&self, ino: Ino, size: u64) -> Result<(), Errno> {
        match self.table().get(ino).map(|node| (node.kind, node.size, node.is_local())) {
            Some((Kind::Directory, ..)) => return Err(Errno::EISDIR),
            Some((_, known, false)) if known == size && self.written.get(ino).is_none() => return Ok(()),
            Some(_) => {}
            None => return Err(Errno::ESTALE),
        }
        let file = self.enter_written(ino, size == 0).await?;
        let truncated = file.truncate(size).await;
        if let Ok(shape) = &truncated {
            self.note(&file, shape);
        }
        // Uploads the change, unless another handle is there that will.
        let left = self.leave_written(&file, Leaving::Nothing).await;
        truncated.map(drop).and(left)
    }
}
