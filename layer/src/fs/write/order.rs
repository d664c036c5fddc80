//! Asynchronous commit, for who asks for it: closing a small file does not wait for its upload.
//!
//! Order is kept where somebody can see it. What is closed is uploaded together with other files, in no order; but
//! some requests are *barriers*, which wait until all that was closed before is in S3: closing `.exitcode` and
//! `.command.*`, the files by which Nextflow learns that a task has begun and ended; `fsync`; `rename`; and the end of
//! the driver. A barrier fails if what it waits for has failed, and so `.exitcode` is never there without the outputs.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::file::File;
use crate::fs::Fs;
use crate::fs::errno::Errno;

/// Files that may be closed and not uploaded; closing one more waits.
const MOST: usize = 256;
/// Uploads of a barrier that run at a time.
const AT_ONCE: usize = 32;

impl Fs {
    /// A file is closed: what was written to it is in S3 afterwards, or will be before the next barrier.
    pub(super) async fn commit_closed(&self, file: &Arc<File>) -> Result<(), Errno> {
        if !self.settings.async_commit {
            return self.commit(file).await;
        }
        if is_barrier(&file.place().key) {
            self.barrier().await?;
            return self.commit(file).await;
        }
        if !file.close_later().await {
            return self.commit(file).await;
        }
        if self.closed().len() > MOST { self.barrier().await } else { Ok(()) }
    }

    /// One of several descriptors of a file is closed, or a copy of one. Nobody may tell of the last in time, so the next
    /// barrier waits for the file.
    pub(super) async fn close_copy(&self, file: &File) {
        if self.settings.async_commit && !is_barrier(&file.place().key) {
            file.close_later().await;
        }
    }

    /// Waits until everything that was closed is in S3.
    ///
    /// # Errors
    /// Why something is not; it is kept, and tried again by the next barrier and at the end. What is lost for good fails
    /// every barrier from then on.
    pub(crate) async fn barrier(&self) -> Result<(), Errno> {
        if !self.settings.async_commit {
            return Ok(());
        }
        let mut uploads = JoinSet::new();
        let mut failed = None;
        for file in self.closed() {
            if uploads.len() >= AT_ONCE {
                failed = failed.or(self.uploaded(uploads.join_next().await));
            }
            uploads.spawn(async move {
                let committed = file.commit().await;
                (file, committed)
            });
        }
        while let Some(ended) = uploads.join_next().await {
            failed = failed.or(self.uploaded(Some(ended)));
        }
        let lost = || self.written.lost().first().map(|lost| lost.errno);
        failed.or_else(lost).map_or(Ok(()), Err)
    }

    /// The files that are closed and not uploaded.
    fn closed(&self) -> Vec<Arc<File>> {
        let mut files = self.written.all();
        files.retain(|file| file.is_closed());
        files
    }

    fn uploaded(&self, ended: Option<super::drain::Ended>) -> Option<Errno> {
        match ended {
            Some(Ok((file, Ok(shape)))) => {
                self.note(&file, &shape);
                None
            }
            Some(Ok((_, Err(errno)))) => Some(errno),
            Some(Err(_)) => Some(Errno::EIO),
            None => None,
        }
    }
}

/// True for the files that tell others what has become of a task.
pub(super) fn is_barrier(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    name == ".exitcode" || name.starts_with(".command.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_wrapper_are_barriers() {
        for key in ["work/aa/bb/.exitcode", ".command.begin", "w/.command.out"] {
            assert!(is_barrier(key), "{key}");
        }
        for key in ["exitcode", "w/.exitcode.bak", "w/.command/x", "w/out.bam"] {
            assert!(!is_barrier(key), "{key}");
        }
    }
}
