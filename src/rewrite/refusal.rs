//! Why a document is not rewritten.

use crate::error::{Error, Side};
use crate::oci::Code;
use std::fmt;

/// Why a document is left as it is: it is refused rather than guessed at. The names are member names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Larger than the limit, before or after the change; bytes.
    Size(usize),
    /// Nested deeper than [`super::DEPTH_LIMIT`].
    Depth,
    /// Not UTF-8 (RFC 8259, 8.1).
    Encoding,
    /// Not JSON, cut off, or followed by something.
    Syntax,
    /// Not an object where one is needed.
    Object,
    /// A member that occurs twice (RFC 7493, 2.3).
    Twice(&'static str),
    /// A member whose name differs from this one only in case or escapes: some clients take it for the same.
    LookAlike(&'static str),
    /// A member that is needed and missing.
    Missing(&'static str),
    /// A member that has the wrong type or form.
    Form(&'static str),
    /// Both `layers` and `manifests`: two clients would see two things (CVE-2021-41190).
    Ambiguous,
    /// A `mediaType` other than what the referring document announced.
    Announced,
    /// `layers`, `diff_ids` and `history` that do not belong together.
    Counts,
    /// More layers than container runtimes can stack; how many it would be.
    Layers(usize),
    /// An index with more images than [`super::IMAGE_LIMIT`].
    Images,
    /// Indexes nested deeper than [`super::NESTING_LIMIT`], or in a circle.
    Nesting,
    /// A digest whose algorithm cannot be computed here.
    Unverifiable,
    /// A layer whose compression the image's family has no media type for.
    Compression,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::new(Code::ManifestInvalid, Side::Upstream, format!("the image cannot be changed: {refusal}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Size(size) => write!(f, "a document of {size} bytes is too large"),
            Refusal::Depth => f.write_str("a document is nested too deep"),
            Refusal::Encoding => f.write_str("a document is not UTF-8"),
            Refusal::Syntax => f.write_str("a document is not JSON"),
            Refusal::Object => f.write_str("a document is not a JSON object"),
            Refusal::Twice(name) => write!(f, "'{name}' occurs twice"),
            Refusal::LookAlike(name) => write!(f, "a member looks like '{name}' to some clients"),
            Refusal::Missing(name) => write!(f, "'{name}' is missing"),
            Refusal::Form(name) => write!(f, "'{name}' is malformed"),
            Refusal::Ambiguous => f.write_str("a document has both 'layers' and 'manifests'"),
            Refusal::Announced => f.write_str("a document is not of the announced media type"),
            Refusal::Counts => f.write_str("'layers' and 'diff_ids' do not belong together"),
            Refusal::Layers(count) => write!(f, "{count} layers are more than runtimes can stack"),
            Refusal::Images => f.write_str("an index has too many images"),
            Refusal::Nesting => f.write_str("indexes are nested too deep"),
            Refusal::Unverifiable => f.write_str("its digest cannot be verified"),
            Refusal::Compression => f.write_str("no media type for the layer's compression"),
        }
    }
}

impl std::error::Error for Refusal {}
