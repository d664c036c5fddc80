//! Content digests (OCI image-spec, descriptor.md#digests).

use super::Algorithm;
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::str::FromStr;

/// `algorithm:encoded`, parsed: the algorithm and up to 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    form: Form,
    length: u8,
    bytes: [u8; 64],
}

/// How the value is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    /// As lower-case hex of the bytes.
    Hex,
    /// As it is: the bytes are its characters. Only algorithms we do not know may do that.
    Text,
}

/// Why a text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// No colon between algorithm and value.
    Form,
    /// What stands in front of the colon names no algorithm.
    Algorithm,
    /// Wrong number of digits for the algorithm, or more than can be kept.
    Length,
    /// Something other than lower-case hex digits, or other characters than the specification allows.
    Encoding,
}

impl Digest {
    /// The sha256 digest of `bytes`.
    pub fn sha256(bytes: impl AsRef<[u8]>) -> Digest {
        let mut digester = Digester::new(Algorithm::Sha256).expect("sha256 can be computed");
        digester.update(bytes.as_ref());
        digester.finish()
    }

    /// `None` when there are too many bytes, or not as many as the algorithm has.
    fn new(algorithm: Algorithm, form: Form, raw: &[u8]) -> Option<Digest> {
        if raw.is_empty() || algorithm.width().is_some_and(|width| raw.len() != width) {
            return None;
        }
        let mut bytes = [0; 64];
        bytes.get_mut(..raw.len())?.copy_from_slice(raw);
        Some(Digest { algorithm, form, length: raw.len() as u8, bytes })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw value.
    pub fn raw(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The value as it is written behind the colon: lower-case hex wherever we know the algorithm.
    pub fn hex(&self) -> String {
        self.encoded(&mut [0; 128]).to_owned()
    }

    /// Appends `algorithm:encoded`.
    pub fn write(&self, text: &mut Vec<u8>) {
        // What nearly all of them are.
        if let (Algorithm::Sha256, Form::Hex, Some(raw)) =
            (self.algorithm, self.form, self.raw().as_array::<32>())
        {
            let mut whole = *b"sha256:0000000000000000000000000000000000000000000000000000000000000000";
            if let Some(pairs) = whole[7..].as_chunks_mut().0.first_chunk_mut::<32>() {
                encode(&raw[..], pairs);
            }
            return text.extend_from_slice(&whole);
        }
        text.extend_from_slice(self.algorithm.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(self.encode(&mut [0; 128]));
    }

    fn encoded<'b>(&self, buffer: &'b mut [u8; 128]) -> &'b str {
        std::str::from_utf8(self.encode(buffer)).expect("an encoded value is ASCII")
    }

    fn encode<'b>(&self, buffer: &'b mut [u8; 128]) -> &'b [u8] {
        let raw = self.raw();
        match self.form {
            Form::Text => {
                buffer[..raw.len()].copy_from_slice(raw);
                &buffer[..raw.len()]
            }
            Form::Hex => {
                let (pairs, _) = buffer.as_chunks_mut();
                match (pairs.first_chunk_mut::<32>(), raw.as_array::<32>()) {
                    (Some(pairs), Some(raw)) => encode(raw, pairs),
                    _ => encode(raw, pairs),
                }
                &buffer[..raw.len() * 2]
            }
        }
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
        let mut raw = [0; 64];
        // What nearly all of them are.
        if let Some(value) = text.strip_prefix("sha256:")
            && let Some(pairs) = value.as_bytes().as_chunks().0.as_array::<32>()
            && let Some(bytes) = raw.first_chunk_mut::<32>()
            && value.len() == 64
            && decode(pairs, bytes)
        {
            return Ok(Digest { algorithm: Algorithm::Sha256, form: Form::Hex, length: 32, bytes: raw });
        }
        let (name, value) = text.split_once(':').ok_or(Invalid::Form)?;
        let algorithm = Algorithm::parse(name).ok_or(Invalid::Algorithm)?;
        // What looks like hex is kept as bytes, so that twice as much of it fits.
        if let (pairs, []) = value.as_bytes().as_chunks()
            && let Some(bytes) = raw.get_mut(..pairs.len())
            && decode(pairs, bytes)
        {
            return Digest::new(algorithm, Form::Hex, bytes).ok_or(Invalid::Length);
        }
        let is_hex = value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && algorithm.width().is_some() {
            return Err(Invalid::Length);
        }
        let is_encoded = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'_' | b'-');
        if algorithm.width().is_some() || !value.bytes().all(is_encoded) {
            return Err(Invalid::Encoding);
        }
        Digest::new(algorithm, Form::Text, value.as_bytes()).ok_or(Invalid::Length)
    }
}

