//! The staged part of a file's content: what is written out of order, and what is read again.

use bytes::{Bytes, BytesMut};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::area::Area;
use super::content::{Base, Content};
use super::parts::MIB;
use super::staging::{Staging, read_at};
use super::state::{Home, Phase};
use crate::fs::errno::Errno;
use crate::s3::Get;

/// Objects are fetched in steps of this.
const STEP: u64 = MIB;

impl Content {
    /// Moves what is in memory to a staging file, which needs no network. Parts that were sent stay where they are
    /// until their bytes are wanted.
    pub(super) async fn stage(&mut self) -> Result<(), Errno> {
        let kept = match self.state.phase() {
            Phase::Staged => return Ok(()),
            Phase::Clean => self.state.size(),
            Phase::Streaming { sent } => sent,
        };
        let context = Arc::clone(&self.context);
        let mut staging = disk(move || Staging::new(context.area().open()?, kept)).await?;
        let tail = self.tail.all();
        let len = self.tail.len();
        write_all(&staging, kept, tail).await?;
        staging.wrote(kept..kept + len);
        // A staging file in memory goes on with the memory of its bytes.
        let memory = self.memory.take().filter(|_| *self.context.area() == Area::Memory);
        self.drop_bytes();
        self.memory = memory;
        self.staging = Some(staging);
        self.state.enter(Home::Staging);
        Ok(())
    }

    pub(super) async fn write_staged(&mut self, offset: u64, data: Bytes) -> Result<(), Errno> {
        self.stage().await?;
        let range = offset..offset + data.len() as u64;
        let absent = self.staging()?.absent_to_write(&range);
        self.fetch(absent).await?;
        self.reserve(range.clone())?;
        let staging = self.staging()?;
        write_all(staging, offset, vec![data]).await?;
        staging.wrote(range.clone());
        self.state.wrote(range.end);
        Ok(())
    }

    pub(super) async fn truncate_staged(&mut self, size: u64) -> Result<(), Errno> {
        self.stage().await?;
        self.staging()?.truncate(size).map_err(|error| errno_of(&error))
    }

    pub(super) async fn read_staged(&mut self, range: Range<u64>) -> Result<Bytes, Errno> {
        self.stage().await?;
        self.make_present(range.clone()).await?;
        self.read_piece(range).await
    }

    /// Reads bytes that are present.
    pub(super) async fn read_piece(&mut self, range: Range<u64>) -> Result<Bytes, Errno> {
        let file = self.staging()?.file();
        disk(move || {
            let mut buffer = BytesMut::zeroed((range.end - range.start) as usize);
            read_at(&file, &mut buffer, range.start)?;
            Ok(buffer.freeze())
        })
        .await
    }

    /// Fetches what `range` lacks, and some around it: the next read is likely near.
    async fn make_present(&mut self, range: Range<u64>) -> Result<(), Errno> {
        if self.staging()?.absent(range.clone()).is_empty() {
            return Ok(());
        }
        let around = range.start / STEP * STEP..range.end.next_multiple_of(STEP);
        let absent = self.staging()?.absent(around);
        self.fetch(absent).await
    }

    /// Makes `range` present, and nothing else.
    pub(super) async fn make_present_exactly(&mut self, range: Range<u64>) -> Result<(), Errno> {
        let absent = self.staging()?.absent(range);
        self.fetch(absent).await
    }

    async fn fetch(&mut self, ranges: Vec<Range<u64>>) -> Result<(), Errno> {
        if ranges.is_empty() {
            return Ok(());
        }
        self.settle().await?;
        let (base, place) = (self.base.clone().ok_or(Errno::EIO)?, self.place.clone());
        for range in ranges {
            self.reserve(range.clone())?;
            let get = Get { range: Some(range.clone()), if_match: Some(&base.etag) };
            let object = self.context.client().get_resumed(&place.bucket, &place.key, get).await;
            let mut body = object.map_err(|error| Errno::of_read(&error))?.body;
            let mut at = range.start;
            while let Some(bytes) = body.next().await {
                let bytes = bytes.map_err(|error| Errno::of_read(&error))?;
                let end = at + bytes.len() as u64;
                if end > range.end {
                    return Err(Errno::EREMOTEIO);
                }
                let staging = self.staging()?;
                write_all(staging, at, vec![bytes]).await?;
                staging.fetched(at..end);
                at = end;
            }
            if at != range.end {
                return Err(Errno::EREMOTEIO);
            }
        }
        Ok(())
    }

    /// The whole object, which is small.
    pub(super) async fn fetch_all(&self) -> Result<Vec<Bytes>, Errno> {
        let base = self.base.as_ref().ok_or(Errno::EIO)?;
        let get = Get { range: None, if_match: Some(&base.etag) };
        let object = self.context.client().get_resumed(&self.place.bucket, &self.place.key, get).await;
        let mut body = object.map_err(|error| Errno::of_read(&error))?.body;
        let (mut all, mut len) = (Vec::new(), 0);
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| Errno::of_read(&error))?;
            len += bytes.len() as u64;
            if len > base.size {
                return Err(Errno::EREMOTEIO);
            }
            all.push(bytes);
        }
        if len == base.size { Ok(all) } else { Err(Errno::EREMOTEIO) }
    }

    /// Parts that were sent can be read, and copied, only as an object: the upload is finished with what it has.
    /// The object is then the beginning of the file for as long as it takes to commit the rest.
    pub(super) async fn settle(&mut self) -> Result<(), Errno> {
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        let size = upload.sent();
        match upload.finish(self.condition()).await {
            Ok(etag) => {
                (self.in_s3, self.exclusive) = (true, false);
                self.base = Some(Base { etag, size });
                Ok(())
            }
            Err(failure) => {
                self.upload = Some(upload);
                Err(if failure.passes { failure.errno } else { self.lose(failure.errno) })
            }
        }
    }

    /// Memory for bytes that are new in a staging file, if that is in memory.
    fn reserve(&mut self, range: Range<u64>) -> Result<(), Errno> {
        if *self.context.area() != Area::Memory {
            return Ok(());
        }
        let bytes = self.staging()?.bytes_with(range);
        if self.hold(bytes) { Ok(()) } else { Err(Errno::ENOSPC) }
    }

    pub(super) fn staging(&mut self) -> Result<&mut Staging, Errno> {
        self.staging.as_mut().ok_or(Errno::EIO)
    }
}

async fn write_all(staging: &Staging, offset: u64, chunks: Vec<Bytes>) -> Result<(), Errno> {
    let file = staging.file();
    disk(move || {
        let mut at = offset;
        for chunk in chunks {
            file.write_all_at(&chunk, at)?;
            at += chunk.len() as u64;
        }
        Ok(())
    })
    .await
}

/// Runs what a disk may take its time for on a thread that may wait.
pub(super) async fn disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Errno> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| errno_of(&error)),
        Err(_) => Err(Errno::EIO),
    }
}

/// A full disk is told as such; all else is a fault of this machine.
fn errno_of(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Errno::ENOSPC,
        io::ErrorKind::FileTooLarge => Errno::EFBIG,
        _ => Errno::EIO,
    }
}
