//! The operator's layers, kept as they were when they were promised: one file for each digest.

use crate::oci::Digest;
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The folder of kept layers. Whoever packs a layer anew replaces the file it was read from; images that were given
/// the old one still find it here. A clone is the same folder. Calls block for as long as the disk takes.
#[derive(Clone, Debug)]
pub struct Kept {
    dir: Arc<PathBuf>,
    held: Arc<Mutex<BTreeSet<Digest>>>,
}

/// A file in the folder whose content nobody has looked at. It goes away unless it is kept.
pub(super) struct Candidate {
    kept: Kept,
    path: PathBuf,
}

const TEMPORARY: &str = "tmp";

impl Kept {
    /// Opens `dir`, made when it is missing. One process at a time.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Kept> {
        let dir = dir.into();
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let mut held = BTreeSet::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            match name.to_str().and_then(|name| format!("sha256:{name}").parse().ok()) {
                Some(digest) => {
                    held.insert(digest);
                }
                None if Path::new(&name).extension().is_some_and(|tail| tail == TEMPORARY) => {
                    fs::remove_file(entry.path())?;
                }
                None => {}
            }
        }
        Ok(Kept { dir: Arc::new(dir), held: Arc::new(Mutex::new(held)) })
    }

    /// Where the layer with this digest is kept.
    pub fn path(&self, digest: &Digest) -> Option<PathBuf> {
        self.lock().contains(digest).then(|| self.dir.join(digest.hex()))
    }

    /// Takes in the content of the file at `path`. Another name for the file would not do: not everybody replaces
    /// a file to change it.
    pub(super) fn take(&self, path: &Path) -> io::Result<Candidate> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}.{TEMPORARY}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let candidate = self.dir.join(name);
        copy(path, &candidate)?;
        Ok(Candidate { kept: self.clone(), path: candidate })
    }

    /// Forgets the layers that `keep` does not want.
    pub fn retain(&self, keep: impl Fn(&Digest) -> bool) -> io::Result<()> {
        let mut held = self.lock();
        let unwanted: Vec<Digest> = held.iter().filter(|digest| !keep(digest)).copied().collect();
        for digest in unwanted {
            remove(&self.dir.join(digest.hex()))?;
            held.remove(&digest);
        }
        Ok(())
    }

    /// The digests of all layers.
    pub fn digests(&self) -> Vec<Digest> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Digest>> {
        self.held.lock().expect("nothing panics while it is held")
    }
}

impl Candidate {
    /// Where it is until it is kept.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the file, which was seen to have this sha256 digest.
    pub(super) fn keep(self, digest: Digest) -> io::Result<()> {
        let mut held = self.kept.lock();
        fs::rename(&self.path, self.kept.dir.join(digest.hex()))?;
        held.insert(digest);
        File::open(&*self.kept.dir)?.sync_all()
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.path);
    }
}

/// Removes a file, unless somebody has done that already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut target = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    let copied = io::copy(&mut File::open(from)?, &mut target).and_then(|_| target.sync_all());
    copied.inspect_err(|_| _ = fs::remove_file(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::MetadataExt as _;

    fn names(scratch: &Scratch) -> BTreeSet<String> {
        let entries = fs::read_dir(scratch.path().join("kept")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_that_is_replaced_stays_and_is_found_again() {
        let scratch = Scratch::new();
        let kept = Kept::open(scratch.path().join("kept")).unwrap();
        let (one, two) = (Digest::sha256("one"), Digest::sha256("two"));
        let source = scratch.write("layer", "one");
        std::os::unix::fs::symlink(&source, scratch.path().join("link")).unwrap();
        assert_eq!(kept.path(&one), None);
        for path in [source.clone(), scratch.path().join("link")] {
            kept.take(&path).unwrap().keep(one).unwrap();
        }
        fs::rename(scratch.write("new", "two"), &source).unwrap();
        kept.take(&source).unwrap().keep(two).unwrap();
        drop(kept.take(&source).unwrap());
        // Written in place, and not replaced.
        fs::write(&source, "three").unwrap();
        assert_eq!(names(&scratch), [one.hex(), two.hex()].into());
        scratch.write("kept/new.tmp", "half");
        let again = Kept::open(scratch.path().join("kept")).unwrap();
        assert_eq!(fs::read(again.path(&one).unwrap()).unwrap(), b"one");
        assert_eq!(fs::read(again.path(&two).unwrap()).unwrap(), b"two");
        fs::remove_file(again.path(&one).unwrap()).unwrap();
        again.retain(|digest| *digest == two).unwrap();
        assert_eq!((again.path(&one), again.digests()), (None, vec![two]));
        assert_eq!(names(&scratch), [two.hex()].into());
        assert_eq!(kept.take(Path::new("/none")).err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_copy_is_another_file_for_us_alone() {
        let scratch = Scratch::new();
        let (source, target) = (scratch.write("layer", "one"), scratch.path().join("copy"));
        copy(&source, &target).unwrap();
        let (from, to) = (fs::metadata(&source).unwrap(), fs::metadata(&target).unwrap());
        assert_eq!((fs::read(&target).unwrap(), to.mode() & 0o777), (b"one".to_vec(), 0o600));
        assert_ne!(from.ino(), to.ino());
        assert_eq!(copy(&source, &target).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(copy(scratch.path(), &scratch.path().join("folder")).is_err());
        assert!(!scratch.path().join("folder").exists());
    }
}
