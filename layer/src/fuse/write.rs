//! The requests that change something and need more than a line.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use fuser::{FileHandle, FopenFlags, ReplyAttr, ReplyCreate, ReplyWrite, Request, TimeOrNow};

use super::Shell;
use super::answer::FIRST;
use crate::fs::attr::Time;
use crate::fs::inode::Ino;
use crate::fs::write::attrs::Change;
use crate::fs::write::caller::Caller;

impl Shell {
    pub(super) fn create_file(
        &self,
        request: &Request,
        parent: Ino,
        name: &OsStr,
        mode: u16,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (fs, name, caller) = (Arc::clone(&self.fs), name.to_owned(), caller(request));
        self.run(async move {
            match fs.create(parent, &name, mode, flags, caller).await {
                Ok((entry, handle)) => {
                    let (attr, handle) = ((&entry.attr).into(), FileHandle(handle));
                    reply.created(&entry.ttl, &attr, FIRST, handle, FopenFlags::FOPEN_KEEP_CACHE);
                }
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    /// The bytes are the receiver's buffer, which the next request overwrites, so they are copied.
    pub(super) fn write_bytes(&self, handle: u64, offset: u64, data: &[u8], reply: ReplyWrite) {
        let (fs, data) = (Arc::clone(&self.fs), Bytes::copy_from_slice(data));
        self.run(async move {
            let len = data.len() as u32;
            match fs.write(handle, offset, data).await {
                Ok(()) => reply.written(len),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    pub(super) fn change(&self, ino: Ino, change: Change, reply: ReplyAttr) {
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            match fs.setattr(ino, change).await {
                Ok(entry) => reply.attr(&entry.ttl, &(&entry.attr).into()),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }
}

/// Who sent a request.
pub(super) fn caller(request: &Request) -> Caller {
    Caller { pid: request.pid(), uid: request.uid(), gid: request.gid() }
}

/// Permission bits of something new.
pub(super) fn permissions(mode: u32, umask: u32) -> u16 {
    (mode & !umask & 0o7777) as u16
}

/// A time that was given, or that of the request.
pub(super) fn time(time: TimeOrNow) -> Time {
    match time {
        TimeOrNow::SpecificTime(time) => time.into(),
        TimeOrNow::Now => SystemTime::now().into(),
    }
}
