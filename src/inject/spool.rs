//! Inline layers on disk: one file for each digest, counted, swept.

use crate::oci::{Algorithm, Digest};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The folder of spooled layers. A clone is the same folder. Calls block for as long as the disk takes.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: Arc<PathBuf>,
    held: Arc<Mutex<HashMap<Digest, Held>>>,
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
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Spool> {
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
        Ok(Spool { dir: Arc::new(dir), held: Arc::new(Mutex::new(held)) })
    }

    /// Where the layer with this digest is, when it is held.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(digest.hex())
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.lock().values().map(|held| held.size).sum()
    }

    /// Layers held.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Holds `content` under its sha256 digest, durably: it is there after a crash, whole, or not at all. Putting it
    /// again only says that it is wanted.
    pub fn put(&self, digest: &Digest, content: &[u8]) -> io::Result<()> {
        if digest.algorithm() != Algorithm::Sha256 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "spooled layers have sha256 digests"));
        }
        let put = Some(Instant::now());
        if let Some(held) = self.lock().get_mut(digest) {
            held.put = put;
            return Ok(());
        }
        // Two that put the same content at once write the same bytes; each has its own temporary file.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let temporary = self.dir.join(format!("{}.{number}.{TEMPORARY}", digest.hex()));
        let write = || -> io::Result<()> {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            // Under the lock: a sweep must see file and entry together.
            let mut held = self.lock();
            fs::rename(&temporary, self.path(digest))?;
            held.insert(*digest, Held { size: content.len() as u64, put });
            Ok(())
        };
        write().inspect_err(|_| _ = fs::remove_file(&temporary))?;
        File::open(&*self.dir)?.sync_all()
    }

    /// Forgets what `keep` does not want, and returns how many bytes that freed. Layers put within `grace` stay: the
    /// grant that names them may not be stored yet.
    pub fn sweep(&self, grace: Duration, keep: impl Fn(&Digest) -> bool) -> io::Result<u64> {
        let stale = |held: &Held| held.put.is_none_or(|put| put.elapsed() >= grace);
        let found: Vec<Digest> =
            self.lock().iter().filter(|(_, held)| stale(held)).map(|(digest, _)| *digest).collect();
        let mut freed = 0;
        for digest in found.into_iter().filter(|digest| !keep(digest)) {
            let mut all = self.lock();
            // It may have been put again since.
            if let Some(held) = all.get(&digest).filter(|held| stale(held)) {
                freed += held.size;
                fs::remove_file(self.path(&digest))?;
                all.remove(&digest);
            }
        }
        Ok(freed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Held>> {
        self.held.lock().expect("nothing panics while it is held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn layers_are_kept_once_and_found_again() {
        let scratch = Scratch::new();
        let dir = scratch.path().join("data/layers");
        let spool = Spool::open(&dir).unwrap();
        let (one, two) = (Digest::sha256("one"), Digest::sha256("three"));
        for (digest, content) in [(one, "one"), (two, "three"), (one, "one")] {
            spool.put(&digest, content.as_bytes()).unwrap();
        }
        assert_eq!((spool.bytes(), spool.count()), (8, 2));
        assert_eq!(fs::read(spool.path(&one)).unwrap(), b"one");
        fs::write(dir.join("half.3.tmp"), "x").unwrap();
        fs::write(dir.join("README"), "x").unwrap();
        let again = Spool::open(&dir).unwrap();
        assert_eq!((again.bytes(), again.count()), (8, 2));
        assert!(!dir.join("half.3.tmp").exists() && dir.join("README").exists());
        let sha512 = format!("sha512:{}", "a".repeat(128)).parse().unwrap();
        assert!(spool.put(&sha512, b"x").is_err());
    }

    #[test]
    fn sweeping_spares_the_wanted_and_the_young() {
        let scratch = Scratch::new();
        let spool = Spool::open(scratch.path()).unwrap();
        let (one, two) = (Digest::sha256("one"), Digest::sha256("three"));
        spool.put(&one, b"one").unwrap();
        spool.put(&two, b"three").unwrap();
        assert_eq!(spool.sweep(Duration::from_secs(3600), |_| false).unwrap(), 0);
        assert_eq!(spool.sweep(Duration::ZERO, |digest| *digest == one).unwrap(), 5);
        assert_eq!((spool.bytes(), spool.path(&two).exists()), (3, false));
        // After a restart nothing is young.
        let again = Spool::open(scratch.path()).unwrap();
        assert_eq!(again.sweep(Duration::from_secs(3600), |_| false).unwrap(), 3);
    }
}
