//! What callers give and get: entity tags, attributes, conditions, listings.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};

use super::body::Body;

/// An entity tag with its quotes, as the server wrote it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Etag(Arc<str>);

impl Etag {
    /// Takes a tag as a server writes it.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether two tags are of one version, however a server quotes them.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let bare = |tag: &Self| tag.0.trim_start_matches("W/").trim_matches('"').to_owned();
        self == other || bare(self) == bare(other)
    }

    /// The tag with its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The attributes of an object.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Bytes of the whole object.
    pub size: u64,
    /// Of this generation of the object.
    pub etag: Etag,
    /// When it was written, in whole seconds.
    pub modified: SystemTime,
    /// It lies in an archive and has not been restored: reading it fails with `Kind::Archived`.
    pub archived: bool,
    /// `x-amz-meta-*`, names in lower case and without the prefix.
    pub metadata: Vec<(Box<str>, Box<str>)>,
}

/// What to get of an object.
#[derive(Clone, Debug, Default)]
pub struct Get<'a> {
    /// Bytes, the end exclusive. Never empty.
    pub range: Option<Range<u64>>,
    /// Only this generation.
    pub if_match: Option<&'a Etag>,
}

/// An object on its way.
#[derive(Debug)]
pub struct Object {
    /// Attributes of the whole object.
    pub meta: Meta,
    /// Which of its bytes the body holds: those asked for, as far as there are.
    pub range: Range<u64>,
    /// The bytes.
    pub body: Body,
}

/// When a write takes effect.
#[derive(Clone, Copy, Debug, Default)]
pub enum Condition<'a> {
    /// Always.
    #[default]
    None,
    /// Only over this generation.
    IfMatch(&'a Etag),
    /// Only if there is no such object.
    IfAbsent,
}

/// How an object is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Put<'a> {
    /// When.
    pub condition: Condition<'a>,
    /// `x-amz-meta-*` without the prefix.
    pub metadata: &'a [(&'a str, &'a str)],
    /// `content-type`; the server's choice if there is none.
    pub content_type: Option<&'a str>,
}

/// What is copied.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Its bucket.
    pub bucket: &'a str,
    /// Its key.
    pub key: &'a str,
    /// Bytes, the end exclusive; all if there is none. Only for parts.
    pub range: Option<Range<u64>>,
    /// Only this generation.
    pub if_match: Option<&'a Etag>,
}

/// A multipart upload.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UploadId(pub(super) Arc<str>);

impl UploadId {
    /// As the server wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A part that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1 to 10 000.
    pub number: u16,
    /// The part's own tag.
    pub etag: Etag,
}

/// What to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct List<'a> {
    /// Only keys that begin so.
    pub prefix: &'a str,
    /// Keys are folded at the first of these behind the prefix.
    pub delimiter: Option<&'a str>,
    /// Only keys behind this one.
    pub start_after: Option<&'a str>,
    /// [`Listing::next`] of the page before.
    pub continuation: Option<&'a str>,
    /// From 1 to 1000; the server's choice, usually 1000, if there is none.
    pub max_keys: Option<u16>,
}

/// One page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Keys in the order of their bytes.
    pub objects: Vec<Listed>,
    /// Folded keys, each with the delimiter at its end.
    pub prefixes: Vec<Box<str>>,
    /// Where the next page begins, if there is one.
    pub next: Option<Box<str>>,
    /// Keys of the page that are not UTF-8 and had to be left out.
    pub unreadable: usize,
}

/// One object of a listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The whole key, the prefix included.
    pub key: Box<str>,
    /// Bytes.
    pub size: u64,
    /// Of the generation listed.
    pub etag: Etag,
    /// When it was written.
    pub modified: SystemTime,
    /// It lies in an archive. Whether it has been restored is only known from its own [`Meta`].
    pub archived: bool,
}

/// Whether a storage class needs a restoration before reading.
pub(super) fn is_archive(class: &str) -> bool {
    matches!(class, "GLACIER" | "DEEP_ARCHIVE")
}

/// The tag in an answer's headers.
pub(super) fn etag(headers: &HeaderMap) -> Option<Etag> {
    text(headers, &ETAG).map(Etag::new)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

impl Meta {
    /// The attributes an answer's headers state.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, &'static str> {
        let size = match text(headers, &CONTENT_RANGE) {
            Some(range) => range.rsplit_once('/').and_then(|(_, total)| total.parse().ok()),
            None => text(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        };
        let modified = text(headers, &LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
        let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let class = named("x-amz-storage-class").unwrap_or_default();
        let in_archive = is_archive(class) || headers.contains_key("x-amz-archive-status");
        let restored =
            named("x-amz-restore").is_some_and(|state| state.contains("ongoing-request=\"false\""));
        Ok(Self {
            size: size.ok_or("the answer does not say how long the object is")?,
            etag: etag(headers).ok_or("the answer has no ETag")?,
            modified: modified.unwrap_or(SystemTime::UNIX_EPOCH),
            archived: in_archive && !restored,
            metadata: metadata(headers),
        })
    }
}

fn metadata(headers: &HeaderMap) -> Vec<(Box<str>, Box<str>)> {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("x-amz-meta-")?;
        Some((name.into(), std::str::from_utf8(value.as_bytes()).ok()?.into()))
    });
    pairs.collect()
}

/// The bytes an answer's body holds: `Content-Range: bytes 0-9/10`, or all of them.
pub(super) fn body_range(headers: &HeaderMap, size: u64) -> Option<Range<u64>> {
    let Some(range) = text(headers, &CONTENT_RANGE) else { return Some(0..size) };
    let (first, last) = range.strip_prefix("bytes ")?.split_once('/')?.0.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < size).then(|| first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn attributes_come_from_headers() {
        let headers = headers(&[
            ("content-length", "4"),
            ("content-range", "bytes 6-9/10"),
            ("etag", "\"e\""),
            ("last-modified", "Thu, 01 Jan 1970 00:00:09 GMT"),
            ("x-amz-meta-owner", "me"),
            ("x-amz-storage-class", "GLACIER"),
        ]);
        let meta = Meta::of(&headers).expect("all is there");
        assert_eq!((meta.size, meta.etag.as_str(), meta.archived), (10, "\"e\"", true));
        assert_eq!(meta.metadata, [("owner".into(), "me".into())]);
        assert_eq!(body_range(&headers, 10), Some(6..10));
        assert_eq!(body_range(&headers, 9), None);
    }

    #[test]
    fn a_restored_object_can_be_read() {
        for (class, restore, archived) in [
            ("DEEP_ARCHIVE", "ongoing-request=\"true\"", true),
            ("DEEP_ARCHIVE", "ongoing-request=\"false\", expiry-date=\"x\"", false),
            ("GLACIER_IR", "", false),
        ] {
            let headers = headers(&[
                ("content-length", "4"),
                ("etag", "\"e\""),
                ("x-amz-storage-class", class),
                ("x-amz-restore", restore),
            ]);
            assert_eq!(Meta::of(&headers).expect("all is there").archived, archived, "{class} {restore}");
        }
        assert!(Meta::of(&HeaderMap::new()).is_err());
    }
}
