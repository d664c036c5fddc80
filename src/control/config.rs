//! `containerConfig`: what a request wants changed.

use super::json::invalid;
use crate::error::Error;
use crate::inject::Request as LayerRequest;
use serde::{Deserialize, Deserializer};

/// Layers in one request; runtimes stop at 127 with those of the image.
const MAX_LAYERS: usize = 100;

/// Bytes of all texts together; they end up in the image's config, which is a small document.
const MAX_TEXT: usize = 256 << 10;

/// As it came. Null and absent are the same; unknown fields are ignored.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerConfig {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    layers: Option<Vec<RawLayer>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawLayer {
    location: Option<String>,
    gzip_digest: Option<String>,
    #[serde(deserialize_with = "number_or_text")]
    gzip_size: Option<u64>,
    tar_digest: Option<String>,
    media_type: Option<String>,
    platforms: Option<Vec<String>>,
}

/// A `containerConfig` that can be applied.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) entrypoint: Vec<String>,
    pub(super) cmd: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) working_dir: Option<String>,
    pub(super) layers: Vec<LayerRequest>,
}

impl Change {
    /// Asks for nothing?
    pub(super) fn is_empty(&self) -> bool {
        *self == Change::default()
    }
}

impl ContainerConfig {
    /// Checks it. Nothing is fetched or decoded.
    pub(super) fn check(self) -> Result<Change, Error> {
        let change = Change {
            entrypoint: self.entrypoint.unwrap_or_default(),
            cmd: self.cmd.unwrap_or_default(),
            env: self.env.unwrap_or_default(),
            working_dir: self.working_dir.filter(|dir| !dir.is_empty()),
            layers: self.layers.unwrap_or_default().into_iter().map(RawLayer::request).collect(),
        };
        if change.layers.len() > MAX_LAYERS {
            return Err(invalid(format!("a 'containerConfig' has at most {MAX_LAYERS} layers")));
        }
        let texts = || {
            [&change.entrypoint, &change.cmd, &change.env].into_iter().flatten().chain(&change.working_dir)
        };
        if texts().map(String::len).sum::<usize>() > MAX_TEXT {
            return Err(invalid(format!("the texts of a 'containerConfig' have at most {MAX_TEXT} bytes")));
        }
        if texts().any(|text| text.contains('\0')) {
            return Err(invalid("a text of 'containerConfig' has a NUL character"));
        }
        if let Some(bad) =
            change.env.iter().find(|entry| entry.split_once('=').is_none_or(|(key, _)| key.is_empty()))
        {
            // The value may be a secret that lost its key, so it is not repeated.
            return Err(invalid(format!(
                "an entry of 'env' in 'containerConfig' is not of the form KEY=value ({} characters)",
                bad.chars().count()
            )));
        }
        Ok(change)
    }
}

impl RawLayer {
    /// As [`crate::inject`] judges it.
    fn request(self) -> LayerRequest {
        LayerRequest {
            location: self.location,
            gzip_digest: self.gzip_digest,
            gzip_size: self.gzip_size,
            tar_digest: self.tar_digest,
            media_type: self.media_type,
            platforms: self.platforms,
        }
    }
}

/// A number, or its digits as a string: the documentation says the one, clients send the other.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Number(u64),
        Text(String),
    }
    match Option::<Size>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Size::Number(number)) => Ok(Some(number)),
        Some(Size::Text(text)) => text.trim().parse().map(Some).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Change, String> {
        let config: ContainerConfig = serde_json::from_str(text).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.message().to_string())
    }

    #[test]
    fn nulls_and_unknown_fields_are_nothing() {
        let nulls =
            r#"{"entrypoint":null,"cmd":null,"env":null,"workingDir":null,"layers":null,"x":{"y":[1]}}"#;
        for empty in ["{}", nulls, r#"{"entrypoint":[],"env":[],"workingDir":"","layers":[]}"#] {
            assert!(check(empty).unwrap().is_empty(), "{empty}");
        }
    }

    #[test]
    fn sizes_as_numbers_and_as_text() {
        for (size, want) in [("187", Some(187)), ("\"187\"", Some(187)), ("null", None)] {
            let text = format!(
                r#"{{"layers":[{{"location":"data:x","gzipSize":{size},"gzipDigest":null,"tarDigest":"","mediaType":"m","skipHashing":null}}]}}"#
            );
            let layer = &check(&text).unwrap().layers[0];
            assert_eq!((layer.gzip_size, layer.media_type.as_deref()), (want, Some("m")));
        }
        assert!(check(r#"{"layers":[{"location":"x","gzipSize":"many"}]}"#).is_err());
        assert!(check(r#"{"layers":[{"location":"x","gzipSize":-1}]}"#).is_err());
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let message = |text: &str| check(text).unwrap_err();
        let secret = message(r#"{"env":["hunter2"]}"#);
        assert!(secret.contains("KEY=value") && !secret.contains("hunter2"));
        assert!(message(r#"{"cmd":["a\u0000b"]}"#).contains("NUL"));
        let long = format!(r#"{{"env":["A={}"]}}"#, "x".repeat(MAX_TEXT));
        assert!(message(&long).contains("at most"));
    }
}
