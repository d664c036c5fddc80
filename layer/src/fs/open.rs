//! Opening files for reading.
//!
//! An open file reads one version of its object. Opening makes sure that it is the newest: what was confirmed within
//! the last second is believed, else S3 is asked. If the object was replaced meanwhile the answer is `ESTALE`, on
//! which the kernel looks the name up again and opens what it stands for now.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Fs;
use super::attr::{Kind, Moment};
use super::errno::Errno;
use super::inode::{Found, Ino};
use super::key::Place;
use super::read::cache::{Block, Source};
use super::read::{Data, Reader};
use super::sync::lock;
use super::write::caller::Caller;
use super::write::content::Read;
use super::write::file::File;
use super::write::ops::Writer;

use crate::notice;
use crate::s3::{Etag, Get, Kind as Failure};

/// What is younger is opened without asking.
const FRESH: Duration = Duration::from_secs(1);
/// Objects up to this size are opened by reading them: one round trip for both.
const AT_ONCE: u64 = 1 << 20;

/// A file that is open.
#[derive(Debug)]
pub struct OpenFile {
    /// The inode.
    pub ino: Ino,
    /// The flags of open(2).
    pub flags: i32,
    /// What reads it, as soon as it is read.
    pub reader: Mutex<Option<Arc<Reader>>>,
    /// What writes it, if it is open for that.
    pub writer: Option<Writer>,
    /// What has its bytes when S3 does not have them any more.
    pub kept: Mutex<Option<Arc<File>>>,
}

/// What is needed to open a version.
struct Version {
    place: Place,
    parent: Ino,
    etag: Etag,
    size: u64,
    checked: Moment,
    archived: bool,
}

impl Fs {
    /// Opens a file, with the flags of open(2). Returns its handle.
    ///
    /// # Errors
    /// As [`Self::open_read`] or [`Self::open_write`].
    pub async fn open(self: &Arc<Self>, ino: Ino, flags: i32, caller: Caller) -> Result<u64, Errno> {
        if flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0 {
            return self.open_write(ino, flags, caller).await;
        }
        if let Some(file) = self.written.get(ino) {
            // Who closed it last waits for S3; so does who opens it next. While it is being written it is read as far
            // as it is.
            if !file.is_open() && !self.settings.async_commit {
                self.commit(&file).await?;
            }
            let (reader, kept) = (Mutex::default(), Mutex::new(Some(file)));
            return Ok(self.files.add(OpenFile { ino, flags, reader, writer: None, kept }));
        }
        self.open_read(ino, flags).await
    }

    /// Opens a file for reading. Returns its handle.
    ///
    /// # Errors
    /// `EBUSY` for what is in the archive; `ESTALE` if the inode's version is not the newest; what S3 says.
    pub async fn open_read(self: &Arc<Self>, ino: Ino, flags: i32) -> Result<u64, Errno> {
        let mut version = self.version(ino)?;
        if version.archived {
            version.checked = self.restored(ino, &version).await?;
        }
        let block = match self.small.take(&version.place, &version.etag) {
            Some(ready)
                if ready.checked.age(self.clock.now()) < FRESH
                    && ready.block.wait(version.size).await.is_ok() =>
            {
                Some(ready.block)
            }
            ready => self.confirm(ino, &version).await?.or(ready.map(|ready| ready.block)),
        };
        let source = self.source(ino, &version.place, &version.etag, version.size);
        self.fetch_next_files(version.parent, &version.place, version.size);
        let reader = Mutex::new(Some(Reader::new(source, block)));
        Ok(self.files.add(OpenFile { ino, flags, reader, writer: None, kept: Mutex::default() }))
    }

    fn version(&self, ino: Ino) -> Result<Version, Errno> {
        let table = self.table();
        // The kernel may know an inode by a name that it does not have any more: it looks that up again.
        let node = table.get(ino).filter(|node| !node.is_detached()).ok_or(Errno::ESTALE)?;
        match node.kind {
            Kind::Directory => return Err(Errno::EISDIR),
            Kind::Symlink => return Err(Errno::ELOOP),
            Kind::File => {}
        }
        let place = table.place(ino).ok_or(Errno::ESTALE)?;
        let etag = node.etag.clone().ok_or(Errno::ESTALE)?;
        let (parent, size, checked, archived) = (node.parent(), node.size, node.checked, node.archived);
        Ok(Version { place, parent, etag, size, checked, archived })
    }

    /// Makes sure that an archived version has been restored, of which a listing says nothing. Returns when S3 was
    /// asked.
    async fn restored(&self, ino: Ino, version: &Version) -> Result<Moment, Errno> {
        let (now, place) = (self.clock.now(), &version.place);
        let meta = self.client.head(&place.bucket, &place.key).await?;
        if meta.etag != version.etag {
            self.outdated(ino, version);
            return Err(Errno::ESTALE);
        }
        if meta.archived {
            notice::say(format_args!(
                "s3://{}/{} is in the archive; restore it before it is read",
                place.bucket, place.key
            ));
            return Err(Errno::EBUSY);
        }
        if let Some(node) = self.table().get_mut(ino).filter(|node| node.is_version(&version.etag)) {
            (node.archived, node.checked) = (false, node.checked.max(now));
        }
        Ok(now)
    }

