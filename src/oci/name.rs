//! Repository names and tags (distribution-spec, "Pulling manifests").

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A repository name: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/...)*`, at most 255 bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(Arc<str>);

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

/// Why a text is not a repository name or tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Nothing there, or an empty path component.
    Empty,
    /// Longer than the specification or common clients allow.
    TooLong,
    /// A character or separator where the grammar has none.
    Character,
}

const NAME_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;

impl Repository {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is there a `/` in the name?
    pub fn is_nested(&self) -> bool {
        self.0.contains('/')
    }

    /// `prefix/self`, where `prefix` is a valid component.
    pub fn under(&self, prefix: &str) -> Result<Repository, Invalid> {
        format!("{prefix}/{self}").parse()
    }
}

impl Tag {
    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `latest`.
    pub fn latest() -> Tag {
        Tag("latest".into())
    }
}

impl FromStr for Repository {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Repository, Invalid> {
        if text.len() > NAME_LIMIT {
            return Err(Invalid::TooLong);
        }
        text.split('/').try_for_each(component)?;
        Ok(Repository(text.into()))
    }
}

impl FromStr for Tag {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Tag, Invalid> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        match text.as_bytes() {
            [] => Err(Invalid::Empty),
            bytes if bytes.len() > TAG_LIMIT => Err(Invalid::TooLong),
            [first, rest @ ..] if word(*first) && rest.iter().all(|&b| word(b) || b == b'.' || b == b'-') => {
                Ok(Tag(text.into()))
            }
            _ => Err(Invalid::Character),
        }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn component(text: &str) -> Result<(), Invalid> {
    let bytes = text.as_bytes();
    let alnum = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9');
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return Err(Invalid::Empty) };
    if !alnum(first) || !alnum(last) {
        return Err(Invalid::Character);
    }
    let separators = bytes.split(|b| alnum(b)).filter(|run| !run.is_empty());
    for run in separators {
        let dashes = run.iter().all(|&b| b == b'-');
        if !(dashes || run == b"." || run == b"_" || run == b"__") {
            return Err(Invalid::Character);
        }
    }
    Ok(())
}

macro_rules! text {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text!(Repository);
text!(Tag);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invalid::Empty => "empty name or name component",
            Invalid::TooLong => "name too long",
            Invalid::Character => "character not allowed in a name",
        })
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_grammar() {
        for good in ["a", "library/busybox", "a__b", "a--b", "a---b/c.d_e", "0", "manifests", "blobs/tags"] {
            assert_eq!(good.parse::<Repository>().map(|r| r.to_string()), Ok(good.to_string()));
        }
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "-a", "a-", "a..b", "a___b", "a_-b", "..", "a:b", "a%2fb",
            "a\\b", "\u{e9}",
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        assert_eq!("a".repeat(256).parse::<Repository>(), Err(Invalid::TooLong));
    }

    #[test]
    fn tag_grammar() {
        for good in ["latest", "_", "1.2-x", "V1"] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a b", "a:b"] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
        assert!("a".repeat(128).parse::<Tag>().is_ok());
        assert_eq!("a".repeat(129).parse::<Tag>(), Err(Invalid::TooLong));
    }
}
