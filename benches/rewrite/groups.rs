//! The groups: one document each, and every way to change it.

use crate::documents::{config_of, index_of, manifest_of, recipe, replacement};
use oci_spec::image::{
    DescriptorBuilder, HistoryBuilder, ImageConfiguration, ImageIndex, ImageManifest, MediaType,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::hint::black_box;
use wave_registry::grant::Layer;
use wave_registry::oci::{Digest, Family};
use wave_registry::rewrite::fields::Doc;
use wave_registry::rewrite::{DOCUMENT_LIMIT, Refusal, Spliced, config, index, manifest};

/// A document, and what is measured with it.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) document: &'static [u8],
    pub(crate) functions: Vec<Function>,
}

/// One way to change the document, by its name.
pub(crate) type Function = (&'static str, Box<dyn Fn()>);

/// Small and large manifests, an index, a config with a long history.
pub(crate) fn groups() -> Vec<Group> {
    let manifest =
        |name, layers| group(name, manifest_of(layers), manifest_value, manifest_typed, manifest_ours);
    vec![
        manifest("manifest-5", 5),
        manifest("manifest-70", 70),
        group("index-12", index_of(12), index_value, index_typed, index_ours),
        group("config-1000", config_of(1000), config_value, config_typed, config_ours),
    ]
}

fn group(
    name: &'static str,
    document: Vec<u8>,
    value: fn(&mut Value),
    typed: fn(&[u8]) -> Vec<u8>,
    ours: fn(&Doc<'_>) -> Result<Spliced, Refusal>,
) -> Group {
    let document: &'static [u8] = document.leak();
    let splice = move |doc: Result<Doc<'_>, Refusal>| ours(&doc.expect("within limits")).expect("an image");
    let output = splice(Doc::new(document, DOCUMENT_LIMIT)).bytes;
    assert_eq!(output, splice(Doc::visited(document, DOCUMENT_LIMIT)).bytes, "both find the same");
    let (hashed, result) = (output.clone(), output);
    let through_value = move || {
        let mut parsed: Value = serde_json::from_slice(black_box(document)).expect("JSON");
        value(&mut parsed);
        black_box(written(&parsed));
    };
    let through_types = move || {
        black_box(typed(black_box(document)));
    };
    let copy = |content: &[u8]| {
        let copy = black_box(content).to_vec();
        black_box((Digest::sha256(&copy), copy));
    };
    let functions: Vec<Function> = vec![
        ("floor", Box::new(move || copy(document))),
        ("output", Box::new(move || copy(&result))),
        ("hash", Box::new(move || _ = black_box(Digest::sha256(black_box(&hashed))))),
        ("splice", Box::new(move || drop(black_box(splice(Doc::new(black_box(document), DOCUMENT_LIMIT)))))),
        (
            "visitor",
            Box::new(move || drop(black_box(splice(Doc::visited(black_box(document), DOCUMENT_LIMIT))))),
        ),
        ("value", Box::new(through_value)),
        ("typed", Box::new(through_types)),
    ];
    Group { name, document, functions }
}

thread_local! {
    /// What every function changes to, made once: it is no part of what is measured.
    static CHANGE: Change = Change::new();
}

struct Change {
    recipe: wave_registry::grant::Recipe,
    new: Spliced,
    base: Digest,
    layer: Value,
    replacements: index::Replacements,
}

impl Change {
    fn new() -> Change {
        let recipe = recipe();
        let layer = json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "size": recipe.layers[0].size,
            "digest": recipe.layers[0].digest,
        });
        let replaced = Digest::sha256(0usize.to_le_bytes());
        let base = Digest::sha256("base");
        Change { recipe, new: replacement(), base, layer, replacements: [(replaced, replacement())].into() }
    }
}

const NAME: &str = "example.org/app";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
const BASE_NAME: &str = "org.opencontainers.image.base.name";

fn manifest_ours(doc: &Doc<'_>) -> Result<Spliced, Refusal> {
    CHANGE.with(|change| {
        let layers: Vec<&Layer> = change.recipe.layers.iter().collect();
        let base = manifest::Base { name: NAME, digest: change.base };
        let change = manifest::Change { family: Family::Oci, config: &change.new, layers: &layers, base };
        manifest::apply(doc, &change, DOCUMENT_LIMIT)
    })
}

