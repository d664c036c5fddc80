//! The kernel's requests, each handed to one method of [`Fs`], and its answer in the kernel's form. Nothing else.
//!
//! A request is tried at once, on the thread that received it; if it has to wait it goes on as a task of the runtime. A
//! request that panics, or is dropped, is answered with `EIO`: its reply does that when it goes.

mod answer;
mod run;
mod write;

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use tokio::runtime::Handle;

use crate::fs::Fs;
use crate::fs::dir::Detail;
use crate::fs::write::attrs::Change;
use answer::{reply_done, reply_entry};
use run::run;
use write::{caller, permissions, time};

/// Largest write, and with it the largest read, in bytes.
const LARGEST: u32 = 1 << 20;
/// Requests the kernel makes by itself that may be under way.
const BACKGROUND: u16 = 64;
/// A size nobody runs out of: 4 PiB in blocks of 4 KiB.
const BLOCKS: u64 = 1 << 40;

/// A file system as the kernel's requests see it.
#[derive(Debug)]
pub struct Shell {
    fs: Arc<Fs>,
    runtime: Handle,
}

impl Shell {
    /// Answers with `fs`, and waits on `runtime`.
    pub fn new(fs: Arc<Fs>, runtime: Handle) -> Self {
        Self { fs, runtime }
    }

    fn run(&self, request: impl Future<Output = ()> + Send + 'static) {
        run(&self.runtime, request);
    }
}

impl Filesystem for Shell {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for wish in [
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_ATOMIC_O_TRUNC,
            InitFlags::FUSE_CACHE_SYMLINKS,
        ] {
            // An older kernel does without.
            let _ = config.add_capabilities(wish);
        }
        config.set_max_write(LARGEST).map_err(|_| io::ErrorKind::InvalidInput)?;
        config.set_max_background(BACKGROUND).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (fs, name) = (Arc::clone(&self.fs), name.to_owned());
        self.run(async move { reply_entry(reply, fs.lookup(parent.0, &name).await) });
    }

    fn forget(&self, _: &Request, ino: INodeNo, lookups: u64) {
        let fs = Arc::clone(&self.fs);
        self.run(async move { fs.forget(ino.0, lookups) });
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            match fs.getattr(ino.0) {
                Ok(entry) => reply.attr(&entry.ttl, &(&entry.attr).into()),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            match fs.readlink(ino.0).await {
                Ok(target) => reply.data(&target),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (fs, caller) = (Arc::clone(&self.fs), caller(request));
        self.run(async move {
            match fs.open(ino.0, flags.0, caller).await {
                // An inode is one version, so what the kernel has of it stays true.
                Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::FOPEN_KEEP_CACHE),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            match fs.read(handle.0, offset, size as usize).await {
                Ok(data) => reply.data(data.as_slice()),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.write_bytes(handle.0, offset, data, reply);
    }

    fn flush(&self, request: &Request, _: INodeNo, handle: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        let (fs, caller) = (Arc::clone(&self.fs), caller(request));
        self.run(async move { reply_done(reply, fs.flush(handle.0, caller).await) });
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        let fs = Arc::clone(&self.fs);
        self.run(async move { reply_done(reply, fs.fsync(handle.0).await) });
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            fs.release(handle.0).await;
            reply.ok();
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        self.create_file(request, parent.0, name, permissions(mode, umask), flags, reply);
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mode = mode.map(|mode| permissions(mode, 0));
        self.change(ino.0, Change { size, mode, uid, gid, modified: modified.map(time) }, reply);
    }

    /// Refused, as mknod(2) says of file systems without such nodes; files are made by `create`.
    fn mknod(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(fuser::Errno::EPERM);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let (fs, name, caller) = (Arc::clone(&self.fs), name.to_owned(), caller(request));
        let mode = permissions(mode, umask);
        self.run(async move { reply_entry(reply, fs.mkdir(parent.0, &name, mode, caller).await) });
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (fs, name) = (Arc::clone(&self.fs), name.to_owned());
        self.run(async move { reply_done(reply, fs.rmdir(parent.0, &name).await) });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (fs, name) = (Arc::clone(&self.fs), name.to_owned());
        self.run(async move { reply_done(reply, fs.unlink(parent.0, &name).await) });
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (fs, name, new) = (Arc::clone(&self.fs), name.to_owned(), new.to_owned());
        self.run(async move {
            reply_done(reply, fs.rename(parent.0, &name, new_parent.0, &new, flags.bits()).await);
        });
    }

    fn symlink(&self, _: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let (fs, name, target) = (Arc::clone(&self.fs), name.to_owned(), target.to_owned());
        self.run(async move {
            reply_entry(reply, fs.symlink(parent.0, &name, target.as_os_str()).await);
        });
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (fs, name) = (Arc::clone(&self.fs), name.to_owned());
        self.run(async move { reply_entry(reply, fs.link(ino.0, parent.0, &name).await) });
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        // Names are in S3 when the request that makes them is answered.
        reply.ok();
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            match fs.opendir(ino.0) {
                Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, cookie: u64, mut reply: ReplyDirectory) {
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            match fs.readdir(handle.0, cookie, Detail::Names, &mut reply).await {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn readdirplus(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        cookie: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            match fs.readdir(handle.0, cookie, Detail::Attributes, &mut reply).await {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            fs.releasedir(handle.0);
            reply.ok();
        });
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(BLOCKS, BLOCKS, BLOCKS, BLOCKS, BLOCKS, 4096, crate::fs::key::NAME_MAX as u32, 4096);
    }
}
