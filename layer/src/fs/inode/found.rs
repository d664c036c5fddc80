//! What S3 says of a name, and how long that is believed.

use std::time::Duration;

use crate::fs::attr::{Kind, Moment, Time};
use crate::s3::Etag;

/// How long what was learned is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It was asked for by its name.
    Asked,
    /// It came with a listing of its folder.
    Listed,
    /// It is a folder: it can only come to be empty.
    Folder,
    /// It follows from the configuration, or is ours.
    Settled,
}

impl Validity {
    /// As a time.
    pub fn time(self) -> Duration {
        Duration::from_secs(match self {
            Self::Asked => 1,
            Self::Folder => 10,
            Self::Listed | Self::Settled => 60,
        })
    }
}

/// What S3 says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The kind.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Last change.
    pub modified: Time,
    /// The version; `None` for directories.
    pub etag: Option<Etag>,
    /// Cannot be read without a restore.
    pub archived: bool,
    /// When it was said.
    pub checked: Moment,
    /// How long to believe it.
    pub valid: Validity,
}

impl Found {
    /// A folder.
    pub fn folder(modified: Time, checked: Moment, valid: Validity) -> Self {
        Self { kind: Kind::Directory, size: 0, modified, etag: None, archived: false, checked, valid }
    }
}
