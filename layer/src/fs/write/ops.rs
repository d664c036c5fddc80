//! The kernel's requests that create and write files.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::caller::{Caller, dies_of_signal, has_another, same_process};
use super::content::Base;
use super::file::{File, Leaving, Shape};
use super::order::is_barrier;
use crate::fs::Fs;
use crate::fs::attr::{Entry, Kind, Time};
use crate::fs::errno::Errno;
use crate::fs::inode::{Found, Ino, ROOT, Validity};
use crate::fs::key::Place;
use crate::fs::names::new_name;
use crate::fs::open::OpenFile;
use crate::s3::{Etag, Kind as Failure};

/// What is younger is written to without asking whether it is the newest version.
const FRESH: Duration = Duration::from_secs(1);

/// The part of an open file that writes.
#[derive(Debug)]
pub struct Writer {
    file: Arc<File>,
    opener: u32,
    /// Bytes were written through this handle, and no upload of its own has succeeded since.
    pending: AtomicBool,
    /// The opener died of a signal.
    orphaned: AtomicBool,
}

impl Writer {
    fn leaving(&self) -> Leaving {
        match (self.orphaned.load(Ordering::Relaxed), self.pending.load(Ordering::Relaxed)) {
            (true, _) => Leaving::Orphan,
            (false, true) => Leaving::Bytes,
            (false, false) => Leaving::Nothing,
        }
    }
}

impl Fs {
    /// Makes a file and opens it. S3 learns of it when it is closed.
    ///
    /// # Errors
    /// `EROFS`, `EPERM` for a bucket, `EEXIST` if somebody was faster, `ENAMETOOLONG`.
    pub async fn create(
        &self,
        parent: Ino,
        name: &OsStr,
        mode: u16,
        flags: i32,
        caller: Caller,
    ) -> Result<(Entry, u64), Errno> {
        let name = new_name(name)?;
        loop {
            self.moving.wait(&self.new_place(parent, name)?).await;
            self.not_a_link(&self.folder(parent)?, name).await?;
            let still = self.moving.still();
            let place = self.new_place(parent, name)?;
            if still.moves(&place) {
                continue;
            }
            let entry = self.add_local(parent, name, mode, caller)?;
            let file = self.written.create(entry.attr.ino, place, reads(flags), flags & libc::O_EXCL != 0);
            return Ok((entry, self.add_writer(file, flags, caller)));
        }
    }

    /// Opens a file for writing. Returns its handle.
    ///
    /// # Errors
    /// `EROFS`; `ESTALE` if the inode's version is not the newest and its bytes matter; what S3 says.
    pub async fn open_write(&self, ino: Ino, flags: i32, caller: Caller) -> Result<u64, Errno> {
        let truncates = flags & libc::O_TRUNC != 0;
        let file = self.enter_written(ino, truncates).await?;
        if reads(flags) {
            file.expect_reading().await;
        }
        if truncates {
            match file.truncate(0).await {
                Ok(shape) => self.note(&file, &shape),
                Err(errno) => {
                    self.leave_written(&file, Leaving::Nothing).await?;
                    return Err(errno);
                }
            }
        }
        Ok(self.add_writer(file, flags, caller))
    }

    /// Writes bytes to an open file.
    ///
    /// # Errors
    /// `EBADF` if it is not open for writing; `EFBIG`, `ENOSPC`; what S3 says.
    pub async fn write(&self, handle: u64, offset: u64, data: Bytes) -> Result<(), Errno> {
        let open = self.files.get(handle).ok_or(Errno::EBADF)?;
        let writer = open.writer.as_ref().ok_or(Errno::EBADF)?;
        let shape = writer.file.write(offset, data).await?;
        writer.pending.store(true, Ordering::Relaxed);
        self.note(&writer.file, &shape);
        Ok(())
    }

