//! Small files in groups, found by their names, bounded by number, bytes and age.
//!
//! The folder itself is the index, so that a start costs nothing and processes that share it see each other's files.
//! Nothing is synced: whoever reads a file can tell whether it is what was written, and one that is not is no file.

use super::super::disk::{COUNT_EVERY, Entry, FREED, Oldest};
use super::super::file::{Temporary, make, touch};
use crate::telemetry::names;
use metrics::{counter, gauge};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// A folder of such files. Calls that are not `async` block for as long as the disk takes.
#[derive(Debug)]
pub(super) struct Folder {
    /// Its name; the label in metrics.
    name: &'static str,
    path: PathBuf,
    making: PathBuf,
    bounds: Bounds,
    /// As far as is known: counted now and then, and what has been added since.
    files: AtomicU64,
    bytes: AtomicU64,
    crowded: Notify,
}

/// What may be there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Files in all.
    pub(super) files: u64,
    /// Bytes in all.
    pub(super) bytes: u64,
    /// Bytes of one file.
    pub(super) largest: u64,
    /// A group none of whose files was written or read for so long goes as a whole.
    pub(super) age: Duration,
}

impl Folder {
    /// Opens the folder `name` below `dir`, made when it is missing. Files are written in `making` first.
    pub(super) fn open(
        dir: &Path,
        name: &'static str,
        making: PathBuf,
        bounds: Bounds,
    ) -> io::Result<Folder> {
        let path = dir.join(name);
        make(&path)?;
        let zero = || AtomicU64::new(0);
        Ok(Folder { name, path, making, bounds, files: zero(), bytes: zero(), crowded: Notify::new() })
    }

    /// The content of a file, if it is there. Reading it is noted.
    pub(super) fn read(&self, group: &str, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path.join(group).join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        touch(&file)?;
        let mut content = Vec::new();
        // One byte too many tells that it is too large, and then it is not what was written.
        file.take(self.bounds.largest + 1).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// Is a file of this size there? Asking counts as reading it.
    pub(super) fn has(&self, group: &str, name: &str, size: u64) -> bool {
        self.touch(group, name) == Some(size)
    }

    /// Counts as reading a file; its size, if it is there.
    pub(super) fn touch(&self, group: &str, name: &str) -> Option<u64> {
        let file = File::open(self.path.join(group).join(name));
        file.and_then(|file| touch(&file)).ok().map(|metadata| metadata.len())
    }

    /// Writes a file, in place of the one that is there. One that is too large is left out.
    pub(super) fn write(&self, group: &str, name: &str, content: &[u8]) -> io::Result<()> {
        let size = content.len() as u64;
        if size > self.bounds.largest.min(self.bounds.bytes) {
            return Ok(());
        }
        let to = self.path.join(group).join(name);
        let before = fs::metadata(&to).map(|metadata| metadata.len()).ok();
        let mut file = Temporary::create(&self.making)?;
        file.write(content, 0)?;
        match file.rename(&to) {
            // An empty group may be cleared away at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => file.rename(&to)?,
            renamed => renamed?,
        }
        self.files.fetch_add(u64::from(before.is_none()), Ordering::Relaxed);
        self.bytes.fetch_add(size.saturating_sub(before.unwrap_or(0)), Ordering::Relaxed);
        self.show();
        if self.is_over(self.bounds.files, self.bounds.bytes) {
            self.crowded.notify_one();
        }
        Ok(())
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, group: &str, name: &str) -> io::Result<()> {
        absent(fs::remove_file(self.path.join(group).join(name))).map(|_| ())
    }

    /// Removes a group with all that is in it.
    pub(super) fn remove_group(&self, group: &str) -> io::Result<()> {
        absent(fs::remove_dir_all(self.path.join(group))).map(|_| ())
    }

    /// Removes a file that is not what was written.
    pub(super) fn discard(&self, group: &str, name: &str) {
        counter!(names::SHELF_CORRUPT, "folder" => self.name).increment(1);
        tracing::warn!(folder = self.name, "a kept document is corrupt, and is removed");
        if let Err(error) = self.remove(group, name) {
            tracing::warn!(%error, "a corrupt document cannot be removed");
        }
    }

    /// Keeps within the bounds for as long as the process runs: counts what is there, and evicts.
    pub(super) async fn keep(self: Arc<Folder>) {
        loop {
            let folder = self.clone();
            match tokio::task::spawn_blocking(move || folder.look()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the kept documents could not be looked through"),
                Err(error) => tracing::error!(%error, "the kept documents are not looked after"),
            }
            tokio::select! {
                () = self.crowded.notified() => {}
                () = tokio::time::sleep(COUNT_EVERY) => {}
            }
        }
    }

    /// Counts what is there; groups that are too old go, and where it is too much the files not used for longest.
    pub(super) fn look(&self) -> io::Result<()> {
        let Bounds { files, bytes, .. } = self.bounds;
        loop {
            let found = self.count()?;
            self.files.store(found.files, Ordering::Relaxed);
            self.bytes.store(found.bytes, Ordering::Relaxed);
            self.show();
            if !self.is_over(files, bytes) {
                return Ok(());
            }
            let mut evicted = false;
            for Entry { path, size, .. } in found.heap.into_sorted_vec() {
                if !self.is_over(files - files / FREED, bytes - bytes / FREED) {
                    break;
                }
                if absent(fs::remove_file(&path))? {
                    counter!(names::SHELF_EVICTED, "folder" => self.name).increment(1);
                    less(&self.files, 1);
                    less(&self.bytes, size);
                    evicted = true;
                }
            }
            self.show();
            if !evicted {
                return Ok(());
            }
        }
    }

    fn count(&self) -> io::Result<Oldest> {
        let mut all = Oldest::default();
        let now = SystemTime::now();
        for group in fs::read_dir(&self.path)? {
            let group = group?.path();
            let (mut entries, mut newest) = (Vec::new(), None);
            // It may be gone, and then it has no files.
            for entry in fs::read_dir(&group).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                let read = metadata.modified()?;
                newest = newest.max(Some(read));
                entries.push(Entry { read, size: metadata.len(), path: entry.path() });
            }
            match newest {
                Some(newest) if now.duration_since(newest).is_ok_and(|since| since > self.bounds.age) => {
                    absent(fs::remove_dir_all(&group))?;
                }
                Some(_) => entries.into_iter().for_each(|entry| all.add(entry)),
                // Only an empty one goes, whatever is written into it meanwhile.
                None => _ = fs::remove_dir(&group),
            }
        }
        Ok(all)
    }

    fn is_over(&self, files: u64, bytes: u64) -> bool {
        self.files.load(Ordering::Relaxed) > files || self.bytes.load(Ordering::Relaxed) > bytes
    }

    fn show(&self) {
        gauge!(names::SHELF_FILES, "folder" => self.name).set(self.files.load(Ordering::Relaxed) as f64);
        gauge!(names::SHELF_BYTES, "folder" => self.name).set(self.bytes.load(Ordering::Relaxed) as f64);
    }
}

fn less(count: &AtomicU64, by: u64) {
    _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| Some(count.saturating_sub(by)));
}

/// Is it gone by our doing?
fn absent(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
