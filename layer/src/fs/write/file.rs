//! One file that is open for writing, or that has bytes which S3 does not have.

use std::ops::Range;
use std::sync::{Arc, Mutex as Lock};

use bytes::Bytes;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::content::{Content, Read};
use crate::fs::errno::Errno;
use crate::fs::inode::Ino;
use crate::fs::key::Place;
use crate::fs::sync::lock;
use crate::s3::Etag;

/// What an operation has made of the file, for its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes.
    pub size: u64,
    /// The object that the file is; `None` while it has bytes that S3 does not have.
    pub etag: Option<Etag>,
    /// Operations are counted: what is told later may have been before.
    number: u64,
}

/// What a handle leaves behind when it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Nothing: what was written through it was uploaded, or will be by others.
    Nothing,
    /// Bytes that were written through it, and perhaps not uploaded.
    Bytes,
    /// Half a file: its opener died of a signal, and [`File::orphan`] was told.
    Orphan,
}

/// See the module. Operations on one file happen one after the other.
#[derive(Debug)]
pub struct File {
    ino: Ino,
    content: Arc<Mutex<Content>>,
    users: Lock<Users>,
}

#[derive(Debug)]
struct Users {
    writers: usize,
    unlinked: bool,
    /// Closed by its opener, and the upload left for later.
    closed: bool,
    /// The number of the newest shape, and of the newest one that was noted.
    shapes: u64,
    noted: u64,
    /// Handles whose openers died of a signal.
    orphans: usize,
    /// That of the content, to be told without waiting for it.
    place: Place,
}

impl File {
    pub(super) fn new(ino: Ino, content: Content) -> Self {
        let users = Users {
            writers: 0,
            unlinked: false,
            closed: false,
            shapes: 0,
            noted: 0,
            orphans: 0,
            place: content.place().clone(),
        };
        Self { ino, content: Arc::new(Mutex::new(content)), users: Lock::new(users) }
    }

    /// The inode.
    #[must_use]
    pub fn ino(&self) -> Ino {
        self.ino
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// As [`Content::write`].
    pub async fn write(&self, offset: u64, data: Bytes) -> Result<Shape, Errno> {
        let mut content = self.content.lock().await;
        content.write(offset, data).await?;
        Ok(self.shape(&content))
    }

    /// Reads bytes, if they are not the object's.
    ///
    /// # Errors
    /// As [`Content::read`].
    pub async fn read(&self, range: Range<u64>) -> Result<Read, Errno> {
        self.content.lock().await.read(range).await
    }

    /// Gives the file another length. Without a writer who will close it the change is uploaded at once.
    ///
    /// # Errors
    /// As [`Content::truncate`] and [`Content::commit`].
    pub async fn truncate(&self, size: u64) -> Result<Shape, Errno> {
        let mut content = self.content.lock().await;
        content.truncate(size).await?;
        if !self.is_open() {
            self.commit_locked(&mut content).await?;
        }
        Ok(self.shape(&content))
    }

    /// Uploads what S3 does not have.
    ///
    /// # Errors
    /// As [`Content::commit`].
    pub async fn commit(&self) -> Result<Shape, Errno> {
        let mut content = self.content.lock().await;
        self.commit_locked(&mut content).await?;
        Ok(self.shape(&content))
    }

    /// Counts a handle that writes.
    pub(super) fn enter(&self) {
        self.users().writers += 1;
    }

    /// The file is read by whoever writes it.
    pub async fn expect_reading(&self) {
        self.content.lock().await.expect_reading();
    }

    /// Takes back one handle. With the last one, or if bytes written through this one are pending, what S3 does not
    /// have is uploaded; with the last one the bytes go, unless they could not be uploaded. Else nothing is: the kernel
    /// may tell of a handle's end when the next one has begun to write, and half a file is none.
    ///
    /// # Errors
    /// As [`Content::commit`]; `EINTR` if the file was given up.
    pub async fn release(&self, leaving: Leaving) -> Result<Shape, Errno> {
        let mut content = self.content.lock().await;
        let abandoned = self.is_abandoned();
        self.leave(leaving);
        let last = !self.is_open();
        if last && abandoned {
            content.give_up()?;
        }
        if last || leaving == Leaving::Bytes {
            self.commit_locked(&mut content).await?;
        }
        // Without a name nothing can be fetched again.
        if last && !self.is_unlinked() {
            content.let_go();
        }
        Ok(self.shape(&content))
    }

    /// Uploads what S3 does not have, at the end.
    ///
    /// # Errors
    /// As [`Content::commit`]; `EINTR` if the file was given up.
    pub(super) async fn finish(&self) -> Result<Shape, Errno> {
        let mut content = self.content.lock().await;
        if self.is_abandoned() {
            content.give_up()?;
        }
        self.commit_locked(&mut content).await?;
        Ok(self.shape(&content))
    }

    /// The opener of a handle has died of a signal; said once for each. A file that is being sent in parts is given up
    /// if only such handles are left: the object is the old one or none, and not the beginning of the new one. What is
    /// small or staged is kept as it is, as logs are.
    pub(super) fn orphan(&self) {
        self.users().orphans += 1;
    }

    fn is_abandoned(&self) -> bool {
        let users = self.users();
        users.orphans > 0 && users.orphans == users.writers
    }

    /// Takes back one handle, and nothing else.
    pub(super) fn leave(&self, leaving: Leaving) {
        let mut users = self.users();
        users.writers = users.writers.saturating_sub(1);
        if leaving == Leaving::Orphan {
            users.orphans = users.orphans.saturating_sub(1);
        }
    }

    /// Waits until nothing is under way, and keeps it so while the answer is held. Who holds several files takes them
    /// in the order of their inodes.
    pub async fn hold(&self) -> OwnedMutexGuard<Content> {
        Arc::clone(&self.content).lock_owned().await
    }

    /// The name is gone: nothing will be uploaded any more. `content` is what [`hold`](Self::hold) gave.
    pub fn unlink(&self, content: &mut Content) {
        self.users().unlinked = true;
        content.unlink();
    }

    /// Whether the name is gone.
    #[must_use]
    pub fn is_unlinked(&self) -> bool {
        self.users().unlinked
    }

    /// What the file is. `content` is what [`hold`](Self::hold) gave.
    pub(crate) fn shape(&self, content: &Content) -> Shape {
        let etag = content.base().filter(|_| !content.dirty()).map(|base| base.etag.clone());
        let mut users = self.users();
        users.shapes += 1;
        Shape { size: content.size(), etag, number: users.shapes }
    }

    /// Whether nothing newer has been noted; notes it.
    pub(super) fn is_news(&self, shape: &Shape) -> bool {
        let mut users = self.users();
        let news = shape.number > users.noted;
        users.noted = users.noted.max(shape.number);
        news
    }

    /// Whether more than one handle can write.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.users().writers > 1
    }

