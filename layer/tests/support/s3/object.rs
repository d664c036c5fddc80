//! One object of the store.

use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;

use super::body::{Body, mix};
use super::checksum;

/// An object: body, entity tag, and the headers that are kept with it. A later generation of a key is another
/// `Object`, so an answer in flight keeps the one it began with.
#[derive(Clone, Debug)]
pub struct Object {
    body: Body,
    etag: String,
    modified: SystemTime,
    headers: Vec<(String, String)>,
}

impl Object {
    /// An object of these bytes; its ETag is their MD5 as S3 computes it.
    pub fn of(body: impl Into<Bytes>) -> Object {
        Object::of_body(Body::new([body.into()]))
    }

    /// An object of this body.
    pub fn of_body(body: Body) -> Object {
        let etag = format!("\"{}\"", checksum::hex(&checksum::md5(body.segments())));
        Object::assembled(body, etag)
    }

    /// An object of `len` bytes that depend on seed and offset, see [`super::generated`].
    pub fn generated(seed: u64, len: u64) -> Object {
        let etag = format!("\"{:016x}{:016x}\"", mix(seed), mix(seed ^ mix(len)));
        Object::assembled(Body::generated(seed, len), etag)
    }

    /// An object whose ETag, in quotes, was computed elsewhere.
    pub fn assembled(body: Body, etag: String) -> Object {
        Object { body, etag, modified: SystemTime::now(), headers: Vec::new() }
    }

    /// With a header kept, which replaces one of the same name. The meaning of `x-amz-storage-class`,
    /// `x-amz-restore` and `x-amz-tagging` is known to the server; all are given back with the object.
    pub fn with(mut self, header: &str, value: &str) -> Object {
        let name = header.to_ascii_lowercase();
        self.headers.retain(|(kept, _)| *kept != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Last modified at another time than now.
    pub fn modified(mut self, at: SystemTime) -> Object {
        self.modified = at;
        self
    }

    /// A kept header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(kept, _)| kept == name).map(|(_, value)| value.as_str())
    }

    /// All kept headers, names in lower case.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The ETag in quotes.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Last modified.
    pub fn time(&self) -> SystemTime {
        self.modified
    }

    /// Bytes of the body.
    pub fn len(&self) -> u64 {
        self.body.len()
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// A range of the body as one piece.
    pub fn bytes(&self, range: Range<u64>) -> Bytes {
        self.body.joined(range)
    }

    /// The storage class, `STANDARD` when none was given.
    pub fn storage_class(&self) -> &str {
        self.header("x-amz-storage-class").unwrap_or("STANDARD")
    }

    /// Whether the body must be restored from an archive before it can be read.
    pub fn archived(&self) -> bool {
        matches!(self.storage_class(), "GLACIER" | "DEEP_ARCHIVE")
            && !self
                .header("x-amz-restore")
                .is_some_and(|restore| restore.contains("ongoing-request=\"false\""))
    }
}
