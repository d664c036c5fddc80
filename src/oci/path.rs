//! The paths of the distribution API, parsed once.

use super::{Code, Digest, Reference, digest, reference};
use percent_encoding::percent_decode_str;

/// `/v2/<name>/<kind>/<reference>`, or the ping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// `/v2` and `/v2/`.
    Ping,
    /// An object under a name. The name is still what the URL said: it may start with a token or a host.
    Object {
        /// The components between `/v2/` and the kind, decoded, joined by `/`.
        name: String,
        /// What is asked for.
        object: Object,
    },
}

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// `manifests/<reference>`
    Manifest(Reference),
    /// `blobs/<digest>`
    Blob(Digest),
    /// `tags/list`
    Tags,
    /// `referrers/<digest>`
    Referrers(Digest),
}

/// Why a path is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// No such path in the API, or a name that no grammar allows.
    Path,
    /// A digest that is none.
    Digest(digest::Invalid),
    /// A tag that is none.
    Tag,
}

impl Path {
    /// Parses the path of a URL, which must start with `/v2`. Components are decoded once and after splitting,
    /// so an encoded slash never becomes a separator.
    pub fn parse(path: &str) -> Result<Path, Invalid> {
        let rest = match path.strip_prefix("/v2") {
            Some("" | "/") => return Ok(Path::Ping),
            Some(rest) => rest.strip_prefix('/').ok_or(Invalid::Path)?,
            None => return Err(Invalid::Path),
        };
        if is_plain(rest) { Path::plain(rest) } else { Path::encoded(rest) }
    }

    /// What lies behind `/v2/`, where nothing is encoded: nearly always.
    fn plain(rest: &str) -> Result<Path, Invalid> {
        let (rest, last) = rest.rsplit_once('/').ok_or(Invalid::Path)?;
        let (name, kind) = rest.rsplit_once('/').ok_or(Invalid::Path)?;
        if name.split('/').any(str::is_empty) {
            return Err(Invalid::Path);
        }
        Ok(Path::Object { object: Object::parse(kind, last)?, name: name.into() })
    }

    fn encoded(rest: &str) -> Result<Path, Invalid> {
        let components = rest.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        let [name @ .., kind, last] = &components[..] else { return Err(Invalid::Path) };
        if name.is_empty() || name.iter().any(String::is_empty) {
            return Err(Invalid::Path);
        }
        Ok(Path::Object { object: Object::parse(kind, last)?, name: name.join("/") })
    }
}

impl Object {
    /// By the last two components of a path.
    fn parse(kind: &str, last: &str) -> Result<Object, Invalid> {
        Ok(match kind {
            "manifests" => Object::Manifest(last.parse().map_err(reference_invalid)?),
            "blobs" => Object::Blob(last.parse().map_err(Invalid::Digest)?),
            "referrers" => Object::Referrers(last.parse().map_err(Invalid::Digest)?),
            "tags" if last == "list" => Object::Tags,
            _ => return Err(Invalid::Path),
        })
    }
}

impl Invalid {
    /// The code this is answered with.
    pub fn code(self) -> Code {
        match self {
            Invalid::Path => Code::NameInvalid,
            Invalid::Digest(_) => Code::DigestInvalid,
            Invalid::Tag => Code::ManifestInvalid,
        }
    }
}

fn reference_invalid(why: reference::Invalid) -> Invalid {
    match why {
        reference::Invalid::Digest(why) => Invalid::Digest(why),
        _ => Invalid::Tag,
    }
}

/// Is every component what it is when decoded, and allowed?
fn is_plain(text: &str) -> bool {
    // Without an end before the last byte many are looked at at once.
    text.bytes().fold(true, |plain, byte| plain & byte.is_ascii_graphic() & (byte != b'%') & (byte != b'\\'))
}

fn decode(component: &str) -> Result<String, Invalid> {
    let text = percent_decode_str(component).decode_utf8().map_err(|_| Invalid::Path)?;
    let forbidden = |c: char| matches!(c, '/' | '\\' | '%') || c.is_control();
    if text.contains(forbidden) { Err(Invalid::Path) } else { Ok(text.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str) -> (String, Object) {
        match Path::parse(path).unwrap() {
            Path::Object { name, object } => (name, object),
            Path::Ping => panic!("{path} is the ping"),
        }
    }

    #[test]
    fn the_paths_of_the_api() {
        let digest = Digest::sha256(b"x");
        let latest = || Object::Manifest("latest".parse().unwrap());
        assert_eq!(Path::parse("/v2"), Ok(Path::Ping));
        assert_eq!(Path::parse("/v2/"), Ok(Path::Ping));
        assert_eq!(object("/v2/hello-world/manifests/latest"), ("hello-world".into(), latest()));
        assert_eq!(object("/v2/a/b/manifests/latest"), ("a/b".into(), latest()));
        assert_eq!(object("/v2/wt/a1/library/ubuntu/manifests/latest").0, "wt/a1/library/ubuntu");
        assert_eq!(object("/v2/manifests/manifests/latest"), ("manifests".into(), latest()));
        assert_eq!(object(&format!("/v2/x/blobs/{digest}")).1, Object::Blob(digest));
        assert_eq!(object(&format!("/v2/x/blobs/sha256%3A{}", digest.hex())).1, Object::Blob(digest));
        assert_eq!(object(&format!("/v2/x/referrers/{digest}")).1, Object::Referrers(digest));
        assert_eq!(object("/v2/x/tags/list").1, Object::Tags);
    }

    #[test]
    fn plain_paths_mean_what_they_mean_encoded() {
        let digest = Digest::sha256(b"x").to_string();
        let parts =
            ["", "a", "b.c", "manifests", "blobs", "tags", "list", "referrers", "latest", "-", &digest];
        for one in parts {
            for two in parts {
                for three in parts {
                    for four in parts {
                        let rest = format!("{one}/{two}/{three}/{four}");
                        assert!(is_plain(&rest));
                        for from in [0, one.len() + 1, one.len() + two.len() + 2] {
                            let rest = &rest[from..];
                            assert_eq!(Path::plain(rest), Path::encoded(rest), "{rest}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let check = |path: &str, why| assert_eq!(Path::parse(path), Err(why), "{path}");
        check("/v1/library/hello-world/manifests/latest", Invalid::Path);
        check("/v2/library/hello-world/foo/latest", Invalid::Path);
        check("/v2x", Invalid::Path);
        check("/v2/_catalog", Invalid::Path);
        check("/v2//manifests/latest", Invalid::Path);
        check("/v2/manifests/latest", Invalid::Path);
        check("/v2/a//b/manifests/latest", Invalid::Path);
        check("/v2/a%2Fb/manifests/latest", Invalid::Path);
        check("/v2/a%252Fb/manifests/latest", Invalid::Path);
        check("/v2/a%00/manifests/latest", Invalid::Path);
        check("/v2/a%5C/manifests/latest", Invalid::Path);
        check("/v2/%ff/manifests/latest", Invalid::Path);
        check("/v2/x/tags/latest", Invalid::Path);
        check("/v2/x/manifests/-bad", Invalid::Tag);
        check("/v2/x/blobs/latest", Invalid::Digest(digest::Invalid::Form));
        check("/v2/x/blobs/sha256:12", Invalid::Digest(digest::Invalid::Length));
        check("/v2/x/manifests/sha256:XYZ", Invalid::Digest(digest::Invalid::Encoding));
    }
}
