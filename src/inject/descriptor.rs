//! `layer.json`: the operator's default layer, as `wave pack` writes it.

use super::Measured;
use super::kept::{Candidate, Kept};
use super::location::shown;
use super::measures::{Measures, blocking};
use super::pack::Failure;
use crate::grant::{Layer, Recipe, Source};
use crate::oci::{Digest, Platform};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Platforms that a layer may name: each is looked at for each image it might be added to.
const PLATFORMS: usize = 32;

/// What a layer changes in an image's config: the part of `layer.json` that a person writes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Config {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    platforms: Option<Vec<String>>,
}

/// `layer.json` as we write it.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    #[serde(flatten)]
    config: Option<Fields>,
    layers: Vec<Packed>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    env: Option<Vec<String>>,
}

/// A layer in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Packed {
    location: String,
    gzip_digest: Digest,
    gzip_size: u64,
    tar_digest: Digest,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    platforms: Vec<Platform>,
}

/// `layer.json` as we read it. Members we do not know are somebody else's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    env: Option<Vec<String>>,
    layers: Option<Vec<Entry>>,
    /// The older form, with one layer.
    append: Option<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    location: Option<String>,
    gzip_digest: Option<String>,
    gzip_size: Option<u64>,
    tar_digest: Option<String>,
    platforms: Option<Vec<String>>,
}

/// Reads the `layer.json` at `path`, measures the layers it names, once, and puts them into `kept`; without such a
/// folder they are only looked at. A layer that is not what the file promises is an error here, not at the first pull.
/// Locations are files: absolute, or relative to the folder of `path`.
pub async fn load(path: &Path, measures: &Measures, kept: Option<&Kept>) -> Result<Recipe, Failure> {
    let fail = |reason: String| Failure::new(path, reason);
    let text = tokio::fs::read(path).await.map_err(|error| Failure::io(path, error))?;
    let document: Document = serde_json::from_slice(&text).map_err(|error| fail(error.to_string()))?;
    let env = document.env.unwrap_or_default();
    check_env(&env).map_err(fail)?;
    let mut layers = Vec::new();
    for entry in document.layers.unwrap_or_default().into_iter().chain(document.append) {
        layers.push(layer(path, entry, measures, kept).await?);
    }
    Ok(Recipe {
        layers,
        entrypoint: document.entrypoint.unwrap_or_default(),
        cmd: document.cmd.unwrap_or_default(),
        env,
        working_dir: document.working_dir,
        platforms: Vec::new(),
    })
}

async fn layer(
    path: &Path,
    entry: Entry,
    measures: &Measures,
    kept: Option<&Kept>,
) -> Result<Layer, Failure> {
    let fail = |reason: String| Failure::new(path, reason);
    let location = entry.location.filter(|location| !location.is_empty());
    let location = location.ok_or_else(|| fail("Missing layer tar path".into()))?;
    if location.contains("://") || location.starts_with("data:") || location.starts_with("gzip:") {
        return Err(fail("Unsupported location type: the default layer is a file".into()));
    }
    let digest = super::accept::digest("gzip", entry.gzip_digest).map_err(fail)?;
    let size = entry.gzip_size.ok_or_else(|| fail("Missing layer gzip size".into()))?;
    let diff_id = super::accept::digest("tar", entry.tar_digest).map_err(fail)?;
    let platforms = platforms(entry.platforms).map_err(fail)?;
    let file = path.parent().unwrap_or(Path::new("")).join(location);
    let file = std::path::absolute(&file).map_err(|error| Failure::io(&file, error))?;
    let io = |error| Failure::io(&file, error);
    let candidate = match kept.cloned() {
        Some(kept) => {
            let source = file.clone();
            Some(blocking(move || kept.take(&source)).await.and_then(|taken| taken).map_err(io)?)
        }
        None => None,
    };
    let content = candidate.as_ref().map_or(&*file, Candidate::path);
    let measured = measures.file(content).await.map_err(io)?;
    let refused = |refusal: super::Refusal| Failure::new(&file, format!("the layer {refusal}"));
    let measured = measured.map_err(refused)?;
    let compression = measured.compression;
    let layer = Layer { digest, size, diff_id, compression, platforms, source: Source::File(file.clone()) };
    measured.keeps(&layer).map_err(refused)?;
    if let Some(candidate) = candidate {
        blocking(move || candidate.keep(digest)).await.and_then(|kept| kept).map_err(io)?;
    }
    Ok(layer)
}

impl Config {
    /// Parses a `layer-config.json`; the error is for people.
    pub(super) fn parse(text: &[u8]) -> Result<Config, String> {
        let config: Config = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        check_env(config.env.as_deref().unwrap_or_default())?;
        platforms(config.platforms.clone())?;
        Ok(config)
    }

    /// The platforms of a layer for which nothing else is said; none means all.
    pub(super) fn platforms(&self) -> Vec<Platform> {
        platforms(self.platforms.clone()).expect("parsed before")
    }
}

impl Packed {
    /// A layer called `location` beside the file.
    pub(super) fn new(location: String, measured: &Measured, platforms: &[Platform]) -> Packed {
        Packed {
            location,
            gzip_digest: measured.digest,
            gzip_size: measured.size,
            tar_digest: measured.diff_id,
            platforms: platforms.into(),
        }
    }
}

impl Written {
    /// For these layers, changing what `config` says.
    pub(super) fn new(config: Option<Config>, layers: Vec<Packed>) -> Written {
        let fields =
            |Config { entrypoint, cmd, env, working_dir, .. }| Fields { entrypoint, cmd, working_dir, env };
        Written { config: config.map(fields), layers }
    }
}

/// The platforms of a layer, of a descriptor or a request; none means all. The error is for people.
pub(super) fn platforms(texts: Option<Vec<String>>) -> Result<Vec<Platform>, String> {
    let texts = texts.unwrap_or_default();
    if texts.len() > PLATFORMS {
        return Err(format!("a layer is for at most {PLATFORMS} platforms, or for all"));
    }
    let parse = |text: String| text.parse().map_err(|_| format!("'{}' is not a platform", shown(&text)));
    texts.into_iter().map(parse).collect()
}

fn check_env(env: &[String]) -> Result<(), String> {
    match env.iter().find(|entry| entry.find('=').is_none_or(|at| at == 0)) {
        Some(entry) => Err(format!("env entries are KEY=value -- offending value: {entry}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
