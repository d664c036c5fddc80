//! The object that a file is written over, and what is read of a file that is written.

use bytes::Bytes;

use crate::s3::Etag;

/// The object at the file's place, whose bytes the file has where it has none of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its version.
    pub etag: Etag,
    /// Its bytes.
    pub size: u64,
}

/// What a read yields.
#[derive(Debug)]
pub enum Read {
    /// These bytes; fewer than asked for at the end of the file.
    Here(Vec<Bytes>),
    /// The object has them.
    InObject,
}
