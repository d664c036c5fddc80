//! Answers in the kernel's form.

use std::time::Duration;

use fuser::{
    FileAttr, FileType, Generation, INodeNo, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry,
};

use super::LARGEST;
use crate::fs::attr::{Attr, Entry, Kind};
use crate::fs::dir::Sink;
use crate::fs::errno::Errno;
use crate::fs::inode::Ino;

/// An inode number for names in a folder that have none yet.
const UNKNOWN: Ino = 0xffff_ffff;
/// Inode numbers are never used twice.
pub(super) const FIRST: Generation = Generation(0);

impl From<Errno> for fuser::Errno {
    fn from(errno: Errno) -> Self {
        Self::from_i32(errno.get())
    }
}

impl From<&Attr> for FileAttr {
    fn from(attr: &Attr) -> Self {
        let time = attr.modified.into();
        Self {
            ino: INodeNo(attr.ino),
            size: attr.size,
            blocks: attr.size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: kind_of(attr.kind),
            perm: attr.mode,
            // One also for a folder: the number of its sub-folders is not known.
            nlink: u32::from(attr.named),
            uid: attr.uid,
            gid: attr.gid,
            rdev: 0,
            blksize: LARGEST,
            flags: 0,
        }
    }
}

/// Answers with an entry.
pub(super) fn reply_entry(reply: ReplyEntry, entry: Result<Entry, Errno>) {
    match entry {
        Ok(entry) => reply.entry(&entry.ttl, &(&entry.attr).into(), FIRST),
        Err(errno) => reply.error(errno.into()),
    }
}

/// Answers that it is done.
pub(super) fn reply_done(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno.into()),
    }
}

impl Sink for ReplyDirectory {
    fn entry(&mut self, cookie: u64, name: &str, entry: &Entry) -> bool {
        self.add(INodeNo(entry.attr.ino), cookie, kind_of(entry.attr.kind), name)
    }

    fn name(&mut self, cookie: u64, name: &str, ino: Option<Ino>, kind: Kind) -> bool {
        self.add(INodeNo(ino.unwrap_or(UNKNOWN)), cookie, kind_of(kind), name)
    }
}

impl Sink for ReplyDirectoryPlus {
    fn entry(&mut self, cookie: u64, name: &str, entry: &Entry) -> bool {
        self.add(INodeNo(entry.attr.ino), cookie, name, &entry.ttl, &(&entry.attr).into(), FIRST)
    }

    /// Only `.` and `..` come without attributes; the kernel counts no lookup for them.
    fn name(&mut self, cookie: u64, name: &str, ino: Option<Ino>, kind: Kind) -> bool {
        let attr = Attr {
            ino: ino.unwrap_or(UNKNOWN),
            kind,
            size: 0,
            modified: Default::default(),
            mode: 0,
            uid: 0,
            gid: 0,
            named: true,
        };
        self.add(INodeNo(attr.ino), cookie, name, &Duration::ZERO, &(&attr).into(), FIRST)
    }
}

fn kind_of(kind: Kind) -> FileType {
    match kind {
        Kind::Directory => FileType::Directory,
        Kind::File => FileType::RegularFile,
        Kind::Symlink => FileType::Symlink,
    }
}
