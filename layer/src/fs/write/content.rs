//! The bytes of one file that is written: in memory while they come in order, staged else, on their way to S3.

use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

pub use super::base::{Base, Read};
use super::context::Context;
use super::parts::{FIRST_PART, Plan, SMALLEST_PART};
use super::staging::Staging;
use super::state::{Commit, Home, Phase, State, Truncation};
use super::tail::Tail;
use super::upload::Upload;
use crate::fs::errno::Errno;
use crate::fs::key::Place;
use crate::fs::read::pool::Charge;

/// See the module. Callers hold a lock around each operation.
#[derive(Debug)]
pub struct Content {
    pub(super) context: Arc<Context>,
    pub(super) plan: Plan,
    pub(super) state: State,
    /// Where the file is to be.
    pub(super) place: Place,
    /// The object there.
    pub(super) base: Option<Base>,
    /// An object of that name is in S3, though perhaps not with these bytes.
    pub(super) in_s3: bool,
    pub(super) tail: Tail,
    /// Memory of the tail, or of a staging file that is in memory.
    pub(super) memory: Option<Charge>,
    pub(super) upload: Option<Upload>,
    pub(super) staging: Option<Staging>,
    /// It began as the object: not all of its bytes were written here.
    pub(super) inherits: bool,
    /// It was made on condition that there is no object of that name.
    pub(super) exclusive: bool,
    /// The file is read as well, so its bytes must stay within reach.
    pub(super) reread: bool,
    /// Bytes were lost; why. Only a new start helps.
    pub(super) lost: Option<Errno>,
    pub(super) metadata: Vec<(&'static str, String)>,
}

impl Content {
    /// A file that S3 does not have.
    #[must_use]
    pub fn created(context: Arc<Context>, place: Place) -> Self {
        Self::new(context, place, State::created(), None)
    }

    /// A file that is an object.
    #[must_use]
    pub fn of_object(context: Arc<Context>, place: Place, base: Base) -> Self {
        Self::new(context, place, State::of_object(base.size), Some(base))
    }

    fn new(context: Arc<Context>, place: Place, state: State, base: Option<Base>) -> Self {
        Self {
            plan: Plan::within(context.pool().size() as u64 / 4),
            context,
            state,
            place,
            in_s3: base.is_some(),
            inherits: base.is_some(),
            exclusive: false,
            base,
            tail: Tail::default(),
            memory: None,
            upload: None,
            staging: None,
            reread: false,
            lost: None,
            metadata: Vec::new(),
        }
    }

    /// Writes `data` at `offset`.
    ///
    /// # Errors
    /// `EFBIG` above what can be uploaded, `ENOSPC` and others of the staging area, and S3's.
    pub async fn write(&mut self, offset: u64, data: Bytes) -> Result<(), Errno> {
        self.usable()?;
        if self.upload.as_ref().is_some_and(Upload::is_whole) {
            // Its last part is too short for another to follow.
            self.commit().await?;
        }
        let end = offset.checked_add(data.len() as u64).ok_or(Errno::EFBIG)?;
        if end > self.plan.largest_file() {
            return Err(Errno::EFBIG);
        }
        if data.is_empty() {
            return Ok(());
        }
        while self.in_memory(self.state.write(offset)).await? {
            if !self.hold(self.tail.len() + data.len() as u64) {
                self.relieve().await?;
                continue;
            }
            self.tail.push(data);
            self.state.wrote(end);
            return self.send_full_parts().await;
        }
        self.write_staged(offset, data).await
    }

    /// Reads a range, cut at the end of the file.
    ///
    /// # Errors
    /// Of the staging area, and S3's when bytes have to be fetched; `ESTALE` if the object is another one by now.
    pub async fn read(&mut self, range: Range<u64>) -> Result<Read, Errno> {
        self.usable()?;
        let range = range.start..range.end.min(self.state.size());
        if range.is_empty() {
            return Ok(Read::Here(Vec::new()));
        }
        match self.state.read(&range) {
            Home::Object => Ok(Read::InObject),
            Home::Tail | Home::LoadedTail => {
                let sent = self.sent();
                Ok(Read::Here(self.tail.read(range.start - sent..range.end - sent)))
            }
            Home::Staging => self.read_staged(range).await.map(|bytes| Read::Here(vec![bytes])),
        }
    }

    /// Gives the file another length; what is new is zero.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn truncate(&mut self, size: u64) -> Result<(), Errno> {
        let change = self.state.truncate(size);
        if change == Truncation::Restart || (self.lost.is_some() && size == 0) {
            self.restart();
            return Ok(());
        }
        self.usable()?;
        if size > self.plan.largest_file() {
            return Err(Errno::EFBIG);
        }
        let Truncation::In(home) = change else { return Ok(()) };
        if self.in_memory(home).await? {
            self.tail.truncate(size - self.sent());
            self.release_memory();
        } else {
            self.truncate_staged(size).await?;
        }
        self.state.truncated(size);
        Ok(())
    }

    /// The file will be read by whoever writes it.
    pub fn expect_reading(&mut self) {
        self.reread = true;
    }