    /// A descriptor of an open file is closed. What was written is in S3 afterwards, unless the opener has another
    /// descriptor of it, or the one that is closed is a copy in another process: shells make such for each redirection,
    /// and the last one is still to be closed.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn flush(&self, handle: u64, caller: Caller) -> Result<(), Errno> {
        let open = self.files.get(handle).ok_or(Errno::EBADF)?;
        let Some(writer) = &open.writer else { return Ok(()) };
        if !same_process(writer.opener, caller.pid) {
            self.close_copy(&writer.file).await;
            return Ok(());
        }
        if dies_of_signal(caller.pid) {
            if !writer.orphaned.swap(true, Ordering::Relaxed) {
                writer.file.orphan();
            }
            return Ok(());
        }
        let Place { bucket, key } = writer.file.place();
        let path = self.mount_point.get().map(|root| root.join(&*bucket).join(key));
        if path.is_some_and(|path| has_another(caller.pid, &path)) {
            self.close_copy(&writer.file).await;
            return Ok(());
        }
        self.commit_closed(&writer.file).await?;
        // A program that still writes while it closes does not know itself what it wants.
        writer.pending.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Uploads what was written to an open file.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn fsync(&self, handle: u64) -> Result<(), Errno> {
        let open = self.files.get(handle).ok_or(Errno::EBADF)?;
        self.barrier().await?;
        match &open.writer {
            Some(writer) => self.commit(&writer.file).await,
            None => Ok(()),
        }
    }

    /// The last descriptor of an open file is closed. An error here reaches nobody but the next who opens the file,
    /// and the list of lost files.
    pub(crate) async fn close_writer(&self, writer: &Writer) {
        // Told where it matters: by the next commit, and at the end.
        let _ = self.leave_written(&writer.file, writer.leaving()).await;
    }

    /// Uploads what a file has that S3 has not.
    pub(crate) async fn commit(&self, file: &Arc<File>) -> Result<(), Errno> {
        let shape = file.commit().await?;
        self.note(file, &shape);
        Ok(())
    }

    /// A file with one more handle that writes; [`leave_written`](Self::leave_written) takes it back.
    pub(crate) async fn enter_written(&self, ino: Ino, truncates: bool) -> Result<Arc<File>, Errno> {
        if let Some(file) = self.written.reopen(ino) {
            return Ok(file);
        }
        let (place, etag, fresh) = {
            let table = self.table();
            let node = table.get(ino).filter(|node| !node.is_detached()).ok_or(Errno::ESTALE)?;
            match node.kind {
                Kind::File => {}
                Kind::Directory => return Err(Errno::EISDIR),
                Kind::Symlink => return Err(Errno::ELOOP),
            }
            if node.archived && !truncates {
                return Err(Errno::EBUSY);
            }
            let etag = node.etag.clone().ok_or(Errno::ESTALE)?;
            let fresh = node.checked.age(self.clock.now()) < FRESH;
            (table.place(ino).ok_or(Errno::ESTALE)?, etag, fresh)
        };
        self.writable(&place)?;
        if !fresh && !truncates {
            self.confirm_version(ino, &place, &etag).await?;
        }
        self.enter(ino).await
    }

    /// The same, whether it is the newest version or not. While a folder above moves it waits.
    pub(crate) async fn enter(&self, ino: Ino) -> Result<Arc<File>, Errno> {
        loop {
            if let Some(file) = self.written.reopen(ino) {
                return Ok(file);
            }
            let place = self.table().place(ino).ok_or(Errno::ESTALE)?;
            self.moving.wait(&place).await;
            let still = self.moving.still();
            // Who renames the file counts as one who writes it until the table has the new name.
            let table = self.table();
            let place = table.place(ino).ok_or(Errno::ESTALE)?;
            if !still.moves(&place) {
                let node = table.get(ino).filter(|node| !node.is_detached()).ok_or(Errno::ESTALE)?;
                let etag = node.etag.clone().ok_or(Errno::ESTALE)?;
                return Ok(self.written.open(ino, place, Base { etag, size: node.size }));
            }
        }
    }

    /// Takes back a handle that writes; what was written is in S3 afterwards if it was the last one, or if it leaves
    /// bytes.
    pub(crate) async fn leave_written(&self, file: &Arc<File>, leaving: Leaving) -> Result<(), Errno> {
        if is_barrier(&file.place().key) && !file.is_unlinked() {
            // What could not be uploaded before holds this one back as well, until the end.
            if let Err(errno) = self.barrier().await {
                file.leave(leaving);
                return Err(errno);
            }
        }
        let released = file.release(leaving).await;
        if let Ok(shape) = &released {
            self.note(file, shape);
        }
        if self.written.settle(file).await && released.is_err() {
            // It never got to S3: what is there, if anything, is what the name stands for, by another inode.
            let mut table = self.table();
            if let Some(node) = table.get_mut(file.ino()) {
                node.etag = None;
            }
            table.detach(file.ino());
            drop(table);
            self.changed(&file.place().folder());
        }
        released.map(drop)
    }

