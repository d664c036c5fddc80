//! Where a layer of a request is said to be.

use crate::error::Error;
use crate::oci::path::{Object, Path};
use crate::oci::{Code, Digest, Host, Repository};
use crate::upstream::guard::{Private, is_private_name, is_public};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use flate2::read::ZlibDecoder;
use std::io::Read as _;
use std::net::IpAddr;
use url::{Host as UrlHost, Url};

/// Characters of the longest location.
pub(super) const MAX_LOCATION: usize = 14_000_000;
/// Bytes of the longest inline layer.
const MAX_INLINE: usize = MAX_LOCATION / 4 * 3;

/// A location, parsed; inline bytes are decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// `https://` or `http://`.
    Url(Url),
    /// `data:` or `gzip:`.
    Inline(Vec<u8>),
    /// `docker://`.
    Registry(Host, Repository, Digest),
}

impl Location {
    /// Parses `text`. Paths of this machine are never a location: only the operator names files.
    pub(super) fn parse(text: &str, private: Private) -> Result<Location, Error> {
        if text.len() > MAX_LOCATION {
            return Err(invalid("Container layer exceeds the maximum allowed size"));
        }
        let Some((scheme, rest)) = text.split_once(':') else { return Err(unsupported(text)) };
        match scheme.to_ascii_lowercase().as_str() {
            "https" | "http" => url(text, private).map(Location::Url),
            "data" => decode(rest.split_once(";base64,").map_or(rest, |(_, data)| data)).map(Location::Inline),
            "gzip" => inflate(&decode(rest)?).map(Location::Inline),
            "docker" => registry(rest),
            _ => Err(unsupported(text)),
        }
    }
}

fn url(text: &str, private: Private) -> Result<Url, Error> {
    // The URL standard folds decimal, octal, hexadecimal and short spellings of addresses into one.
    let url = Url::parse(text).map_err(|error| invalid(format!("Invalid layer location: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("A layer location must not carry credentials"));
    }
    if private == Private::Allowed {
        return Ok(url);
    }
    if url.scheme() != "https" {
        return Err(invalid("A layer location must be https"));
    }
    let refused = match url.host() {
        Some(UrlHost::Domain(name)) => is_private_name(name),
        Some(UrlHost::Ipv4(address)) => !is_public(IpAddr::V4(address)),
        Some(UrlHost::Ipv6(address)) => !is_public(IpAddr::V6(address)),
        None => true,
    };
    if refused { Err(invalid("The address of the layer location is not allowed")) } else { Ok(url) }
}

/// `//registry/v2/repository/blobs/digest`
fn registry(rest: &str) -> Result<Location, Error> {
    let wrong = || invalid("Invalid layer location: expected docker://registry/v2/repository/blobs/digest");
    let (host, path) = rest.strip_prefix("//").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    match Path::parse(&format!("/{path}")) {
        Ok(Path::Object { name, object: Object::Blob(digest) }) => {
            Ok(Location::Registry(host.parse().map_err(|_| wrong())?, name.parse().map_err(|_| wrong())?, digest))
        }
        _ => Err(wrong()),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Error> {
    let text = text.trim();
    STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .map_err(|_| invalid("Invalid layer location: not encoded as a base64 string"))
}

fn inflate(deflated: &[u8]) -> Result<Vec<u8>, Error> {
    let mut layer = Vec::new();
    let inflated = ZlibDecoder::new(deflated).take(MAX_INLINE as u64 + 1).read_to_end(&mut layer);
    inflated.map_err(|error| invalid(format!("Invalid layer location: not deflated: {error}")))?;
    match layer.len() > MAX_INLINE {
        true => Err(invalid("Container layer exceeds the maximum allowed size")),
        false => Ok(layer),
    }
}

fn unsupported(text: &str) -> Error {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    invalid(format!("Unsupported location type: '{shown}'"))
}

/// 400 with this message.
pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::client(Code::ManifestInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location, String> {
        Location::parse(text, Private::Refused).map_err(|error| error.message().to_string())
    }

    #[test]
    fn inline() {
        let text = || Ok(Location::Inline(b"Hello world".to_vec()));
        assert_eq!(parse("data:SGVsbG8gd29ybGQ="), text());
        assert_eq!(parse("data:SGVsbG8gd29ybGQ"), text());
        assert_eq!(parse("data:application/gzip;base64,SGVsbG8gd29ybGQ="), text());
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, b"Hello world").unwrap();
        let deflated = STANDARD.encode(encoder.finish().unwrap());
        assert_eq!(parse(&format!("gzip:{deflated}")), text());
        assert!(parse("data:%%%").unwrap_err().contains("base64"));
        assert!(parse("gzip:SGVsbG8=").unwrap_err().contains("deflated"));
        let long = format!("data:{}", "A".repeat(MAX_LOCATION));
        assert_eq!(parse(&long).unwrap_err(), "Container layer exceeds the maximum allowed size");
    }

    #[test]
    fn registries() {
        let digest = Digest::sha256("x");
        let text = format!("docker://quay.io/v2/a/b/blobs/{digest}");
        let want = Location::Registry("quay.io".parse().unwrap(), "a/b".parse().unwrap(), digest);
        assert_eq!(parse(&text), Ok(want));
        for bad in ["docker://quay.io", "docker://quay.io/v2/a/manifests/latest", "docker:a", "docker://x y/v2/a/blobs/1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_that_are_refused() {
        assert!(parse("https://example.com/layer.tar.gz").is_ok());
        for bad in [
            "http://example.com/x", "https://127.0.0.1/x", "https://127.1/x", "https://0/x", "https://2130706433/x",
            "https://0x7f.0.0.1/x", "https://0177.0.0.1/x", "https://[::1]/x", "https://[::ffff:10.0.0.1]/x",
            "https://169.254.169.254/x", "https://localhost/x", "https://a.localhost/x", "https://user:pw@example.com/x",
            "file:///etc/passwd", "/etc/passwd", "ftp://example.com/x", "",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(Location::parse("http://127.0.0.1:80/x", Private::Allowed).is_ok());
        assert!(Location::parse("/etc/passwd", Private::Allowed).is_err());
    }
}
