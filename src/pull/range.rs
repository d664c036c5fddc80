//! Byte ranges (RFC 9110, 14). Single ranges; a list of ranges gets the whole content, which a server may always do.

use http::{HeaderMap, HeaderValue, header};
use std::ops::Range;

/// One range as a `Range` header asks for it, before the size of the content is known (RFC 9110, 14.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `first-`
    From(u64),
    /// `first-last`; the last may lie before the first.
    Between(u64, u64),
    /// `-length`
    Last(u64),
}

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

impl Asked {
    /// The range of a `Range` header; `None` for what is to be ignored: other units, several ranges, nonsense.
    pub fn parse(range: &HeaderValue) -> Option<Asked> {
        let (unit, set) = range.to_str().ok()?.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        // Of a list the last of one range has a comma in it, and so is no number.
        match set.trim().split_once('-')? {
            ("", length) => number(length).map(Asked::Last),
            (first, "") => number(first).map(Asked::From),
            (first, last) => Some(Asked::Between(number(first)?, number(last)?)),
        }
    }

    /// The header that asks for it.
    pub fn header(self) -> HeaderValue {
        let text = match self {
            Asked::From(first) => format!("bytes={first}-"),
            Asked::Between(first, last) => format!("bytes={first}-{last}"),
            Asked::Last(length) => format!("bytes=-{length}"),
        };
        HeaderValue::try_from(text).expect("digits are ASCII")
    }

    /// Do the headers of a 206 say that its content is this one part, or as much of it as the server sends at a time?
    /// Without `Content-Range` it holds several parts, each behind a head of its own (RFC 9110, 15.3.7.2), or nobody
    /// knows what.
    pub fn is_answered_by(self, fields: &HeaderMap) -> bool {
        let Some(Sent { bytes, total }) = Sent::of(fields) else { return false };
        let length = bytes.end - bytes.start;
        let declared = fields.get(header::CONTENT_LENGTH).map(|value| value.to_str().ok().and_then(number));
        let asked = match self {
            Asked::From(from) => bytes.start == from,
            Asked::Between(from, to) => bytes.start == from && bytes.end <= to.saturating_add(1),
            Asked::Last(most) => length <= most && total.is_none_or(|total| bytes.end == total),
        };
        asked && declared.is_none_or(|declared| declared == Some(length))
    }

    /// What it means for a content of `total` bytes.
    fn of(self, total: u64) -> Spans {
        let bytes = match self {
            Asked::From(first) => first..total,
            Asked::Between(first, last) => first..last.saturating_add(1).min(total),
            Asked::Last(length) => total.saturating_sub(length)..total,
        };
        if bytes.is_empty() { Spans::Unsatisfiable } else { Spans::Part(Span { bytes, total }) }
    }
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
        range.and_then(Asked::parse).map_or(Spans::Whole, |asked| asked.of(total))
    }
}

/// What a `Content-Range` says was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// First byte and the one behind the last.
    pub bytes: Range<u64>,
    /// Size of the whole content, unless it is `*`.
    pub total: Option<u64>,
}

impl Sent {
    /// Of the headers of a 206; `None` when they do not say which one part its content is.
    pub fn of(fields: &HeaderMap) -> Option<Sent> {
        let mut ranges = fields.get_all(header::CONTENT_RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else { return None };
        let (part, total) = range.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = part.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let total = if total == "*" { None } else { Some(number(total)?) };
        let fits = first <= last && last < total.unwrap_or(u64::MAX);
        fits.then(|| Sent { bytes: first..last + 1, total })
    }
}

/// `Content-Range` of a 416.
pub fn unsatisfied(total: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes */{total}")).expect("digits are ASCII")
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
    fn one_range_is_asked_for_as_it_was_meant() {
        let asked = |text: &str| {
            let asked = Asked::parse(&HeaderValue::from_str(text).unwrap())?;
            Some(asked.header().to_str().unwrap().to_string())
        };
        for (text, header) in [
            ("bytes=0-1", "bytes=0-1"),
            ("Bytes= 5- ", "bytes=5-"),
            ("bytes=-3", "bytes=-3"),
            ("bytes=5-1", "bytes=5-1"),
        ] {
            assert_eq!(asked(text).as_deref(), Some(header), "{text}");
        }
        let many: Vec<String> = (0..1000).map(|at| format!("{0}-{0}", 2 * at)).collect();
        for several in ["bytes=0-1,5-6", "bytes=0-1,", "bytes=-1,2-", &format!("bytes={}", many.join(","))] {
            assert_eq!(asked(several), None, "{several:.20}");
        }
    }

    #[test]
    fn a_part_is_the_one_that_was_asked_for() {
        let answers = |asked: Asked, fields: &[(header::HeaderName, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(name, HeaderValue::from_static(value));
            }
            asked.is_answered_by(&map)
        };
        let range = |value| (header::CONTENT_RANGE, value);
        let length = |value| (header::CONTENT_LENGTH, value);
        for (asked, fields) in [
            (Asked::Between(0, 1), &[range("bytes 0-1/10")][..]),
            (Asked::Between(0, 1), &[range("bytes 0-1/*"), length("2")]),
            (Asked::Between(8, 20), &[range("bytes 8-9/10"), length("2")]),
            (Asked::Between(2, 8), &[range("bytes 2-5/10"), length("4")]),
            (Asked::From(9), &[range("bytes 9-9/10")]),
            (Asked::Last(2), &[range("bytes 8-9/10")]),
            (Asked::Last(20), &[range("bytes 0-9/10")]),
            (Asked::Last(2), &[range("bytes 8-9/*")]),
        ] {
            assert!(answers(asked, fields), "{asked:?} {fields:?}");
        }
        for (asked, fields) in [
            (Asked::Between(0, 1), &[][..]),
            (Asked::Between(0, 1), &[range("bytes 0-1/10"), range("bytes 0-1/10")]),
            (Asked::From(0), &[range("bytes */10")]),
            (Asked::From(2), &[range("bytes 2-1/10")]),
            (Asked::From(0), &[range("bytes 0-10/10")]),
            (Asked::From(0), &[range("x")]),
            (Asked::From(0), &[range("bytes 1-9/10")]),
            (Asked::Between(2, 3), &[range("bytes 1-3/10")]),
            (Asked::Between(2, 3), &[range("bytes 2-4/10")]),
            (Asked::Between(2, 3), &[range("bytes 2-3/10"), length("3")]),
            (Asked::Between(2, 3), &[range("bytes 2-3/10"), length("x")]),
            (Asked::Last(2), &[range("bytes 7-9/10")]),
            (Asked::Last(2), &[range("bytes 0-1/10")]),
        ] {
            assert!(!answers(asked, fields), "{asked:?} {fields:?}");
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
