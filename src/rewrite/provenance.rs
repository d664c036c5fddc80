//! Provenance: what was done to an image, as an in-toto statement that refers to the result.
//!
//! The statement (in-toto attestation framework, statement v1; SLSA provenance v1) and the artifact manifest around it
//! (image-spec, manifest.md, "Guidelines for artifact usage") are functions of the derivation alone: they hold no time,
//! no tag, and nothing of this process.

use super::splice::Spliced;
use crate::grant::{Layer, Recipe};
use crate::oci::{Digest, MediaType, Platform};
use bytes::Bytes;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The artifact type of a manifest that holds a statement, and the media type of the statement.
pub const STATEMENT: &str = "application/vnd.in-toto+json";
/// The media type of the config of an artifact without one.
pub(super) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
const BUILD_TYPE: &str = "urn:wave-registry:augment:v1";
const BUILDER: &str = "urn:wave-registry";
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// What a statement is about: a manifest or index that replaced another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// `registry/repository`.
    pub name: &'a str,
    /// The media type of both.
    pub media: &'a MediaType,
    /// What was replaced.
    pub base: Digest,
    /// What it became.
    pub new: &'a Spliced,
}

/// The documents that refer to a subject.
#[derive(Clone, Debug)]
pub(super) struct Provenance {
    /// The artifact manifest.
    pub manifest: Spliced,
    /// The statement.
    pub statement: Spliced,
}

/// The config of artifacts without one (image-spec, "Guidance for an Empty Descriptor").
pub fn empty() -> &'static Spliced {
    static EMPTY: LazyLock<Spliced> = LazyLock::new(|| Spliced::of(Bytes::from_static(b"{}")));
    &EMPTY
}

#[derive(Serialize)]
struct Statement<'a> {
    _type: &'static str,
    subject: [Resource<'a>; 1],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Predicate<'a>,
}

/// A resource descriptor.
#[derive(Serialize)]
struct Resource<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    digest: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "mediaType")]
    media_type: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate<'a> {
    build_definition: Definition<'a>,
    run_details: Details,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition<'a> {
    build_type: &'static str,
    external_parameters: Parameters<'a>,
    /// The base first, then the layers.
    resolved_dependencies: Vec<Resource<'a>>,
}

/// What was asked for: the members of a containerConfig that are set.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    cmd: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    platforms: &'a [Platform],
    layers: Vec<Appended<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Appended<'a> {
    digest: Digest,
    size: u64,
    diff_id: Digest,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    platforms: &'a [Platform],
}

#[derive(Serialize)]
struct Details {
    builder: Builder,
}

#[derive(Serialize)]
struct Builder {
    id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact<'a> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor<'a>,
    layers: [Descriptor<'a>; 1],
    subject: Descriptor<'a>,
}

/// A descriptor (image-spec, descriptor.md).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<&'static str, &'static str>>,
}

/// The provenance of `subject` under `recipe`, of which it got `layers`.
pub(super) fn provenance(subject: Subject<'_>, recipe: &Recipe, layers: &[&Layer]) -> Provenance {
    let statement = Statement {
        _type: "https://in-toto.io/Statement/v1",
        subject: [Resource {
            name: Some(subject.name),
            uri: None,
            digest: set(&subject.new.digest),
            media_type: Some(subject.media.as_str()),
        }],
        predicate_type: PREDICATE,
        predicate: Predicate {
            build_definition: Definition {
                build_type: BUILD_TYPE,
                external_parameters: parameters(recipe, layers),
                resolved_dependencies: dependencies(subject, layers),
            },
            run_details: Details { builder: Builder { id: BUILDER } },
        },
    };
    let statement = Spliced::of(json(&statement));
    let artifact = Artifact {
        schema_version: 2,
        media_type: "application/vnd.oci.image.manifest.v1+json",
        artifact_type: STATEMENT,
        config: Descriptor::new(EMPTY, empty()),
        layers: [Descriptor { annotations: Some(annotations()), ..Descriptor::new(STATEMENT, &statement) }],
        subject: Descriptor::new(subject.media.as_str(), subject.new),
    };
    Provenance { manifest: Spliced::of(json(&artifact)), statement }
}

/// The entry of a list of referrers for an artifact manifest of ours.
pub fn referrer(manifest: Digest, size: u64) -> Box<serde_json::value::RawValue> {
    let entry = Descriptor {
        media_type: "application/vnd.oci.image.manifest.v1+json",
        digest: manifest,
        size,
        artifact_type: Some(STATEMENT),
        annotations: None,
    };
    serde_json::value::to_raw_value(&entry).expect("texts and numbers are JSON")
}

fn parameters<'a>(recipe: &'a Recipe, layers: &[&'a Layer]) -> Parameters<'a> {
    let appended = |layer: &&'a Layer| Appended {
        digest: layer.digest,
        size: layer.size,
        diff_id: layer.diff_id,
        platforms: &layer.platforms,
    };
    Parameters {
        entrypoint: &recipe.entrypoint,
        cmd: &recipe.cmd,
        env: &recipe.env,
        working_dir: recipe.working_dir.as_deref(),
        platforms: &recipe.platforms,
        layers: layers.iter().map(appended).collect(),
    }
}

fn dependencies<'a>(subject: Subject<'a>, layers: &[&Layer]) -> Vec<Resource<'a>> {
    let base = Resource {
        name: None,
        uri: Some(format!("oci://{}@{}", subject.name, subject.base)),
        digest: set(&subject.base),
        media_type: Some(subject.media.as_str()),
    };
    let layer = |layer: &&Layer| Resource {
        name: Some("layer"),
        uri: None,
        digest: set(&layer.digest),
        media_type: None,
    };
    std::iter::once(base).chain(layers.iter().map(layer)).collect()
}

/// A digest set.
fn set(digest: &Digest) -> BTreeMap<String, String> {
    BTreeMap::from([(digest.algorithm().as_str().to_owned(), digest.hex())])
}

fn annotations() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([(PREDICATE_TYPE, PREDICATE)])
}

fn json(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document).expect("texts and numbers are JSON").into()
}

impl<'a> Descriptor<'a> {
    fn new(media_type: &'a str, content: &Spliced) -> Descriptor<'a> {
        let (digest, size) = (content.digest, content.size());
        Descriptor { media_type, digest, size, artifact_type: None, annotations: None }
    }
}
