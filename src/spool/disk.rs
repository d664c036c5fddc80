//! The blobs on disk: found by their digest, counted, evicted.
//!
//! The folder itself is the index, so that a start costs nothing, however many blobs there are, and processes that
//! share it see each other's. When a blob was last read is the time of its file.

mod oldest;
mod origins;
mod room;

pub(super) use oldest::{Entry, Oldest};
pub(super) use room::Room;

use super::file::{is_same, make, touch};
use crate::oci::{Algorithm, Digest, Host};
use crate::telemetry::names;
use metrics::{counter, gauge};
use origins::Origins;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The folder of the blobs. Calls that are not `async` block for as long as the disk takes.
#[derive(Debug)]
pub(super) struct Disk {
    blobs: PathBuf,
    origins: Origins,
    filling: PathBuf,
    max_size: u64,
    /// Bytes of the blobs, as far as is known: counted now and then, and what we have added and removed since.
    kept: AtomicU64,
    /// Bytes of what we are filling.
    reserved: AtomicU64,
    crowded: Notify,
    /// One look at the folder at a time.
    looking: Mutex<()>,
}

/// A blob that is there.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: File,
    pub(super) size: u64,
}

/// Others who share the folder fill it too, so it is counted anew from time to time.
pub(super) const COUNT_EVERY: Duration = Duration::from_secs(600);
/// Eviction begins when less than this part of the allowance is free: it takes a while, and blobs come meanwhile.
const LEFT: u64 = 20;
/// Eviction goes on until so much of the allowance is free, so that it is not needed again at once.
pub(super) const FREED: u64 = 10;
impl Disk {
    /// Opens `dir`, made when it is missing.
    pub(super) fn open(dir: &Path, max_size: u64) -> io::Result<Disk> {
        let (blobs, filling) = (dir.join("blobs"), dir.join("filling"));
        make(&blobs)?;
        make(&filling)?;
        Ok(Disk {
            blobs,
            origins: Origins::open(dir.join("origins"))?,
            filling,
            max_size,
            kept: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            crowded: Notify::new(),
            looking: Mutex::new(()),
        })
    }

    /// Where fills are written.
    pub(super) fn filling(&self) -> &Path {
        &self.filling
    }

    /// Where the blob is, or would be; `None` for digests that cannot be verified.
    pub(super) fn path(&self, digest: &Digest) -> Option<PathBuf> {
        relative(digest).map(|blob| self.blobs.join(blob))
    }

    /// Notes that `registry` has sent the blob that is there, or will be.
    pub(super) fn sent(&self, digest: &Digest, registry: &Host) -> io::Result<()> {
        relative(digest).map_or(Ok(()), |blob| self.origins.add(registry, &blob))
    }

    /// Opens a blob that `registry` has sent, and notes that it was read.
    pub(super) fn find(&self, digest: &Digest, registry: &Host) -> io::Result<Option<Found>> {
        let Some(blob) = relative(digest) else { return Ok(None) };
        if !self.origins.has(registry, &blob)? {
            return Ok(None);
        }
        let file = match File::open(self.blobs.join(blob)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = touch(&file)?;
        Ok(Some(Found { size: metadata.len(), file }))
    }

    /// Forgets a blob, if `wrong` is still what is there.
    pub(super) fn remove(&self, digest: &Digest, wrong: &File) -> io::Result<()> {
        let Some(blob) = relative(digest) else { return Ok(()) };
        let path = self.blobs.join(&blob);
        let there = File::open(&path)?;
        if !is_same(&there, wrong) {
            return Ok(());
        }
        let size = there.metadata().map_or(0, |metadata| metadata.len());
        self.origins.remove(&blob)?;
        fs::remove_file(&path)?;
        self.less(&self.kept, size);
        Ok(())
    }

    /// Room for a blob that is said to have `bytes`, which counts as it comes: what is said costs nothing. `None` when
    /// even an empty folder would not have the room.
    pub(super) fn room(self: &Arc<Disk>, bytes: u64) -> Option<Room> {
        (bytes <= self.max_size).then(|| Room::none(self.clone()))
    }

    /// Keeps within the allowance for as long as the process runs: counts what is there, and evicts.
    pub(super) async fn keep(self: Arc<Disk>) {
        loop {
            let disk = self.clone();
            match tokio::task::spawn_blocking(move || disk.look()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the blob cache could not be looked through"),
                Err(error) => tracing::error!(%error, "the blob cache is not looked after"),
            }
            tokio::select! {
                () = self.crowded.notified() => {}
                () = tokio::time::sleep(COUNT_EVERY) => {}
            }
        }
    }

    /// Counts what is there, and evicts what was not read for longest where it is too much.
    pub(super) fn look(&self) -> io::Result<()> {
        let _one = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Oldest { bytes, heap, .. } = self.count()?;
            self.kept.store(bytes, Ordering::Relaxed);
            self.show();
            if !self.is_crowded() {
                return Ok(());
            }
            let aim = self.max_size - self.max_size / FREED;
            let mut evicted = false;
            for Entry { path, size, .. } in heap.into_sorted_vec() {
                if self.used() <= aim {
                    return Ok(());
                }
                // First: what comes back meanwhile is noted anew.
                if let Ok(blob) = path.strip_prefix(&self.blobs) {
                    self.origins.remove(blob)?;
                }
                if remove(&path)? {
                    counter!(names::BLOBS_EVICTED).increment(1);
                    self.less(&self.kept, size);
                    evicted = true;
                }
            }
            if !evicted {
                return Ok(());
            }
        }
    }

    fn count(&self) -> io::Result<Oldest> {
        let mut oldest = Oldest::default();
        self.each_folder(|folder, algorithm| {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if blob(algorithm, &entry.file_name()).is_none() {
                    continue;
                }
                // It may be gone.
                let Ok(metadata) = entry.metadata() else { continue };
                oldest.add(Entry { read: metadata.modified()?, size: metadata.len(), path: entry.path() });
            }
            Ok(())
        })?;
        Ok(oldest)
    }

    /// Calls `each` for every folder that has blobs, with the name of their algorithm.
    pub(super) fn each_folder(&self, mut each: impl FnMut(&Path, &str) -> io::Result<()>) -> io::Result<()> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let name = algorithm.as_str();
            let folders = match fs::read_dir(self.blobs.join(name)) {
                Ok(folders) => folders,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for folder in folders {
                let folder = folder?;
                if folder.file_type()?.is_dir() {
                    each(&folder.path(), name)?;
                }
            }
        }
        Ok(())
    }

    fn is_crowded(&self) -> bool {
        self.used() > self.max_size - self.max_size / LEFT
    }

    fn used(&self) -> u64 {
        self.kept.load(Ordering::Relaxed).saturating_add(self.reserved.load(Ordering::Relaxed))
    }

    fn less(&self, of: &AtomicU64, bytes: u64) {
        let less = |count: u64| Some(count.saturating_sub(bytes));
        _ = of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.show();
    }

    fn show(&self) {
        gauge!(names::BLOBS_BYTES).set(self.used() as f64);
    }
}

/// Where a blob is among the others; `None` for digests that cannot be verified.
fn relative(digest: &Digest) -> Option<PathBuf> {
    digest.digester()?;
    let hex = digest.hex();
    Some([digest.algorithm().as_str(), &hex[..2], &hex].iter().collect())
}

/// The digest of a blob by the name of its file; `None` for what is none of ours.
pub(super) fn blob(algorithm: &str, name: &std::ffi::OsStr) -> Option<Digest> {
    format!("{algorithm}:{}", name.to_str()?).parse().ok()
}

/// Is it gone by our doing?
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
