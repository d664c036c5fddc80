//! The files a configuration names.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Largest file with a secret.
const LARGEST: u64 = 64 * 1024;

/// Where to look for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// On disk.
    Disk,
    /// Nowhere: each file an operator names is taken to be there. Reading is then a pure function of text and
    /// environment.
    Imagined,
}

impl Files {
    /// The text of a secret.
    pub(super) fn text(self, path: &Path) -> io::Result<String> {
        match self {
            Files::Imagined => Ok("imagined".into()),
            Files::Disk => {
                let mut text = String::new();
                File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
                Ok(text)
            }
        }
    }

    /// Is this a file we may read?
    pub(super) fn can_read(self, path: &Path) -> io::Result<()> {
        match self {
            Files::Imagined => Ok(()),
            Files::Disk if fs::metadata(path)?.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Files::Disk => File::open(path).map(drop),
        }
    }

    /// Is this a PEM file with certificates of authorities? If not, why.
    pub(super) fn can_trust(self, path: &Path) -> Result<(), String> {
        match self {
            Files::Imagined => Ok(()),
            Files::Disk => crate::upstream::authorities(path).map(drop),
        }
    }

    /// Is this a directory we may list?
    pub(super) fn can_list(self, path: &Path) -> io::Result<()> {
        match self {
            Files::Imagined => Ok(()),
            Files::Disk => fs::read_dir(path).map(drop),
        }
    }

    /// Does a file that nobody named exist?
    pub(super) fn happens_to_exist(self, path: &Path) -> bool {
        self == Files::Disk && path.is_file()
    }

    /// The limit of open files of this process (`RLIMIT_NOFILE`, soft), where the system tells.
    pub(super) fn open_limit(self) -> Option<usize> {
        let limits = (self == Files::Disk).then(|| fs::read_to_string("/proc/self/limits").ok())??;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }
}