/// Lower-case hex of as many bytes. Written, as [`decode`] is, so that compilers make vector instructions of it where the
/// length is known.
#[inline(always)]
fn encode(raw: &[u8], pairs: &mut [[u8; 2]]) {
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    for (pair, byte) in pairs.iter_mut().zip(raw) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
}

/// At most 64 bytes from lower-case hex; false if it is none.
#[inline(always)]
fn decode(pairs: &[[u8; 2]], raw: &mut [u8]) -> bool {
    let (mut nibbles, mut is_hex) = ([[0; 2]; 64], true);
    for (nibble, digit) in nibbles.as_flattened_mut().iter_mut().zip(pairs.as_flattened()) {
        let (decimal, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
        is_hex &= (decimal < 10) | (letter < 6);
        *nibble = if decimal < 10 { decimal } else { letter.wrapping_add(10) };
    }
    for (byte, [high, low]) in raw.iter_mut().zip(nibbles) {
        *byte = high << 4 | low;
    }
    is_hex
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.as_str())?;
        f.write_str(":")?;
        f.write_str(self.encoded(&mut [0; 128]))
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
            Invalid::Form => "a digest is `algorithm:encoded`",
            Invalid::Algorithm => "malformed digest algorithm",
            Invalid::Length => "wrong length for the digest algorithm",
            Invalid::Encoding => "malformed digest value",
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
            Algorithm::Blake3 | Algorithm::Other(_) => None,
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
        let digest = match self.0 {
            State::Sha256(state) => Digest::new(Algorithm::Sha256, Form::Hex, &state.finalize()),
            State::Sha512(state) => Digest::new(Algorithm::Sha512, Form::Hex, &state.finalize()),
        };
        digest.expect("a hash has its algorithm's width")
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
        check("sha256:XYZ", Invalid::Encoding);
        check(&format!("sha256:{}", "A".repeat(64)), Invalid::Encoding);
        check(&format!("sha256:{}", "a".repeat(63)), Invalid::Length);
        check("sha256:", Invalid::Length);
        check(&format!("sha512:{}", "a".repeat(64)), Invalid::Length);
        check(&format!("sha256:{}/../x", "a".repeat(58)), Invalid::Encoding);
        check(&format!("sha384:{}", "a".repeat(130)), Invalid::Length);
        check(&format!("other:{}", "Z".repeat(65)), Invalid::Length);
        check("other:", Invalid::Length);
        check("other:a/b", Invalid::Encoding);
        check("../x:00", Invalid::Algorithm);
    }

    #[test]
    fn other_algorithms_keep_their_spelling() {
        let long = format!("sha3-512:{}", "0f".repeat(64));
        for text in
            ["md5:d41d8cd98f00b204e9800998ecf8427e", "multihash+base58:QmRZxt2b1FVZPNqd8", "x:abc", &long]
        {
            let digest: Digest = text.parse().unwrap();
            assert_eq!(digest.to_string(), text);
            assert_eq!(digest.matches(b"abc"), None);
        }
        let [even, odd] = ["x:3131", "x:11z"].map(|text| text.parse::<Digest>().unwrap());
        assert_ne!(even, odd);
        assert_ne!(even, "x:11".parse().unwrap());
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
