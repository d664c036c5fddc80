//! Platforms (image-spec, image-index.md) and the aliases people write.

use std::fmt;
use std::str::FromStr;

/// `os/architecture[/variant]`, normalised: `x86_64` is `amd64`, `aarch64` is `arm64`, `arm64/v8` is `arm64`,
/// `arm` is `arm/v7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// `linux`, `windows`, ...
    pub os: String,
    /// `amd64`, `arm64`, ...
    pub architecture: String,
    /// `v7` and the like.
    pub variant: Option<String>,
}

/// A platform nobody could mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(String);

/// Characters of a refused text that are repeated.
const SHOWN: usize = 256;
const ARCHITECTURES: [&str; 12] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips64le", "mips64", "ppc64le", "ppc64", "riscv64", "s390x",
    "wasm",
];

impl Platform {
    /// From the three fields of a descriptor or config.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        let variant = variant.filter(|v| !v.is_empty());
        let (architecture, variant) = match (architecture, variant) {
            ("x86_64" | "x86-64", v) => ("amd64", v),
            ("aarch64" | "arm64", None | Some("v8" | "8")) => ("arm64", None),
            ("aarch64", v) => ("arm64", v),
            ("arm64v8", _) => ("arm64", None),
            ("arm" | "armhf", None | Some("7")) => ("arm", Some("v7")),
            ("arm", Some("5")) => ("arm", Some("v5")),
            ("arm", Some("6")) => ("arm", Some("v6")),
            ("armel", None) => ("arm", Some("v6")),
            other => other,
        };
        Platform { os: os.into(), architecture: architecture.into(), variant: variant.map(Into::into) }
    }

    /// `linux/amd64`.
    pub fn linux_amd64() -> Platform {
        Platform::new("linux", "amd64", None)
    }

    /// Does something made for `self` run on `other`? A platform without a variant fits every variant of an
    /// architecture whose variants only add instructions (`amd64`); otherwise variants must be equal.
    pub fn fits(&self, other: &Platform) -> bool {
        let variant =
            self.variant == other.variant || (self.variant.is_none() && self.architecture == "amd64");
        self.os == other.os && self.architecture == other.architecture && variant
    }
}

impl FromStr for Platform {
    type Err = Invalid;

    /// `amd64`, `linux/amd64`, `linux/arm/v7`, `arm64v8` ...; the operating system defaults to linux.
    fn from_str(text: &str) -> Result<Platform, Invalid> {
        let invalid = || Invalid(text.chars().filter(|c| !c.is_control()).take(SHOWN).collect());
        let parts: Vec<&str> = text.trim().split('/').collect();
        let platform = match parts[..] {
            [architecture] => Platform::new("linux", architecture, None),
            [os, architecture] => Platform::new(os, architecture, None),
            [os, architecture, variant] if !variant.is_empty() => {
                Platform::new(os, architecture, Some(variant))
            }
            _ => return Err(invalid()),
        };
        let known = ARCHITECTURES.contains(&&*platform.architecture);
        let os = !platform.os.is_empty() && platform.os.bytes().all(|b| b.is_ascii_lowercase());
        if known && os { Ok(platform) } else { Err(invalid()) }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl serde::Serialize for Platform {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Platform {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Platform, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsupported container platform: {}", self.0)
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases() {
        let check = |text: &str, want: &str| assert_eq!(text.parse::<Platform>().unwrap().to_string(), want);
        check("x86_64", "linux/amd64");
        check("amd64", "linux/amd64");
        check("linux/amd64", "linux/amd64");
        check("linux/aarch64", "linux/arm64");
        check("linux/arm64/v8", "linux/arm64");
        check("linux/arm64/8", "linux/arm64");
        check("arm64v8", "linux/arm64");
        check("linux/arm64/v7", "linux/arm64/v7");
        check("arm", "linux/arm/v7");
        check("linux/arm/5", "linux/arm/v5");
        check("windows/amd64", "windows/amd64");
        for bad in ["foo", "", "linux/", "linux/amd64/", "a/b/c/d"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
        let long = format!("a\nb\u{1b}{}", "x".repeat(10_000)).parse::<Platform>().unwrap_err();
        assert_eq!(long.0, format!("ab{}", "x".repeat(SHOWN - 2)));
    }

    #[test]
    fn fitting() {
        let check = |a: &str, b: &str, want| {
            assert_eq!(a.parse::<Platform>().unwrap().fits(&b.parse().unwrap()), want, "{a} {b}");
        };
        check("amd64", "linux/amd64/v3", true);
        check("amd64", "arm64", false);
        check("windows/amd64", "linux/amd64", false);
        check("linux/arm64/v8", "linux/arm64", true);
        check("linux/arm64/v7", "linux/arm64", false);
    }
}