    /// Puts into the table what became of a file.
    pub(crate) fn note(&self, file: &File, shape: &Shape) {
        if file.is_unlinked() {
            return;
        }
        let ino = file.ino();
        let mut table = self.table();
        if !file.is_news(shape) {
            return;
        }
        let Some(node) = table.get_mut(ino) else { return };
        let parent = node.parent();
        node.size = shape.size;
        match &shape.etag {
            None => {
                node.modified = Time::from(SystemTime::now());
                table.set_local(ino, true);
            }
            Some(etag) if node.etag.as_ref() == Some(etag) && !node.is_local() => {}
            Some(etag) => {
                node.etag = Some(etag.clone());
                (node.checked, node.valid, node.archived) = (self.clock.now(), Validity::Asked, false);
                table.set_local(ino, false);
                let folder = table.place(parent);
                // The kernel may have forgotten it while it was only here.
                table.forget(ino, 0);
                drop(table);
                self.sources.forget(ino);
                folder.iter().for_each(|folder| self.changed(folder));
            }
        }
    }

    /// Where a name of a folder is to be, if it may.
    pub(crate) fn new_place(&self, parent: Ino, name: &str) -> Result<Place, Errno> {
        if parent == ROOT {
            return Err(Errno::EPERM);
        }
        let place = self.folder(parent)?.child(name)?;
        self.writable(&place)?;
        Ok(place)
    }

    /// # Errors
    /// `EROFS` where the configuration says that nothing is written.
    pub(crate) fn writable(&self, place: &Place) -> Result<(), Errno> {
        if self.settings.buckets.is_read_only(&place.bucket, &place.key) {
            return Err(Errno::EROFS);
        }
        Ok(())
    }

    /// A new name in the table, which S3 does not have.
    fn add_local(&self, parent: Ino, name: &str, mode: u16, caller: Caller) -> Result<Entry, Errno> {
        let now = Time::from(SystemTime::now());
        let found = Found {
            kind: Kind::File,
            size: 0,
            modified: now,
            etag: None,
            archived: false,
            checked: self.clock.now(),
            valid: Validity::Asked,
        };
        let mut table = self.table();
        if let Some(known) = table.child(parent, name) {
            if table.get(known).is_some_and(|node| node.is_local()) {
                return Err(Errno::EEXIST);
            }
            table.detach(known);
        }
        let ino = table.add(parent, name, found);
        table.remember(ino);
        table.set_local(ino, true);
        if let Some(node) = table.get_mut(ino) {
            node.mode = mode & 0o7777;
        }
        table.set_owner(ino, Some(caller.uid), Some(caller.gid));
        if let Some(folder) = table.get_mut(parent) {
            folder.modified = now;
        }
        self.entry_of(&table, ino).ok_or(Errno::EIO)
    }

    fn add_writer(&self, file: Arc<File>, flags: i32, caller: Caller) -> u64 {
        let (ino, kept) = (file.ino(), Mutex::new(Some(Arc::clone(&file))));
        let (pending, orphaned) = (AtomicBool::new(false), AtomicBool::new(false));
        let writer = Some(Writer { file, opener: caller.pid, pending, orphaned });
        self.files.add(OpenFile { ino, flags, reader: Mutex::default(), writer, kept })
    }

    /// Makes sure that a version is the newest.
    async fn confirm_version(&self, ino: Ino, place: &Place, etag: &Etag) -> Result<(), Errno> {
        let now = self.clock.now();
        let meta = match self.client.head(&place.bucket, &place.key).await {
            Ok(meta) => Some(meta),
            Err(error) if error.kind() == Failure::NoSuchKey => None,
            Err(error) => return Err(error.into()),
        };
        let mut table = self.table();
        if meta.is_none_or(|meta| meta.etag != *etag) {
            // What was written, removed or replaced here meanwhile is not what was asked for.
            if !table.get(ino).is_some_and(|node| node.is_version(etag)) {
                return Err(Errno::ESTALE);
            }
            table.detach(ino);
            drop(table);
            self.changed(&place.folder());
            return Err(Errno::ESTALE);
        }
        if let Some(node) = table.get_mut(ino) {
            node.checked = node.checked.max(now);
        }
        Ok(())
    }
}

fn reads(flags: i32) -> bool {
    flags & libc::O_ACCMODE == libc::O_RDWR
}
