//! Byte ranges (RFC 9110, 14). Single ranges; a list of ranges gets the whole content, which a server may always do.

use http::HeaderValue;
use std::ops::Range;

/// A range of a content of known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte and the one behind the last.
    pub bytes: Range<u64>,
    /// Size of the whole content.
    pub total: u64,
}

/// What a `Range` header asks of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spans {
    /// All of it: no header, one we may ignore, or several ranges.
    Whole,
    /// One part: 206.
    Part(Span),
    /// Nothing that exists: 416 with `Content-Range: bytes */total`.
    Unsatisfiable,
}

impl Span {
    /// `Content-Range` of the part.
    pub fn content_range(&self) -> HeaderValue {
        let Range { start, end } = self.bytes;
        HeaderValue::try_from(format!("bytes {start}-{}/{}", end - 1, self.total)).expect("digits are ASCII")
    }

    /// Bytes in the part.
    pub fn len(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }

    /// Never: an empty range is unsatisfiable.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Spans {
    /// What `range` asks of a content of `total` bytes whose entity tag is `etag`. A `Range` that does not parse is
    /// ignored (RFC 9110, 14.2), as is one whose `If-Range` names another version; a range whose end lies before
    /// its start is answered with 416, as the conformance suite of the distribution specification wants it.
    pub fn of(
        range: Option<&HeaderValue>,
        if_range: Option<&HeaderValue>,
        etag: &HeaderValue,
        total: u64,
    ) -> Spans {
        if if_range.is_some_and(|version| version != etag) {
            return Spans::Whole;
        }
        range
            .and_then(|range| range.to_str().ok())
            .and_then(|text| parse(text, total))
            .unwrap_or(Spans::Whole)
    }
}

/// `Content-Range` of a 416.
pub fn unsatisfied(total: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes */{total}")).expect("digits are ASCII")
}

fn parse(text: &str, total: u64) -> Option<Spans> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let bytes = match (first, last) {
        ("", suffix) => total.saturating_sub(number(suffix)?)..total,
        (first, "") => number(first)?..total,
        (first, last) => number(first)?..number(last)?.saturating_add(1).min(total),
    };
    Some(if bytes.is_empty() { Spans::Unsatisfiable } else { Spans::Part(Span { bytes, total }) })
}

/// Digits only; what does not fit is clamped, since no content is that large.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_specification() {
        let etag = HeaderValue::from_static("\"x\"");
        let of = |text: &str| Spans::of(Some(&HeaderValue::from_str(text).unwrap()), None, &etag, 1000);
        let part = |bytes| Spans::Part(Span { bytes, total: 1000 });
        assert_eq!(of("bytes=0-0"), part(0..1));
        assert_eq!(of("bytes=500-1499"), part(500..1000));
        assert_eq!(of("bytes=500-"), part(500..1000));
        assert_eq!(of("bytes=-500"), part(500..1000));
        assert_eq!(of("bytes=-5000"), part(0..1000));
        assert_eq!(of("Bytes=0-18446744073709551616"), part(0..1000));
        assert_eq!(of("bytes=5000-10000"), Spans::Unsatisfiable);
        assert_eq!(of("bytes=1000-"), Spans::Unsatisfiable);
        assert_eq!(of("bytes=500-0"), Spans::Unsatisfiable);
        assert_eq!(of("bytes=-0"), Spans::Unsatisfiable);
        for ignored in
            ["bytes=abc", "bytes=-", "bytes=0-1,3-4", "items=0-1", "0-1", "bytes=+1-2", "bytes=1--2"]
        {
            assert_eq!(of(ignored), Spans::Whole, "{ignored}");
        }
    }

    #[test]
    fn another_version_gets_the_whole() {
        let (etag, other) = (HeaderValue::from_static("\"x\""), HeaderValue::from_static("\"y\""));
        let range = HeaderValue::from_static("bytes=1-2");
        assert_eq!(Spans::of(Some(&range), Some(&other), &etag, 10), Spans::Whole);
        assert_eq!(
            Spans::of(Some(&range), Some(&etag), &etag, 10),
            Spans::Part(Span { bytes: 1..3, total: 10 })
        );
    }

    #[test]
    fn headers() {
        let span = Span { bytes: 1..3, total: 10 };
        assert_eq!((span.content_range(), span.len()), (HeaderValue::from_static("bytes 1-2/10"), 2));
        assert_eq!(unsatisfied(10), "bytes */10");
    }
}
