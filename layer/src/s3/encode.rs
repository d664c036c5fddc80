//! Percent-encoding as SigV4 has it, hexadecimal digits and base64.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A key in a path: as it is, `//`, `.` and `..` included.
pub(super) fn path(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

/// A value in a query or a form.
pub(super) fn query(value: &str) -> String {
    utf8_percent_encode(value, QUERY).to_string()
}

/// What `encoding-type=url` has made of a key. S3 writes a space as `+`, and a plus as `%2B`. `None` if the key is
/// not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().map(|digit| char::from(digit).to_digit(16)).collect::<Option<Vec<_>>>()?;
    let bytes = digits.chunks_exact(2);
    let whole = bytes.remainder().is_empty();
    whole.then(|| bytes.map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_slashes_and_dots() {
        assert_eq!(path("a//b/../c d+é~%"), "a//b/../c%20d%2B%C3%A9~%25");
        assert_eq!(query("a/b=c&"), "a%2Fb%3Dc%26");
    }

    #[test]
    fn listed_keys_decode_to_what_they_are() {
        assert_eq!(decode("a+b%2Bc%0A%25").as_deref(), Some("a b+c\n%"));
        assert_eq!(decode("%FF"), None);
    }

    #[test]
    fn hex_both_ways() {
        assert_eq!(hex(&[0, 0xab]), "00ab");
        assert_eq!(unhex("00AB"), Some(vec![0, 0xab]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }
}
