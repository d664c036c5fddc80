//! Writing and hashing a fill, in large pieces and never on the threads that serve.

use super::disk::Room;
use super::file::Temporary;
use super::fill::Cut;
use super::state::Loss;
use crate::oci::{Digest, Digester};
use bytes::Bytes;
use std::io;
use std::path::Path;

/// What has been written of a blob, and the state of its hash: these go together.
#[derive(Debug)]
pub(super) struct Writer {
    temporary: Temporary,
    digester: Digester,
    room: Room,
    written: u64,
}

impl Writer {
    /// An empty one in `dir`.
    pub(super) fn create(dir: &Path, digester: Digester, room: Room) -> io::Result<Writer> {
        Ok(Writer { temporary: Temporary::create(dir)?, digester, room, written: 0 })
    }

    /// The file, for those who read along.
    pub(super) fn temporary(&self) -> &Temporary {
        &self.temporary
    }

    /// Appends `chunks` and returns how many bytes these were.
    pub(super) fn append(&mut self, chunks: &[Bytes]) -> Result<u64, Loss> {
        let start = self.written;
        let count: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        if !self.room.cover(start + count) {
            return Err(Loss::TooLarge);
        }
        for chunk in chunks {
            self.temporary.write(chunk, self.written).map_err(broken)?;
            self.digester.update(chunk);
            self.written += chunk.len() as u64;
        }
        Ok(count)
    }

    /// Has what was written this digest, and this size if one was told?
    pub(super) fn is(&self, digest: &Digest, size: Option<u64>) -> bool {
        size.is_none_or(|size| size == self.written) && self.digester.clone().finish() == *digest
    }

    /// What has been written so far.
    pub(super) fn cut(&self) -> Cut {
        Cut { written: self.written, digester: self.digester.clone() }
    }

    /// Has the disk take all of it.
    pub(super) fn sync(&self) -> Result<(), Loss> {
        self.temporary.sync().map_err(broken)
    }

    /// Shows what was [synced](Writer::sync) at `path`.
    pub(super) fn publish(self, path: &Path) -> Result<(), Loss> {
        let again = self.temporary.publish(path).map_err(broken)?;
        if !again {
            self.room.keep();
        }
        Ok(())
    }
}

/// Whatever the disk says, the fill is lost and its readers are not.
pub(super) fn broken(error: io::Error) -> Loss {
    tracing::warn!(%error, "a blob cannot be kept on disk");
    Loss::Disk
}
