//! All files that are written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::content::{Base, Content};
use super::context::Context;
use super::drain::Lost;
use super::file::File;
use super::uploads::Uploads;
use crate::fs::inode::Ino;
use crate::fs::key::Place;
use crate::fs::sync::lock;

/// Lost files that are remembered by name.
const LOST: usize = 1000;

/// The files by their inodes, and what was lost.
#[derive(Debug)]
pub struct Files {
    context: Arc<Context>,
    files: Mutex<HashMap<Ino, Arc<File>>>,
    lost: Mutex<Vec<Lost>>,
}

impl Files {
    /// None yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context: Arc::new(context), files: Mutex::default(), lost: Mutex::default() }
    }

    /// The file, if it is written.
    #[must_use]
    pub fn get(&self, ino: Ino) -> Option<Arc<File>> {
        self.files().get(&ino).cloned()
    }

    /// A file that S3 does not have, with one handle that writes, and perhaps reads; `exclusive` if S3 must have no
    /// other by then.
    pub fn create(&self, ino: Ino, place: Place, reads: bool, exclusive: bool) -> Arc<File> {
        self.regained(&place);
        self.enter(ino, || {
            let mut content = Content::created(self.context.clone(), place);
            if reads {
                content.expect_reading();
            }
            if exclusive {
                content.be_the_only();
            }
            content
        })
    }

    /// A file that is an object, or is written already; one more handle writes it now.
    pub fn open(&self, ino: Ino, place: Place, base: Base) -> Arc<File> {
        self.enter(ino, || Content::of_object(self.context.clone(), place, base))
    }

    /// The file with one more handle that writes, if it is written already.
    #[must_use]
    pub fn reopen(&self, ino: Ino) -> Option<Arc<File>> {
        let files = self.files();
        let file = files.get(&ino)?;
        file.enter();
        Some(Arc::clone(file))
    }

    /// Uploads that are under way.
    #[must_use]
    pub fn uploads(&self) -> &Uploads {
        self.context.uploads()
    }

    /// All files.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<File>> {
        self.files().values().cloned().collect()
    }

    /// Forgets a file that nobody writes and that S3 has, or that has no name, or that is lost. True if it is gone.
    pub async fn settle(&self, file: &Arc<File>) -> bool {
        let content = file.hold().await;
        let lost = content.lost();
        let over = !content.dirty() || file.is_unlinked() || lost.is_some();
        if !over || file.is_open() {
            return false;
        }
        if let Some(errno) = lost
            && !file.is_unlinked()
        {
            self.lose(Lost { place: content.place().clone(), errno });
        }
        let mut files = self.files();
        // A handle may have been opened since; handles are counted under this lock.
        if file.is_open() {
            return false;
        }
        if files.get(&file.ino()).is_some_and(|known| Arc::ptr_eq(known, file)) {
            files.remove(&file.ino());
        }
        true
    }

    /// Remembers a file whose bytes are gone.
    pub(super) fn lose(&self, lost: Lost) {
        let mut all = lock(&self.lost);
        all.retain(|known| known.place != lost.place);
        if all.len() < LOST {
            all.push(lost);
        }
    }

    /// A name whose bytes were lost stands for others now.
    pub fn regained(&self, place: &Place) {
        lock(&self.lost).retain(|known| known.place != *place);
    }

    pub(super) fn lost(&self) -> Vec<Lost> {
        lock(&self.lost).clone()
    }

    fn enter(&self, ino: Ino, content: impl FnOnce() -> Content) -> Arc<File> {
        let mut files = self.files();
        let file = files.entry(ino).or_insert_with(|| Arc::new(File::new(ino, content())));
        file.enter();
        Arc::clone(file)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<Ino, Arc<File>>> {
        lock(&self.files)
    }
}