    /// The object at the file's place, if the file is that.
    #[must_use]
    pub fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// Length of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.state.size()
    }

    /// Brings what only the object has of a file of one part at most here. False if that cannot be done.
    pub async fn keep(&mut self) -> bool {
        let size = self.state.size();
        size <= FIRST_PART
            && match self.state.phase() {
                Phase::Clean => self.load().await.unwrap_or(false),
                Phase::Streaming { .. } => true,
                Phase::Staged => self.make_present_exactly(0..size).await.is_ok(),
            }
    }

    /// Gives up what is being sent in parts.
    ///
    /// # Errors
    /// `EINTR` if it was.
    pub fn give_up(&mut self) -> Result<(), Errno> {
        match self.state.commit() {
            Commit::Finish => Err(self.lose(Errno::EINTR)),
            Commit::Nothing | Commit::Put | Commit::Patch => Ok(()),
        }
    }

    /// True if one PUT of what is in memory makes the object.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.lost.is_none() && matches!(self.state.phase(), Phase::Streaming { sent: 0 })
    }

    /// Whether the object is not what the file is.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.state.dirty()
    }

    /// Keeps a fact about the file with the object, from the next commit on.
    pub fn set_metadata(&mut self, name: &'static str, value: String) {
        self.metadata.retain(|(known, _)| *known != name);
        self.metadata.push((name, value));
    }

    /// Why bytes are gone for good, if they are.
    #[must_use]
    pub fn lost(&self) -> Option<Errno> {
        self.lost
    }

    /// Drops the bytes; the object has them.
    pub fn let_go(&mut self) {
        if !self.state.dirty() && self.base.is_some() {
            self.drop_bytes();
            self.state.enter(Home::Object);
        }
    }

    /// Drops all bytes and what was uploaded of them.
    pub(super) fn restart(&mut self) {
        self.drop_upload();
        self.drop_bytes();
        self.base = None;
        self.inherits = false;
        self.lost = None;
        self.state.restarted();
    }

    pub(super) fn drop_upload(&mut self) {
        if let Some(upload) = self.upload.take() {
            // Nobody waits for it: the object is not touched by it.
            tokio::spawn(upload.abort());
        }
    }

    pub(super) fn drop_bytes(&mut self) {
        self.tail = Tail::default();
        self.staging = None;
        self.memory = None;
    }

    pub(super) fn sent(&self) -> u64 {
        match self.state.phase() {
            Phase::Streaming { sent } => sent,
            Phase::Clean | Phase::Staged => 0,
        }
    }

    /// Remembers that bytes are gone, and says so.
    pub(super) fn lose(&mut self, errno: Errno) -> Errno {
        self.drop_upload();
        self.drop_bytes();
        self.lost = Some(errno);
        errno
    }

    pub(super) fn usable(&self) -> Result<(), Errno> {
        self.lost.map_or(Ok(()), Err)
    }

    /// Brings the bytes to memory if that is their home. False if they are to be staged.
    async fn in_memory(&mut self, home: Home) -> Result<bool, Errno> {
        match home {
            Home::Tail => {
                self.state.enter(Home::Tail);
                Ok(true)
            }
            Home::LoadedTail => self.load().await,
            Home::Object | Home::Staging => Ok(false),
        }
    }

    /// Fetches a small object, so that it can be sent again with more. False if there is no memory for it.
    async fn load(&mut self) -> Result<bool, Errno> {
        if !self.hold(self.state.size()) {
            return Ok(false);
        }
        let mut tail = Tail::default();
        for bytes in self.fetch_all().await? {
            tail.push(bytes);
        }
        self.tail = tail;
        self.state.enter(Home::LoadedTail);
        Ok(true)
    }

    /// Makes room when all the memory there is for what waits is taken: by what ends by itself, or by a part that is
    /// smaller than it was to be, or by leaving memory.
    async fn relieve(&mut self) -> Result<(), Errno> {
        if let Some(upload) = &mut self.upload {
            match upload.wait().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(errno) => return Err(self.lose(errno)),
            }
        }
        if self.tail.len() >= SMALLEST_PART && !self.reread {
            self.send(self.tail.len()).await
        } else {
            self.stage().await
        }
    }

    /// Sends parts, but never the last bytes: a file that ends here is sent by one PUT, or these are its last part.
    async fn send_full_parts(&mut self) -> Result<(), Errno> {
        loop {
            let size = self.plan.size(self.upload.as_ref().map_or(1, Upload::next_number));
            if self.tail.len() <= size {
                return Ok(());
            }
            if self.reread {
                return self.stage().await;
            }
            self.send(size).await?;
        }
    }

    /// Sends the first `size` bytes in memory as a part.
    pub(super) async fn send(&mut self, size: u64) -> Result<(), Errno> {
        self.begin_upload().await?;
        let body = self.tail.take(size);
        let memory = self.memory.as_mut().map(|memory| memory.split(size));
        self.state.sent(size);
        let Some(upload) = &mut self.upload else { return Err(Errno::EIO) };
        match upload.send(body, memory).await {
            Ok(()) => Ok(()),
            Err(errno) => Err(self.lose(errno)),
        }
    }

    async fn begin_upload(&mut self) -> Result<(), Errno> {
        if self.upload.is_none() {
            let upload = Upload::begin(
                self.context.client(),
                self.context.uploads(),
                self.place.clone(),
                &self.metadata(),
            )
            .await?;
            self.upload = Some(upload);
        }
        Ok(())
    }

    pub(super) fn metadata(&self) -> Vec<(&str, &str)> {
        self.metadata.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// Takes memory until there is enough for so many bytes. False if there is not.
    pub(super) fn hold(&mut self, bytes: u64) -> bool {
        let held = self.memory.as_ref().map_or(0, Charge::bytes);
        let Some(more) = bytes.checked_sub(held).filter(|more| *more > 0) else { return true };
        let Some(charge) = self.context.pool().reserve_ahead(more as usize) else { return false };
        match &mut self.memory {
            Some(memory) => memory.join(charge),
            None => self.memory = Some(charge),
        }
        true
    }

    fn release_memory(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.shrink(self.tail.len());
        }
    }
}
