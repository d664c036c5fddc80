//! `wave inspect IMAGE`: what a registry really serves under a name.

use super::{Client, Failure};
use crate::oci::{Digest, ImageRef, Platform, Reference, headers};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use url::Url;

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// One image of one platform, as a registry serves it. Every digest was verified against the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The name that was asked for.
    pub image: String,
    /// Digest of what the name stands for: an index or a manifest.
    pub digest: Digest,
    /// The platforms of the index; empty when there is none.
    pub platforms: Vec<String>,
    /// Digest of the manifest looked at.
    pub manifest: Digest,
    /// Its platform, as its config says.
    pub platform: String,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// `Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `Cmd`.
    pub cmd: Vec<String>,
    /// `Env`.
    pub env: Vec<String>,
    /// `WorkingDir`.
    pub working_dir: String,
}

/// A descriptor (image-spec, descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// The digest.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    #[serde(default, skip_serializing)]
    platform: Option<RawPlatform>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct RawPlatform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(flatten)]
    platform: RawPlatform,
    #[serde(default)]
    config: Option<Run>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Run {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
}

/// Looks at `image`, for `platform` when it is an index. Registries on loopback are spoken to in http, others
/// in https; `http://` or `https://` in front decides otherwise. At most two manifests and a config are
/// fetched, and no layer.
pub async fn inspect(client: &Client, image: &str, platform: &Platform) -> Result<Inspection, Failure> {
    let (base, name) = locate(image)?;
    let object = |kind: &str, which: &dyn fmt::Display| {
        let path = format!("v2/{}/{kind}/{which}", name.repository);
        base.join(&path).map_err(|why| Failure::new(format!("{image}: {why}")))
    };
    let response = client.get(&object("manifests", &name.reference)?, MANIFESTS).await?;
    let stated =
        response.headers().get(headers::CONTENT_DIGEST).and_then(|value| value.to_str().ok()?.parse().ok());
    let expected = match name.reference {
        Reference::Digest(digest) => Some(digest),
        Reference::Tag(_) => stated,
    };
    let root = response.into_body();
    let digest = expected.unwrap_or_else(|| Digest::sha256(&root));
    let mut document: Manifest = parse(&digest, &root)?;
    let mut manifest = digest;
    let platforms = document.manifests.iter().filter_map(Descriptor::platform).collect::<Vec<_>>();
    if !document.manifests.is_empty() {
        let fits = |entry: &&Descriptor| entry.platform().is_some_and(|own| own.fits(platform));
        let entry = document.manifests.iter().find(fits).ok_or_else(|| {
            let all: Vec<String> = platforms.iter().map(ToString::to_string).collect();
            Failure::new(format!("{image} is not there for {platform}, only for {}", all.join(", ")))
        })?;
        manifest = entry.digest;
        let child = client.get(&object("manifests", &manifest)?, MANIFESTS).await?;
        document = parse(&manifest, child.body())?;
    }
    let config =
        document.config.ok_or_else(|| Failure::new(format!("{image} is no image: it has no config")))?;
    let response = client.get(&object("blobs", &config.digest)?, "*/*").await?;
    let Config { platform, config } = parse(&config.digest, response.body())?;
    let run = config.unwrap_or_default();
    Ok(Inspection {
        image: image.into(),
        digest,
        platforms: platforms.iter().map(ToString::to_string).collect(),
        manifest,
        platform: platform.normal().to_string(),
        layers: document.layers,
        entrypoint: run.entrypoint.unwrap_or_default(),
        cmd: run.cmd.unwrap_or_default(),
        env: run.env.unwrap_or_default(),
        working_dir: run.working_dir.unwrap_or_default(),
    })
}

/// The name to inspect for what was typed: a name that begins with the server's own host, with a host and its port,
/// or with a scheme stands for itself; any other is a name on the server at `endpoint`.
pub fn named(endpoint: &Url, image: &str) -> String {
    let authority = &endpoint[url::Position::BeforeHost..url::Position::AfterPort];
    let (scheme, first) = (endpoint.scheme(), image.split_once('/').map_or("", |(first, _)| first));
    let has_port = first.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match image.contains("://") {
        true => image.into(),
        false if first == authority => format!("{scheme}://{image}"),
        false if has_port => image.into(),
        false => format!("{scheme}://{authority}/{image}"),
    }
}

pub(super) fn locate(image: &str) -> Result<(Url, ImageRef), Failure> {
    let (scheme, text) = match image.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (Some(scheme), rest),
        _ => (None, image),
    };
    let name: ImageRef =
        text.parse().map_err(|why| Failure::new(format!("'{image}' is no image name: {why}")))?;
    let scheme = scheme.unwrap_or(if name.registry.is_loopback() { "http" } else { "https" });
    let host = if name.registry.is_docker_hub() { "registry-1.docker.io" } else { name.registry.as_str() };
    let base = Url::parse(&format!("{scheme}://{host}/")).expect("a host makes a URL");
    Ok((base, name))
}

fn parse<'a, T: Deserialize<'a>>(digest: &Digest, bytes: &'a Bytes) -> Result<T, Failure> {
    if digest.matches(bytes) == Some(false) {
        return Err(Failure::new(format!("what is served as {digest} has another digest")));
    }
    serde_json::from_slice(bytes).map_err(|why| Failure::new(format!("{digest} cannot be read: {why}")))
}

impl Descriptor {
    /// The platform of an index entry; attestations say `unknown` and are none.
    fn platform(&self) -> Option<Platform> {
        self.platform.as_ref().filter(|own| own.os != "unknown").map(RawPlatform::normal)
    }
}

impl RawPlatform {
    fn normal(&self) -> Platform {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref())
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |words: &[String]| serde_json::to_string(words).expect("strings are JSON");
        writeln!(f, "image       {}", self.image)?;
        writeln!(f, "digest      {}", self.digest)?;
        if !self.platforms.is_empty() {
            writeln!(f, "platforms   {}", self.platforms.join(", "))?;
            writeln!(f, "manifest    {}", self.manifest)?;
        }
        writeln!(f, "platform    {}", self.platform)?;
        for (number, layer) in self.layers.iter().enumerate() {
            writeln!(f, "layer {number:<5} {} {:>11} bytes", layer.digest, layer.size)?;
        }
        writeln!(f, "entrypoint  {}", words(&self.entrypoint))?;
        writeln!(f, "cmd         {}", words(&self.cmd))?;
        for entry in &self.env {
            writeln!(f, "env         {entry}")?;
        }
        write!(f, "workdir     {}", self.working_dir)
    }
}

#[cfg(test)]
mod tests;
