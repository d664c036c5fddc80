//! Values that must never reach a log.

use std::fmt;
use subtle::ConstantTimeEq;

/// A secret text: no `Display`, a redacted `Debug`, compared in constant time.
#[derive(Clone, Default)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Secret {
        Secret(text.into())
    }

    /// The text itself. Each caller is a place to look at in a security review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Equal in time that depends on the lengths only.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
        assert!(Secret::new("a") == Secret::new("a") && Secret::new("a") != Secret::new("b"));
    }
}
