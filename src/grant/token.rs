//! Container tokens: unguessable names for grants.

use std::fmt;
use std::str::FromStr;

/// 26 characters of `[a-z2-7]`: 130 bits from the operating system. It is a credential, so `Debug` and
/// `Display` show its first four characters only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token([u8; Token::LENGTH]);

/// A text that is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl Token {
    /// Characters in a token.
    pub const LENGTH: usize = 26;

    /// A new token from the operating system's random source.
    pub fn mint() -> Result<Token, getrandom::Error> {
        let mut bytes = [0; Token::LENGTH];
        getrandom::fill(&mut bytes)?;
        // 256 is a multiple of 32, so the low five bits are uniform.
        Ok(Token(bytes.map(|byte| ALPHABET[usize::from(byte & 31)])))
    }

    /// The token itself. Each caller is a place to look at in a security review.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

impl Token {
    /// SHA-256 of the token: what its grant is filed under, in memory and on disk. Looking up a hash takes no
    /// time that depends on the token, and a stolen file holds no tokens.
    pub fn hash(&self) -> [u8; 32] {
        let digest = crate::oci::Digest::sha256(self.0);
        digest.raw().try_into().expect("sha256 has 32 bytes")
    }
}

impl FromStr for Token {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Token, Invalid> {
        let bytes: [u8; Token::LENGTH] = text.as_bytes().try_into().map_err(|_| Invalid)?;
        if bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')) {
            Ok(Token(bytes))
        } else {
            Err(Invalid)
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}***", &self.expose()[..4])
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_parse_again() {
        let (one, two) = (Token::mint().unwrap(), Token::mint().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.expose().parse(), Ok(one));
        assert_eq!(format!("{one} {one:?}").len(), 15);
    }

    #[test]
    fn refuses_what_is_not_a_token() {
        for bad in [
            "",
            "bbc389039bf0",
            &"A".repeat(26),
            &"a".repeat(27),
            &"1".repeat(26),
            "a/aaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(bad.parse::<Token>(), Err(Invalid), "{bad}");
        }
    }
}
