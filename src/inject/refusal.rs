//! Why content cannot be an injected layer.

use crate::oci::{Compression, Digest};
use std::fmt;

/// What is wrong with the content of a layer. `Display` completes "the layer ...".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another size than promised: promised, found.
    Size(u64, u64),
    /// Another digest than promised: promised, found.
    Digest(Box<[Digest; 2]>),
    /// Another digest of the tar than promised: promised, found.
    DiffId(Box<[Digest; 2]>),
    /// Compressed otherwise than promised: promised, found.
    Compression(Compression, Compression),
    /// The compressed stream is damaged; the decoder's reason.
    Stream(String),
    /// The compressed stream or the archive ends too early.
    CutOff,
    /// Something that is no further member follows the compressed stream.
    BehindStream,
    /// Something other than zeros follows the end of the archive.
    BehindArchive,
    /// No tar archive at all.
    NotTar,
    /// A tar archive whose entry at this offset is damaged.
    Damaged(u64),
    /// A sparse file, which layers must not have (image-spec, layer.md).
    Sparse,
    /// Inflates to more than this many bytes.
    TooLarge(u64),
}

impl Refusal {
    pub(super) fn digest(promised: Digest, found: Digest) -> Refusal {
        Refusal::Digest(Box::new([promised, found]))
    }

    pub(super) fn diff_id(promised: Digest, found: Digest) -> Refusal {
        Refusal::DiffId(Box::new([promised, found]))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Size(promised, found) => write!(f, "has {found} bytes, not {promised}"),
            Refusal::Digest(pair) => write!(f, "has the digest {}, not {}", pair[1], pair[0]),
            Refusal::DiffId(pair) => write!(f, "has the tar digest {}, not {}", pair[1], pair[0]),
            Refusal::Compression(promised, found) => {
                write!(f, "is {}, not {}", describe(*found), describe(*promised))
            }
            Refusal::Stream(reason) => write!(f, "cannot be decompressed: {reason}"),
            Refusal::CutOff => f.write_str("is cut off"),
            Refusal::BehindStream => f.write_str("has trailing garbage behind its compressed content"),
            Refusal::BehindArchive => f.write_str("has trailing garbage behind its tar archive"),
            Refusal::NotTar => f.write_str("is not a tar archive"),
            Refusal::Damaged(offset) => write!(f, "has a damaged tar entry at byte {offset}"),
            Refusal::Sparse => f.write_str("contains a sparse file"),
            Refusal::TooLarge(limit) => write!(f, "inflates to more than {limit} bytes"),
        }
    }
}

impl std::error::Error for Refusal {}

fn describe(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "not compressed",
        Compression::Gzip => "compressed with gzip",
        Compression::Zstd => "compressed with zstd",
    }
}
