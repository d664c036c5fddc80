//! What a request asks for, as metrics and access lines say it, and its path as they may say it.

use crate::grant::Token;
use crate::oci::path::{Object, Path};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::fmt::Write as _;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `/v2/`
    Ping,
    /// A manifest or index.
    Manifest,
    /// A blob.
    Blob,
    /// `tags/list`
    Tags,
    /// Referrers.
    Referrers,
    /// A path under `/v2` that has the form of none of the API's.
    Invalid,
    /// Everything outside `/v2`.
    Control,
}

/// Longest path in an access line, in characters.
const PATH_LIMIT: usize = 512;

impl Kind {
    /// How many there are.
    pub(super) const COUNT: usize = Kind::Control as usize + 1;

    /// The kind of a request for this path.
    pub fn of(path: &str) -> Kind {
        if path != "/v2" && !path.starts_with("/v2/") {
            return Kind::Control;
        }
        let rest = &path["/v2".len()..];
        if rest.len() < 2 {
            return Kind::Ping;
        }
        // Every request passes here, and again where it is parsed: nearly always the place of a word says it.
        let mut words = rest.rsplit('/');
        let (Some(last), Some(word), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Kind::Invalid;
        };
        match word {
            _ if path.contains('%') => Kind::encoded(path),
            _ if name.is_empty() || last.is_empty() => Kind::Invalid,
            "manifests" => Kind::Manifest,
            "blobs" => Kind::Blob,
            "referrers" => Kind::Referrers,
            "tags" if last == "list" => Kind::Tags,
            _ => Kind::Invalid,
        }
    }

    /// The kind where something is encoded, perhaps a separator.
    fn encoded(path: &str) -> Kind {
        match Path::parse(path) {
            Ok(Path::Ping) => Kind::Ping,
            Ok(Path::Object { object: Object::Manifest(_), .. }) => Kind::Manifest,
            Ok(Path::Object { object: Object::Blob(_), .. }) => Kind::Blob,
            Ok(Path::Object { object: Object::Tags, .. }) => Kind::Tags,
            Ok(Path::Object { object: Object::Referrers(_), .. }) => Kind::Referrers,
            Err(_) => Kind::Invalid,
        }
    }

    /// The label in metrics and access lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Ping => "ping",
            Kind::Manifest => "manifest",
            Kind::Blob => "blob",
            Kind::Tags => "tags",
            Kind::Referrers => "referrers",
            Kind::Invalid => "invalid",
            Kind::Control => "control",
        }
    }
}

/// The path without what entitles to anything: a component that is a token, or that follows `wt`, keeps four
/// characters at most. Components are looked at decoded, as the router does, and printed as they came; one in which
/// a separator is encoded may hold anything, and is not printed.
pub fn masked(path: &str) -> String {
    let mut text = String::with_capacity(path.len().min(PATH_LIMIT));
    // Without an end before the last byte many are looked at at once.
    let is_plain = path.bytes().fold(true, |plain, byte| plain & (byte != b'%') & (byte != b'\\'));
    let mut after_wt = false;
    for (place, component) in path.split('/').enumerate() {
        if place > 0 {
            text.push('/');
        }
        let decoded = match is_plain {
            true => Cow::Borrowed(component),
            false => percent_decode_str(component).decode_utf8_lossy(),
        };
        match decoded.parse::<Token>() {
            Ok(token) => _ = write!(text, "{token}"),
            Err(_) if after_wt && !component.is_empty() => text.push_str("***"),
            Err(_) if !is_plain && decoded.contains(['/', '\\', '%']) => text.push_str("***"),
            Err(_) => text.push_str(component),
        }
        after_wt = decoded == "wt";
        if text.len() > PATH_LIMIT {
            text.truncate(text.floor_char_boundary(PATH_LIMIT));
            text.push_str("...");
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        assert_eq!(Kind::of("/v2/"), Kind::Ping);
        assert_eq!(Kind::of("/v2/library/busybox/manifests/latest"), Kind::Manifest);
        assert_eq!(Kind::of("/v2/a/tags/list"), Kind::Tags);
        assert_eq!(Kind::of("/v2/a/blobs/sha256:1"), Kind::Blob);
        assert_eq!(Kind::of("/v2/a/%62lobs/sha256:1"), Kind::Invalid);
        assert_eq!(Kind::of("/v2/a/%6danifests/latest"), Kind::Manifest);
        for path in ["/v2/a/b/c", "/v2/manifests/latest", "/v2//manifests/latest", "/v2/a/blobs/", "/v2//"] {
            assert_eq!(Kind::of(path), Kind::Invalid, "{path}");
        }
        assert_eq!(Kind::of("/container-token"), Kind::Control);
        assert_eq!(Kind::of("/v2x"), Kind::Control);
    }

    #[test]
    fn tokens_never_reach_a_line() {
        let token = Token::mint().unwrap();
        let secret = token.expose();
        let start = &secret[..4];
        for (path, shown) in [
            (
                format!("/v2/wt/{secret}/library/a/manifests/b"),
                format!("/v2/wt/{start}***/library/a/manifests/b"),
            ),
            (format!("/v2/%77t/{secret}/a/manifests/b"), format!("/v2/%77t/{start}***/a/manifests/b")),
            (
                format!("/v2/wt/%{:02x}{}/a", secret.as_bytes()[0], &secret[1..]),
                format!("/v2/wt/{start}***/a"),
            ),
            (format!("/v1alpha2/container/{secret}"), format!("/v1alpha2/container/{start}***")),
            (format!("/v2/wt/x{secret}/a/manifests/b"), "/v2/wt/***/a/manifests/b".into()),
            (format!("/v2//wt/{secret}/a"), format!("/v2//wt/{start}***/a")),
            (format!("/v2/a%2Fwt%2F{secret}/b"), "/v2/***/b".into()),
            (format!("/v2/a%252F{secret}/b"), "/v2/***/b".into()),
            ("/v2/wt/0123456789ab/a/tags/list".into(), "/v2/wt/***/a/tags/list".into()),
            ("/v2/library/a/tags/list".into(), "/v2/library/a/tags/list".into()),
        ] {
            assert_eq!(masked(&path), shown);
        }
    }

    #[test]
    fn long_paths_are_cut() {
        assert_eq!(masked(&format!("/{}", "x".repeat(60_000))).len(), PATH_LIMIT + 3);
    }
}
