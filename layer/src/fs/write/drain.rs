//! Everything to S3 before the end.

use std::fmt;
use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

use super::file::{File, Shape};
use super::order::is_barrier;
use crate::fs::Fs;
use crate::fs::errno::Errno;
use crate::fs::key::Place;

/// Files that are uploaded at a time.
const AT_ONCE: usize = 16;

/// A file whose bytes did not get to S3. `Display` names it and says why, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where it was to be.
    pub place: Place,
    /// Why it is not.
    pub errno: Errno,
}

/// A file whose upload has ended, and how.
pub(super) type Ended = Result<(Arc<File>, Result<Shape, Errno>), JoinError>;

impl Fs {
    /// Uploads all that is not uploaded. Returns what was lost, now and before, one line for each file. No request that
    /// writes may come any more.
    pub async fn drain(&self) -> Vec<String> {
        let (last, first): (Vec<_>, Vec<_>) =
            self.written.all().into_iter().partition(|file| is_barrier(&file.place().key));
        self.drain_files(first).await;
        // What tells others that a task is done does so only if it is.
        if !self.settings.async_commit || self.written.lost().is_empty() {
            self.drain_files(last).await;
        }
        self.unfinished()
    }

    async fn drain_files(&self, files: Vec<Arc<File>>) {
        let mut tasks = JoinSet::new();
        for file in files {
            if tasks.len() >= AT_ONCE {
                self.drained(tasks.join_next().await);
            }
            tasks.spawn(async move {
                let committed = file.finish().await;
                (file, committed)
            });
        }
        while let Some(ended) = tasks.join_next().await {
            self.drained(Some(ended));
        }
    }

    /// What S3 does not have at this moment, as a line for each file.
    pub fn unfinished(&self) -> Vec<String> {
        let mut lost = self.written.lost();
        let table = self.table();
        for place in table.all_locals().filter_map(|ino| table.place(ino)) {
            if lost.iter().all(|known| known.place != place) {
                lost.push(Lost { place, errno: Errno::ETIMEDOUT });
            }
        }
        lost.iter().map(Lost::to_string).collect()
    }

    fn drained(&self, ended: Option<Ended>) {
        match ended {
            Some(Ok((file, Ok(shape)))) => self.note(&file, &shape),
            Some(Ok((file, Err(errno)))) => self.written.lose(Lost { place: file.place(), errno }),
            // A panic: which file it was is seen in the table.
            Some(Err(_)) | None => {}
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { bucket, key } = &self.place;
        write!(f, "s3://{bucket}/{} was not written: {:?}", key.escape_debug(), self.errno)
    }
}
