//! Where a token says the bytes of its layer are.

use crate::oci::path::{Object, Path};
use crate::oci::reference::official;
use crate::oci::{Digest, Host, Repository};
use crate::upstream::guard::{Private, is_private_name};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::bufread::ZlibDecoder;
use std::io::Read as _;
use url::Url;

/// A location, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In the request itself.
    Inline(Inline),
    /// `https://`, and `http://` where private layers are allowed.
    Url(Url),
    /// `docker://registry/v2/repository/blobs/digest`.
    Registry(Host, Repository, Digest),
}

/// A layer in a request: base64, not decoded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    /// `data:`: the layer.
    Data(String),
    /// `gzip:`: the layer, deflated with a zlib header (RFC 1950) once more for the way.
    Deflated(String),
}

/// Characters in the location of an inline layer.
pub const LIMIT: usize = 14_000_000;
/// Characters in any other location, which is kept as long as a root names it.
pub const REMOTE_LIMIT: usize = 8 << 10;
/// Bytes that a `gzip:` location may inflate to, whatever size it states.
const INFLATED: u64 = 64 << 20;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Location {
    /// Parses a location; the error is the message for the caller. Hosts of URLs are judged by name only, private
    /// literals in any spelling included; what a name resolves to is judged when it is dialled.
    pub fn parse(text: &str, private: Private) -> Result<Location, String> {
        if text.len() > LIMIT {
            return Err("Container layer exceeds the maximum allowed size".into());
        }
        if let Some(rest) = text.strip_prefix("data:") {
            return data(rest).map(Location::Inline);
        }
        if let Some(encoded) = text.strip_prefix("gzip:") {
            return Ok(Location::Inline(Inline::Deflated(encoded.into())));
        }
        if text.len() > REMOTE_LIMIT {
            return Err(format!(
                "Layer location must have at most {REMOTE_LIMIT} characters -- offending value: {}",
                shown(text)
            ));
        }
        match text.split_once("://") {
            Some(("https", _)) => url(text, private).map(Location::Url),
            Some(("http", _)) if private == Private::Allowed => url(text, private).map(Location::Url),
            Some(("http", _)) => {
                Err(format!("Layer location must use https -- offending value: {}", shown(text)))
            }
            Some(("docker", rest)) => registry(rest),
            _ => Err(format!("Unsupported location type -- offending value: {}", shown(text))),
        }
    }
}

impl Inline {
    /// The layer, which states to have `size` bytes. Blocks for as long as inflating takes.
    pub(super) fn decode(&self, size: u64) -> Result<Vec<u8>, String> {
        let base64 = |text: &str| {
            BASE64
                .decode(text)
                .map_err(|_| "Invalid layer location - make sure it is encoded as base64".into())
        };
        let deflated = match self {
            Inline::Data(text) => return base64(text),
            Inline::Deflated(text) => base64(text)?,
        };
        // One byte more than stated shows that the statement is wrong; the rest need not be seen.
        let limit = size.saturating_add(1).min(INFLATED + 1);
        let mut content = Vec::new();
        let mut decoder = ZlibDecoder::new(&*deflated);
        match decoder.by_ref().take(limit).read_to_end(&mut content) {
            Err(error) => Err(format!("Invalid layer location - cannot be inflated: {error}")),
            Ok(_) if content.len() as u64 > INFLATED => {
                Err("Container layer exceeds the maximum allowed size".into())
            }
            Ok(_) if content.len() as u64 <= size && !decoder.into_inner().is_empty() => {
                Err("Invalid layer location - trailing garbage behind the deflated layer".into())
            }
            Ok(_) => Ok(content),
        }
    }
}

/// `data:<base64>`, or a data URL (RFC 2397) in base64.
fn data(rest: &str) -> Result<Inline, String> {
    match rest.split_once(',') {
        None => Ok(Inline::Data(rest.into())),
        Some((head, encoded)) if head == "base64" || head.ends_with(";base64") => {
            Ok(Inline::Data(encoded.into()))
        }
        Some(_) => Err("Invalid layer location - data URLs must be in base64".into()),
    }
}

fn url(text: &str, private: Private) -> Result<Url, String> {
    let fail = |what: &str| format!("{what} -- offending value: {}", shown(text));
    let mut url = Url::parse(text).map_err(|_| fail("Invalid layer location"))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Without the value: it may be a password.
        return Err("Layer location must not have a user name or password".into());
    }
    let host = url.host_str().ok_or_else(|| fail("Invalid layer location"))?;
    if private == Private::Refused && is_private_name(host) {
        return Err(fail("Layer location must be a public address"));
    }
    url.set_fragment(None);
    Ok(url)
}

fn registry(rest: &str) -> Result<Location, String> {
    let fail = || {
        let form = "docker://registry/v2/repository/blobs/digest";
        format!("Invalid layer location, expected {form} -- offending value: docker://{}", shown(rest))
    };
    let at = rest.find('/').ok_or_else(fail)?;
    let host: Host = rest[..at].parse().map_err(|_| fail())?;
    match Path::parse(&rest[at..]) {
        Ok(Path::Object { name, object: Object::Blob(digest) }) => {
            let repository = official(&host, name.parse().map_err(|_| fail())?);
            Ok(Location::Registry(host, repository, digest))
        }
        _ => Err(fail()),
    }
}

/// The beginning of a text of the caller's, without a query, which may be a signature.
pub(super) fn shown(text: &str) -> String {
    text.split(['?', '#']).next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