fn manifest_value(document: &mut Value) {
    CHANGE.with(|change| {
        document["config"]["digest"] = json!(change.new.digest);
        document["config"]["size"] = json!(change.new.size());
        document["layers"].as_array_mut().expect("a manifest").push(change.layer.clone());
        document["annotations"] = json!({BASE_NAME: NAME, BASE_DIGEST: change.base});
    });
}

fn manifest_typed(document: &[u8]) -> Vec<u8> {
    CHANGE.with(|change| {
        let mut manifest: ImageManifest = serde_json::from_slice(document).expect("a manifest");
        let layer = DescriptorBuilder::default()
            .media_type(MediaType::ImageLayerGzip)
            .digest(oci(&change.recipe.layers[0].digest))
            .size(change.recipe.layers[0].size)
            .build()
            .expect("complete");
        let mut layers = manifest.layers().clone();
        layers.push(layer);
        manifest.set_layers(layers);
        let mut reference = manifest.config().clone();
        reference.set_digest(oci(&change.new.digest));
        reference.set_size(change.new.size());
        manifest.set_config(reference);
        let annotations = [(BASE_DIGEST, change.base.to_string()), (BASE_NAME, NAME.to_string())];
        manifest.set_annotations(Some(
            annotations.into_iter().map(|(name, value)| (name.to_string(), value)).collect(),
        ));
        written(&manifest)
    })
}

fn index_ours(doc: &Doc<'_>) -> Result<Spliced, Refusal> {
    CHANGE.with(|change| index::apply(doc, &change.replacements, DOCUMENT_LIMIT))
}

fn index_value(document: &mut Value) {
    CHANGE.with(|change| {
        document["manifests"][0]["digest"] = json!(change.new.digest);
        document["manifests"][0]["size"] = json!(change.new.size());
    });
}

fn index_typed(document: &[u8]) -> Vec<u8> {
    CHANGE.with(|change| {
        let mut index: ImageIndex = serde_json::from_slice(document).expect("an index");
        let mut entries = index.manifests().clone();
        entries[0].set_digest(oci(&change.new.digest));
        entries[0].set_size(change.new.size());
        index.set_manifests(entries);
        written(&index)
    })
}

fn config_ours(doc: &Doc<'_>) -> Result<Spliced, Refusal> {
    CHANGE.with(|change| {
        let layers: Vec<&Layer> = change.recipe.layers.iter().collect();
        config::apply(doc, &config::Change { recipe: &change.recipe, layers: &layers }, DOCUMENT_LIMIT)
    })
}

fn config_value(document: &mut Value) {
    CHANGE.with(|change| {
        let diff_id = json!(change.recipe.layers[0].diff_id);
        document["rootfs"]["diff_ids"].as_array_mut().expect("a config").push(diff_id);
        document["history"].as_array_mut().expect("a config").push(json!({"created_by": "wave"}));
        document["config"]["Entrypoint"] = json!(change.recipe.entrypoint);
        document["config"]["Env"].as_array_mut().expect("a config").push(json!("WAVE_ENTRY_CHAIN=sh"));
    });
}

fn config_typed(document: &[u8]) -> Vec<u8> {
    CHANGE.with(|change| {
        let mut image: ImageConfiguration = serde_json::from_slice(document).expect("a config");
        image.rootfs_mut().diff_ids_mut().push(change.recipe.layers[0].diff_id.to_string());
        let entry = HistoryBuilder::default().created_by("wave").build().expect("complete");
        image.history_mut().get_or_insert_default().push(entry);
        let mut process = image.config().clone().unwrap_or_default();
        process.set_entrypoint(Some(change.recipe.entrypoint.clone()));
        let chain = "WAVE_ENTRY_CHAIN=sh".to_string();
        process.set_env(Some(process.env().iter().flatten().cloned().chain([chain]).collect()));
        image.set_config(Some(process));
        written(&image)
    })
}

fn written(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("JSON")
}

fn oci(digest: &Digest) -> oci_spec::image::Digest {
    digest.to_string().parse().expect("the same grammar")
}
