//! Where staging files are.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys;

/// A folder for staging files, or memory where no folder can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Area {
    /// A folder on a local file system.
    Folder(PathBuf),
    /// Files in memory, which count against the budget.
    Memory,
}

impl Area {
    /// Takes the folder, or `/tmp` if none is given, if a staging file can be made there.
    #[must_use]
    pub fn find(wanted: Option<&Path>) -> Self {
        let folder = wanted.unwrap_or(Path::new("/tmp"));
        // A cache location that is not there yet is made: the container starts without it.
        let _ = std::fs::create_dir_all(folder);
        let area = Self::within(folder);
        match area.open() {
            Ok(_) => area,
            Err(_) => Self::Memory,
        }
    }

    /// This folder.
    #[must_use]
    pub fn within(folder: impl Into<PathBuf>) -> Self {
        Self::Folder(folder.into())
    }

    /// Makes a file that has no name, so that it is gone when it is closed and when we are killed.
    ///
    /// # Errors
    /// Of the file system.
    pub fn open(&self) -> io::Result<File> {
        match self {
            Self::Folder(folder) => unnamed(folder),
            Self::Memory => sys::memory_file(c"fusion-staging"),
        }
    }
}

fn unnamed(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().custom_flags(libc::O_TMPFILE).open(folder) {
        Ok(file) => return Ok(file),
        // Old overlay file systems cannot make files without a name.
        Err(error)
            if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)) => {}
        Err(error) => return Err(error),
    }
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".fusion-{}-{count}", std::process::id()));
        match options.clone().create_new(true).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_folder_that_cannot_be_had_means_memory() {
        assert_eq!(Area::find(Some(Path::new("/proc/nothing/here"))), Area::Memory);
        let file = Area::Memory.open().unwrap();
        file.write_all_at(b"abc", 5).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 8);
    }

    #[test]
    fn staging_files_have_no_name() {
        let folder = std::env::temp_dir().join(format!("fusion-area-{}", std::process::id()));
        let area = Area::find(Some(&folder));
        assert_eq!(area, Area::Folder(folder.clone()));
        let _file = area.open().unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
    }
}