    /// Whether a handle can write.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.users().writers > 0
    }

    /// Why bytes are gone for good, if they are.
    pub async fn lost(&self) -> Option<Errno> {
        self.content.lock().await.lost()
    }

    /// Where it is, or is to be.
    #[must_use]
    pub fn place(&self) -> Place {
        self.users().place.clone()
    }

    /// It has another name. `content` is what [`hold`](Self::hold) gave, and `etag` the version that is there now, if
    /// S3 has the file.
    pub fn moved(&self, content: &mut Content, place: Place, etag: Option<Etag>) {
        self.users().place = place.clone();
        content.moved(place, etag);
    }

    /// Leaves the upload of a small file for later. False if that is not for this file.
    pub(super) async fn close_later(&self) -> bool {
        let content = self.content.lock().await;
        let later = content.dirty() && content.is_small();
        self.users().closed |= later;
        later
    }

    /// Whether the upload was left for later, and is not done.
    pub(super) fn is_closed(&self) -> bool {
        self.users().closed
    }

    async fn commit_locked(&self, content: &mut Content) -> Result<(), Errno> {
        if !self.is_unlinked() {
            content.commit().await?;
        }
        self.users().closed = false;
        Ok(())
    }

    fn users(&self) -> std::sync::MutexGuard<'_, Users> {
        lock(&self.users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::aws::Aws;
    use crate::fs::read::pool::Pool;
    use crate::fs::write::context::Context;
    use crate::s3::Client;

    fn file() -> File {
        let client = Client::new(Aws::read(|_| None).unwrap());
        let context = Arc::new(Context::new(client, Arc::new(Pool::new(32 << 20)), None));
        let place = Place { bucket: "b".into(), key: "k".into() };
        let file = File::new(2, Content::created(context, place));
        file.enter();
        file
    }

    #[tokio::test]
    async fn what_is_told_late_is_no_news() {
        let file = file();
        let first = file.write(0, Bytes::from_static(b"one")).await.unwrap();
        let second = file.write(3, Bytes::from_static(b"two")).await.unwrap();
        assert!(file.is_news(&second));
        assert!(!file.is_news(&first), "the file is longer by now");
        assert!(!file.is_news(&second));
        assert_eq!((first.size, second.size), (3, 6));
    }

    #[tokio::test]
    async fn a_file_is_abandoned_when_all_who_write_it_have_died() {
        let file = file();
        assert!(!file.is_abandoned());
        file.enter();
        file.orphan();
        assert!(!file.is_abandoned(), "one is left");
        file.leave(Leaving::Bytes);
        assert!(file.is_abandoned());
        file.leave(Leaving::Orphan);
        assert!(!file.is_abandoned() && !file.is_open());
    }
}
