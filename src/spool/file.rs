//! The file of a fill, from its creation to the name of its digest.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Behind this time a read of a file is noted again; more often would only wear the disk.
const NOTED: Duration = Duration::from_secs(60);

/// A file that is being written, and goes away unless it is published. It is locked, so that another process that
/// shares the folder leaves it alone.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    file: Arc<File>,
    published: bool,
}

impl Temporary {
    /// A fresh one in `dir`.
    pub(super) fn create(dir: &Path) -> io::Result<Temporary> {
        loop {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let path = dir.join(format!("{:032x}", u128::from_ne_bytes(random)));
            let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            file.lock()?;
            // Between the two calls another process may have taken it for one that nobody fills.
            if file.metadata()?.nlink() > 0 {
                return Ok(Temporary { path, file: Arc::new(file), published: false });
            }
        }
    }

    /// The file itself, for those who read along.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Writes `bytes` at `offset`.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Has the disk take what was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Gives it the name `to`, with the folders above that. What is there already is replaced.
    pub(super) fn rename(&mut self, to: &Path) -> io::Result<()> {
        make(to.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
        fs::rename(&self.path, to)?;
        self.published = true;
        Ok(())
    }

    /// Gives it the name `to`, unless something is there already.
    pub(super) fn link(self, to: &Path) -> io::Result<()> {
        // The other name goes away with it.
        fs::hard_link(&self.path, to)
    }

    /// Gives what was [synced](Temporary::sync) the name `to`: there after a crash, whole, or not at all. Was there one
    /// already? Then it is replaced.
    pub(super) fn publish(mut self, to: &Path) -> io::Result<bool> {
        let folder = to.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let again = fs::exists(to)?;
        self.rename(to)?;
        // A name that a crash takes away is that of a blob to be fetched again.
        if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
            tracing::warn!(%error, "the name of a blob may not outlive a crash");
        }
        Ok(again)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a blob that was not finished could not be removed");
        }
    }
}

/// Notes that `file` was read: the time of a file says when that was.
pub(super) fn touch(file: &File) -> io::Result<Metadata> {
    let metadata = file.metadata()?;
    let now = SystemTime::now();
    let read = metadata.modified()?;
    // A clock that was set back must not keep a file for ever.
    if now.duration_since(read).is_ok_and(|since| since > NOTED) || read > now + NOTED {
        // Who cannot note it can read it all the same.
        _ = file.set_modified(now);
    }
    Ok(metadata)
}

/// Makes `dir`, with the folders above it, for us alone.
pub(super) fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Removes what an earlier process left unfinished in `dir`, and returns how many these were. What another process is
/// filling stays.
pub(super) fn sweep(dir: &Path) -> io::Result<usize> {
    let mut swept = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => match fs::remove_file(&path) {
                Ok(()) => swept += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            },
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(swept)
}

/// Are these the same file, under whatever names? Files that cannot be told apart are not.
pub(super) fn is_same(one: &File, other: &File) -> bool {
    let identity = |file: &File| file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    identity(one).is_some_and(|identity_of_one| identity(other) == Some(identity_of_one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn count(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn it_is_published_or_gone() {
        let scratch = Scratch::new();
        let (filling, to) = (scratch.path().join("filling"), scratch.path().join("blobs/ab/abc"));
        make(&filling).unwrap();
        drop(Temporary::create(&filling).unwrap());
        assert_eq!(count(&filling), 0);
        for again in [false, true] {
            let temporary = Temporary::create(&filling).unwrap();
            temporary.write(b"cd", 2).unwrap();
            temporary.write(b"ab", 0).unwrap();
            assert!(!fs::exists(&to).unwrap() || again);
            temporary.sync().unwrap();
            assert_eq!(temporary.publish(&to).unwrap(), again);
            assert_eq!((fs::read(&to).unwrap(), count(&filling)), (b"abcd".to_vec(), 0));
        }
    }

    #[test]
    fn what_cannot_be_published_is_gone() {
        let scratch = Scratch::new();
        let file = scratch.write("file", "x");
        let temporary = Temporary::create(scratch.path()).unwrap();
        assert!(temporary.publish(&file.join("under/a/file")).is_err());
        assert_eq!(count(scratch.path()), 1);
    }

    #[test]
    fn only_what_nobody_fills_is_swept() {
        let scratch = Scratch::new();
        let filled = Temporary::create(scratch.path()).unwrap();
        scratch.write("0123", "left by a crash");
        assert_eq!(sweep(scratch.path()).unwrap(), 1);
        assert!(fs::exists(&filled.path).unwrap());
        assert_eq!(sweep(scratch.path()).unwrap(), 0);
    }
}
