//! Opening the file, or saying why it cannot be opened.

use super::tables;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageError};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Pages kept in memory; the file of a busy proxy is a few dozen MiB.
const PAGE_CACHE: usize = 8 << 20;

/// Why there is no state. The process must not start: without its grants it would refuse tokens it gave out.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(std::io::Error),
    InUse,
    Corrupt(String),
    Version(String),
    Other(redb::Error),
}

/// Opens or creates `state.redb` in `dir`. Every page is checked against its checksum, so a file that was
/// damaged is refused here and not found out later.
pub(super) fn open(dir: &Path) -> Result<Database, OpenError> {
    let path = dir.join("state.redb");
    let failed = |why: Why| OpenError { path: path.clone(), why };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| failed(Why::Io(e)))?;
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(|e| failed(Why::Io(e)))?;
    let mut builder = Database::builder();
    builder.set_cache_size(PAGE_CACHE).set_check_integrity_on_open(true);
    let database = FileBackend::new(file)
        .and_then(|file| builder.create_with_backend(file))
        .map_err(|error| failed(why(error)))?;
    tables::check(&database).map_err(|error| {
        failed(match error {
            tables::Refused::Version(found) => Why::Version(found),
            tables::Refused::Random(error) => Why::Io(std::io::Error::other(error.to_string())),
            tables::Refused::Storage(error) => Why::Other(*error),
        })
    })?;
    // A new file survives a crash only when its directory entry does.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| failed(Why::Io(e)))?;
    Ok(database)
}

fn why(error: DatabaseError) -> Why {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Why::InUse,
        DatabaseError::Storage(StorageError::Corrupted(what)) => Why::Corrupt(what),
        // What redb says of a file whose first bytes are not its own.
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            Why::Corrupt(error.to_string())
        }
        DatabaseError::Storage(StorageError::Io(error)) => Why::Io(error),
        DatabaseError::UpgradeRequired(version) => Why::Version(format!("file format {version}")),
        other => Why::Other(other.into()),
    }
}

impl OpenError {
    /// A record that cannot be read, in a file whose checksums are right.
    pub(super) fn corrupt(dir: &Path, what: impl Into<String>) -> OpenError {
        OpenError { path: dir.join("state.redb"), why: Why::Corrupt(what.into()) }
    }

    /// The system refused.
    pub(super) fn io(dir: &Path, error: std::io::Error) -> OpenError {
        OpenError { path: dir.join("state.redb"), why: Why::Io(error) }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Io(error) => write!(f, "cannot open {path}: {error}"),
            Why::InUse => write!(f, "{path} is in use by another process"),
            Why::Corrupt(what) => write!(
                f,
                "{path} is damaged ({what}); restore it, or move it away to start without the tokens in it"
            ),
            Why::Version(found) => {
                write!(
                    f,
                    "{path} was written by another version ({found}); move it away or go back to that version"
                )
            }
            Why::Other(error) => write!(f, "cannot open {path}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Io(error) => Some(error),
            Why::Other(error) => Some(error),
            Why::InUse | Why::Corrupt(_) | Why::Version(_) => None,
        }
    }
}
