//! Digest algorithms (OCI image-spec, descriptor.md#digests).

use std::fmt;

/// A digest algorithm. Only [`Algorithm::Sha256`] and [`Algorithm::Sha512`] can be verified here; others are
/// passed through unverified and are never cached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// BLAKE3, 32 bytes (registered by image-spec main).
    Blake3,
    /// Any other, by its name.
    Other(Name),
}

/// The name of an algorithm we know nothing of: the grammar of the specification, and at most 32 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    text: [u8; 32],
    length: u8,
}

impl Algorithm {
    /// The algorithm called `name`; `None` when that cannot be a name.
    pub fn parse(name: &str) -> Option<Algorithm> {
        Some(match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            "blake3" => Algorithm::Blake3,
            other => Algorithm::Other(Name::parse(other)?),
        })
    }

    /// The name in front of the colon.
    pub fn as_str(&self) -> &str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
            Algorithm::Other(name) => name.as_str(),
        }
    }

    /// Length of a value in bytes, when the algorithm has a fixed one that we know.
    pub fn width(self) -> Option<usize> {
        match self {
            Algorithm::Sha256 | Algorithm::Blake3 => Some(32),
            Algorithm::Sha512 => Some(64),
            Algorithm::Other(_) => None,
        }
    }
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Name {
    /// `algorithm-component *(algorithm-separator algorithm-component)`
    fn parse(name: &str) -> Option<Name> {
        let is_component = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if !name.split(['+', '.', '_', '-']).all(is_component) {
            return None;
        }
        let mut text = [0; 32];
        text.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Name { text, length: name.len() as u8 })
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.length)]).expect("a name is ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_grammar() {
        for name in ["sha256", "sha512", "blake3", "md5", "sha3-256", "multihash+base58", "a.b_c"] {
            assert_eq!(
                Algorithm::parse(name).map(|algorithm| algorithm.as_str().to_owned()).as_deref(),
                Some(name)
            );
        }
        for name in ["", "SHA256", "a--b", "-a", "a-", "a/b", "..", "sha 1", &"a".repeat(33)] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }
}
