//! Blobs as streams of a file.

use super::index::fault;
use crate::body::FilePart;
use crate::error::Error;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use tokio::fs::File;

/// A blob: its file and its size in bytes.
pub(super) struct Blob {
    file: File,
    pub(super) size: u64,
}

/// The file at `path`; `None` when there is none.
pub(super) async fn open(path: &Path) -> Result<Option<Blob>, Error> {
    let failed = |error| fault("a blob of the layout cannot be read").with_source(error);
    let file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().await.map_err(failed)?;
    Ok(metadata.is_file().then_some(Blob { file, size: metadata.len() }))
}

impl Blob {
    /// The bytes in `range`, which lies within the size.
    pub(super) async fn part(self, range: Range<u64>) -> FilePart {
        FilePart::new(self.file.into_std().await, range)
    }
}
