//! Inline layers on disk: one file for each digest, counted, bounded, swept.

use crate::oci::{Algorithm, Digest};
use crate::telemetry::names;
use metrics::{Gauge, gauge};
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The folder of spooled layers. A clone is the same folder. Calls block for as long as the disk takes.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: Arc<PathBuf>,
    max_bytes: u64,
    shelf: Arc<Mutex<Shelf>>,
}

/// Why a layer is not held.
#[derive(Debug)]
pub enum PutError {
    /// It would be more than may be held.
    Full,
    /// The disk refused.
    Io(io::Error),
}

#[derive(Debug)]
struct Shelf {
    held: HashMap<Digest, Held>,
    /// Of what is held and of what is being written.
    bytes: u64,
    gauges: [Gauge; 2],
}

#[derive(Debug)]
struct Held {
    size: u64,
    /// When it was last wanted; `None` before this process.
    put: Option<Instant>,
}

const TEMPORARY: &str = "tmp";

impl Spool {
    /// Opens `dir`, made when it is missing. What an earlier process left half-written is removed, what it left
    /// whole is held. One process at a time.
    pub fn open(dir: impl Into<PathBuf>, max_bytes: u64) -> io::Result<Spool> {
        let dir = dir.into();
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let mut held = HashMap::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            match name.to_str().and_then(|name| format!("sha256:{name}").parse().ok()) {
                Some(digest) => {
                    held.insert(digest, Held { size: entry.metadata()?.len(), put: None });
                }
                None if Path::new(&name).extension().is_some_and(|tail| tail == TEMPORARY) => {
                    fs::remove_file(entry.path())?;
                }
                None => {}
            }
        }
        let bytes = held.values().map(|held: &Held| held.size).sum();
        let gauges = [gauge!(names::SPOOL_LAYERS), gauge!(names::SPOOL_BYTES)];
        let shelf = Shelf { held, bytes, gauges };
        shelf.publish();
        Ok(Spool { dir: Arc::new(dir), max_bytes, shelf: Arc::new(Mutex::new(shelf)) })
    }

    /// Where the layer with this digest is, when it is held.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(digest.hex())
    }

    /// Holds `content` under its sha256 digest, durably: it is there after a crash, whole, or not at all. Putting it
    /// again only says that it is wanted.
    pub fn put(&self, digest: &Digest, content: &[u8]) -> Result<(), PutError> {
        if digest.algorithm() != Algorithm::Sha256 {
            let why = "spooled layers have sha256 digests";
            return Err(PutError::Io(io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
        if !self.lock().reserve(digest, content.len() as u64, self.max_bytes)? {
            return Ok(());
        }
        // Two that put the same content at once write the same bytes; each has its own temporary file.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!("{}.{number}.{TEMPORARY}", digest.hex()));
        self.write(digest, content, &temporary).inspect_err(|_| {
            _ = fs::remove_file(&temporary);
            self.lock().release(content.len() as u64);
        })?;
        File::open(&*self.dir)?.sync_all()?;
        Ok(())
    }

    fn write(&self, digest: &Digest, content: &[u8], temporary: &Path) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        // Under the lock: a sweep must see file and entry together.
        let mut shelf = self.lock();
        fs::rename(temporary, self.path(digest))?;
        let held = Held { size: content.len() as u64, put: Some(Instant::now()) };
        if let Some(same) = shelf.held.insert(*digest, held) {
            shelf.release(same.size);
        }
        shelf.publish();
        Ok(())
    }

    /// Forgets what `keep` does not want, and returns how many bytes that freed. Layers put within `grace` stay: the
    /// grant that names them may not be stored yet.
    pub fn sweep(&self, grace: Duration, keep: impl Fn(&Digest) -> bool) -> io::Result<u64> {
        let stale = |held: &Held| held.put.is_none_or(|put| put.elapsed() >= grace);
        let found: Vec<Digest> =
            self.lock().held.iter().filter(|(_, held)| stale(held)).map(|(digest, _)| *digest).collect();
        let mut freed = 0;
        for digest in found.into_iter().filter(|digest| !keep(digest)) {
            let mut shelf = self.lock();
            // It may have been put again since.
            if let Some(size) = shelf.held.get(&digest).filter(|held| stale(held)).map(|held| held.size) {
                super::kept::remove(&self.path(&digest))?;
                shelf.held.remove(&digest);
                shelf.release(size);
                freed += size;
            }
        }
        Ok(freed)
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("nothing panics while it is held")
    }
}

impl Shelf {
    /// Makes room for a layer; `false` when it is there already.
    fn reserve(&mut self, digest: &Digest, size: u64, max_bytes: u64) -> Result<bool, PutError> {
        if let Some(held) = self.held.get_mut(digest) {
            held.put = Some(Instant::now());
            return Ok(false);
        }
        self.bytes = match self.bytes.checked_add(size) {
            Some(bytes) if bytes <= max_bytes => bytes,
            _ => return Err(PutError::Full),
        };
        self.publish();
        Ok(true)
    }

    fn release(&mut self, size: u64) {
        self.bytes -= size;
        self.publish();
    }

    fn publish(&self) {
        let [layers, bytes] = &self.gauges;
        layers.set(self.held.len() as f64);
        bytes.set(self.bytes as f64);
    }
}

impl From<io::Error> for PutError {
    fn from(error: io::Error) -> PutError {
        PutError::Io(error)
    }
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PutError::Full => f.write_str("too many layers are held"),
            PutError::Io(error) => write!(f, "cannot be written: {error}"),
        }
    }
}

impl std::error::Error for PutError {}

#[cfg(test)]
mod tests;