    /// Makes sure that a version is the newest; may bring all of its data.
    async fn confirm(self: &Arc<Self>, ino: Ino, version: &Version) -> Result<Option<Arc<Block>>, Errno> {
        let now = self.clock.now();
        if version.checked.age(now) < FRESH {
            return Ok(None);
        }
        let place = &version.place;
        let charge =
            (1..=AT_ONCE).contains(&version.size).then(|| self.pool.reserve_ahead(version.size as usize));
        let answer = match charge.flatten() {
            None => self.client.head(&place.bucket, &place.key).await.map(|meta| (meta, None)),
            Some(charge) => {
                let object = self.client.get_resumed(&place.bucket, &place.key, Get::default()).await;
                object.map(|object| (object.meta, Some((object.body, charge))))
            }
        };
        let (meta, body) = answer.map_err(|error| {
            // Only of the name that was asked for does this say that it is gone.
            let moved = error.kind() == Failure::NoSuchKey && !self.outdated(ino, version);
            if moved { Errno::ESTALE } else { error.into() }
        })?;
        let found = self.found_object(&meta, now);
        if meta.etag != version.etag {
            self.outdated(ino, version);
            return Err(Errno::ESTALE);
        }
        self.confirmed(ino, found);
        let source = || self.source(ino, place, &version.etag, version.size);
        Ok(body.map(|(body, charge)| source().whole(body, charge)))
    }

    fn source(&self, ino: Ino, place: &Place, etag: &Etag, size: u64) -> Arc<Source> {
        let (client, pool) = (self.client.clone(), Arc::clone(&self.pool));
        self.sources.get(ino, Source::new(client, pool, place.clone(), etag.clone(), size))
    }

    /// The name does not stand for this version any more, whatever was listed. False if the inode was written, removed
    /// or replaced here while S3 was asked: then the answer says nothing of it.
    fn outdated(&self, ino: Ino, version: &Version) -> bool {
        let mut table = self.table();
        if !table.get(ino).is_some_and(|node| node.is_version(&version.etag)) {
            return false;
        }
        table.detach(ino);
        drop(table);
        self.listings.changed(&version.place.folder());
        true
    }

    fn confirmed(&self, ino: Ino, found: Found) {
        if let Some(node) = self.table().get_mut(ino) {
            node.checked = node.checked.max(found.checked);
        }
    }

    /// Reads from an open file; fewer bytes only at its end.
    ///
    /// # Errors
    /// `ESTALE` if the object was replaced or removed since it was opened; what S3 says.
    pub async fn read(&self, handle: u64, offset: u64, bytes: usize) -> Result<Data, Errno> {
        let file = self.files.get(handle).ok_or(Errno::EBADF)?;
        let kept = lock(&file.kept).clone();
        if let Some(written) = self.written.get(file.ino).or(kept) {
            let range = offset..offset.saturating_add(bytes as u64);
            if let Read::Here(chunks) = written.read(range).await? {
                return Ok(Data::new(chunks.concat()));
            }
        }
        match self.reader_of(&file)?.read(offset, bytes).await {
            // It was renamed here, or written and closed.
            Err(Errno::ESTALE) if self.has_moved(&file) => self.reader_of(&file)?.read(offset, bytes).await,
            read => read.inspect_err(|&error| {
                if error == Errno::ESTALE {
                    self.doubt(file.ino);
                }
            }),
        }
    }

    /// What reads the version that the inode is by now.
    fn reader_of(&self, file: &OpenFile) -> Result<Arc<Reader>, Errno> {
        let mut reader = lock(&file.reader);
        let table = self.table();
        let node = table.get(file.ino).ok_or(Errno::ESTALE)?;
        if let Some(reader) = &*reader
            && (node.is_detached() || node.etag.as_ref() == Some(reader.source().etag()))
        {
            return Ok(Arc::clone(reader));
        }
        let (etag, size) = (node.etag.clone().ok_or(Errno::ESTALE)?, node.size);
        let place = table.place(file.ino).ok_or(Errno::ESTALE)?;
        let source = self.source(file.ino, &place, &etag, size);
        Ok(Arc::clone(reader.insert(Reader::new(source, None))))
    }

    /// Forgets the reader of a file that is at another place or another version by now. False if it is what it was.
    fn has_moved(&self, file: &OpenFile) -> bool {
        let mut reader = lock(&file.reader);
        let table = self.table();
        let moved = table.get(file.ino).filter(|node| !node.is_detached()).is_some_and(|node| {
            reader.as_ref().is_some_and(|reader| {
                let (place, etag) = (reader.source().place(), reader.source().etag());
                node.etag.as_ref() != Some(etag) || table.place(file.ino).as_ref() != Some(place)
            })
        });
        if moved {
            self.sources.forget(file.ino);
            *reader = None;
        }
        moved
    }

    /// Closes an open file. What was written is in S3 afterwards, or is kept for another attempt, or is told as lost
    /// in the end.
    pub async fn release(&self, handle: u64) {
        let Some(file) = self.files.remove(handle) else { return };
        if let Some(writer) = &file.writer {
            self.close_writer(writer).await;
        }
        let ino = file.ino;
        drop(file);
        self.sources.drop_unused(ino);
    }
}
