//! Why a layer could not be made or loaded.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file and what is wrong with it: `path: reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    path: PathBuf,
    reason: String,
}

impl Failure {
    pub(in crate::inject) fn new(path: &Path, reason: impl Into<String>) -> Failure {
        Failure { path: path.into(), reason: reason.into() }
    }

    pub(in crate::inject) fn io(path: &Path, error: io::Error) -> Failure {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "file not found".into(),
            _ => error.to_string(),
        };
        Failure::new(path, reason)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Failure {}
