//! Content digests (OCI image-spec, descriptor.md#digests).

use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::str::FromStr;

/// A digest algorithm. Only [`Algorithm::Sha256`] and [`Algorithm::Sha512`] can be verified here; others are
/// passed through unverified and are never cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// BLAKE3, 32 bytes (registered by image-spec main).
    Blake3,
}

impl Algorithm {
    /// The name in front of the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
        }
    }

    /// Length of the encoded value in bytes (half the number of hex digits).
    pub fn width(self) -> usize {
        match self {
            Algorithm::Sha256 | Algorithm::Blake3 => 32,
            Algorithm::Sha512 => 64,
        }
    }
}

/// `algorithm:hex`, parsed: the algorithm and up to 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: [u8; 64],
}

/// Why a text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// No colon between algorithm and value.
    Form,
    /// An algorithm we do not know.
    Algorithm,
    /// Wrong number of hex digits for the algorithm.
    Length,
    /// Something other than lower-case hex digits.
    Hex,
}

impl Digest {
    /// The sha256 digest of `bytes`.
    pub fn sha256(bytes: impl AsRef<[u8]>) -> Digest {
        let mut digester = Digester::new(Algorithm::Sha256).expect("sha256 can be computed");
        digester.update(bytes.as_ref());
        digester.finish()
    }

    /// A digest from its raw bytes; `None` when the length is not the algorithm's.
    pub fn from_raw(algorithm: Algorithm, raw: &[u8]) -> Option<Digest> {
        if raw.len() != algorithm.width() {
            return None;
        }
        let mut bytes = [0; 64];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Digest { algorithm, bytes })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw value.
    pub fn raw(&self) -> &[u8] {
        &self.bytes[..self.algorithm.width()]
    }

    /// The value as lower-case hex, without the algorithm.
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(self.raw().len() * 2);
        for byte in self.raw() {
            text.push(char::from_digit(u32::from(byte >> 4), 16).expect("a nibble is a hex digit"));
            text.push(char::from_digit(u32::from(byte & 15), 16).expect("a nibble is a hex digit"));
        }
        text
    }

    /// A fresh digester of this digest's algorithm; `None` when it cannot be computed here.
    pub fn digester(&self) -> Option<Digester> {
        Digester::new(self.algorithm)
    }

    /// Does `content` have this digest? `None` when the algorithm cannot be computed here.
    pub fn matches(&self, content: &[u8]) -> Option<bool> {
        let mut digester = self.digester()?;
        digester.update(content);
        Some(digester.finish() == *self)
    }
}

impl FromStr for Digest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Digest, Invalid> {
        let (name, value) = text.split_once(':').ok_or(Invalid::Form)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            "blake3" => Algorithm::Blake3,
            _ => return Err(Invalid::Algorithm),
        };
        if !value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Invalid::Hex);
        }
        if value.len() != algorithm.width() * 2 {
            return Err(Invalid::Length);
        }
        let nibble = |b: u8| if b < b'a' { b - b'0' } else { b - b'a' + 10 };
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(value.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        Ok(Digest { algorithm, bytes })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invalid::Form => "a digest is `algorithm:hex`",
            Invalid::Algorithm => "unsupported digest algorithm",
            Invalid::Length => "wrong length for the digest algorithm",
            Invalid::Hex => "a digest value is lower-case hex",
        })
    }
}

impl std::error::Error for Invalid {}

/// Computes a digest over content as it passes.
#[derive(Clone)]
pub struct Digester(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Digester {
    /// A digester, or `None` when `algorithm` cannot be computed here.
    pub fn new(algorithm: Algorithm) -> Option<Digester> {
        match algorithm {
            Algorithm::Sha256 => Some(Digester(State::Sha256(Sha256::new()))),
            Algorithm::Sha512 => Some(Digester(State::Sha512(Box::new(Sha512::new())))),
            Algorithm::Blake3 => None,
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        let (algorithm, raw) = match self.0 {
            State::Sha256(state) => (Algorithm::Sha256, state.finalize().to_vec()),
            State::Sha512(state) => (Algorithm::Sha512, state.finalize().to_vec()),
        };
        Digest::from_raw(algorithm, &raw).expect("a hash has its algorithm's width")
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digester")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parsed() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(empty.parse::<Digest>().unwrap().to_string(), empty);
        assert_eq!(Digest::sha256(b"").to_string(), empty);
        let long = format!("sha512:{}", "ab".repeat(64));
        assert_eq!(long.parse::<Digest>().unwrap().to_string(), long);
    }

    #[test]
    fn refuses_what_is_not_a_digest() {
        let check = |text: &str, why| assert_eq!(text.parse::<Digest>(), Err(why), "{text}");
        check("sha256", Invalid::Form);
        check("sha256:XYZ", Invalid::Hex);
        check(&format!("sha256:{}", "A".repeat(64)), Invalid::Hex);
        check(&format!("sha256:{}", "a".repeat(63)), Invalid::Length);
        check(&format!("sha512:{}", "a".repeat(64)), Invalid::Length);
        check(&format!("sha256:{}/../x", "a".repeat(58)), Invalid::Hex);
        check("md5:d41d8cd98f00b204e9800998ecf8427e", Invalid::Algorithm);
    }

    #[test]
    fn verifies_what_it_can() {
        let digest = Digest::sha256(b"abc");
        assert_eq!(digest.matches(b"abc"), Some(true));
        assert_eq!(digest.matches(b"abd"), Some(false));
        let blake: Digest = format!("blake3:{}", "0".repeat(64)).parse().unwrap();
        assert_eq!(blake.matches(b"abc"), None);
    }
}
