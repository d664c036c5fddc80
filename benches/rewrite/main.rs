//! What rewriting costs, by size of the document, in one group per document:
//!
//! - `floor`: copy the document and hash it; no rewrite that states a digest can do with less.
//! - `splice`: ours, with its checks and the hash.
//! - `visitor`: the same rewrite, members found by a `serde_json` visitor over borrowed slices.
//! - `value`: the same edit through `serde_json::Value`, and hash it; which reorders members and rounds numbers.
//! - `typed`: the same edit through the types of `oci-spec`, and hash it; which drops what they do not know.
//! - `hash`: the hash alone, to take off.
//!
//! At the end the goals are judged by the medians of this run. Absolute times are of no use on a shared machine.

mod documents;
mod goals;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group};
use documents::{config_of, index_of, manifest_of, recipe, replacement};
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

criterion_group!(benches, manifests, indexes, configs);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    goals::judge();
}

/// Manifests of few and of many layers.
fn manifests(c: &mut Criterion) {
    let recipe = recipe();
    let layers: Vec<&Layer> = recipe.layers.iter().collect();
    let config = replacement();
    let base = manifest::Base { name: "example.org/app", digest: Digest::sha256("base") };
    let change = manifest::Change { family: Family::Oci, config: &config, layers: &layers, base };
    let layer = json!({
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 77, "digest": Digest::sha256("one"),
    });
    let value = |document: &mut Value| {
        document["config"]["digest"] = json!(config.digest);
        document["config"]["size"] = json!(config.size());
        document["layers"].as_array_mut().expect("a manifest").push(layer.clone());
        document["annotations"] = json!({"org.opencontainers.image.base.name": base.name,
            "org.opencontainers.image.base.digest": base.digest});
    };
    let typed = |document: &[u8]| {
        let mut manifest: ImageManifest = serde_json::from_slice(document).expect("a manifest");
        let layer = DescriptorBuilder::default()
            .media_type(MediaType::ImageLayerGzip)
            .digest(oci(&Digest::sha256("one")))
            .size(77u64)
            .build()
            .expect("complete");
        let mut layers = manifest.layers().clone();
        layers.push(layer);
        manifest.set_layers(layers);
        let mut reference = manifest.config().clone();
        reference.set_digest(oci(&config.digest));
        reference.set_size(config.size());
        manifest.set_config(reference);
        manifest.set_annotations(Some(
            [("org.opencontainers.image.base.digest", base.digest.to_string())]
                .into_iter()
                .chain([("org.opencontainers.image.base.name", base.name.to_string())])
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
        ));
        hashed(&manifest)
    };
    for count in [5, 70] {
        let ours = |doc: &Doc<'_>| manifest::apply(doc, &change, DOCUMENT_LIMIT);
        compare(c, &format!("manifest-{count}"), &manifest_of(count), value, typed, ours);
    }
}

/// An index with one replaced entry.
fn indexes(c: &mut Criterion) {
    let replaced = Digest::sha256(0usize.to_le_bytes());
    let replacements: index::Replacements = [(replaced, replacement())].into();
    let new = &replacements[&replaced];
    let value = |document: &mut Value| {
        document["manifests"][0]["digest"] = json!(new.digest);
        document["manifests"][0]["size"] = json!(new.size());
    };
    let typed = |document: &[u8]| {
        let mut index: ImageIndex = serde_json::from_slice(document).expect("an index");
        let mut entries = index.manifests().clone();
        entries[0].set_digest(oci(&new.digest));
        entries[0].set_size(new.size());
        index.set_manifests(entries);
        hashed(&index)
    };
    let ours = |doc: &Doc<'_>| index::apply(doc, &replacements, DOCUMENT_LIMIT);
    compare(c, "index-12", &index_of(12), value, typed, ours);
}

/// A config with a long history.
fn configs(c: &mut Criterion) {
    let recipe = recipe();
    let layers: Vec<&Layer> = recipe.layers.iter().collect();
    let change = config::Change { recipe: &recipe, layers: &layers };
    let value = |document: &mut Value| {
        document["rootfs"]["diff_ids"].as_array_mut().expect("a config").push(json!(layers[0].diff_id));
        document["history"].as_array_mut().expect("a config").push(json!({"created_by": "wave"}));
        document["config"]["Entrypoint"] = json!(recipe.entrypoint);
        document["config"]["Env"].as_array_mut().expect("a config").push(json!("WAVE_ENTRY_CHAIN=sh"));
    };
    let typed = |document: &[u8]| {
        let mut image: ImageConfiguration = serde_json::from_slice(document).expect("a config");
        image.rootfs_mut().diff_ids_mut().push(layers[0].diff_id.to_string());
        let entry = HistoryBuilder::default().created_by("wave").build().expect("complete");
        image.history_mut().get_or_insert_default().push(entry);
        let mut process = image.config().clone().unwrap_or_default();
        process.set_entrypoint(Some(recipe.entrypoint.clone()));
        let chain = "WAVE_ENTRY_CHAIN=sh".to_string();
        process.set_env(Some(process.env().iter().flatten().cloned().chain([chain]).collect()));
        image.set_config(Some(process));
        hashed(&image)
    };
    let ours = |doc: &Doc<'_>| config::apply(doc, &change, DOCUMENT_LIMIT);
    compare(c, "config-1000", &config_of(1000), value, typed, ours);
}

/// One group: `document` through all of them.
fn compare(
    c: &mut Criterion,
    name: &str,
    document: &[u8],
    value: impl Fn(&mut Value),
    typed: impl Fn(&[u8]) -> (Digest, Vec<u8>),
    ours: impl Fn(&Doc<'_>) -> Result<Spliced, Refusal>,
) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes(document.len() as u64));
    let splice = |doc: Result<Doc<'_>, Refusal>| ours(&doc.expect("within limits")).expect("an image");
    let output = splice(Doc::new(document, DOCUMENT_LIMIT)).bytes;
    assert_eq!(output, splice(Doc::visited(document, DOCUMENT_LIMIT)).bytes, "both find the same");
    let id = |what| BenchmarkId::new(what, document.len());
    group.bench_function(id("floor"), |b| {
        b.iter(|| {
            let copy = black_box(&output).to_vec();
            (Digest::sha256(&copy), copy)
        });
    });
    group.bench_function(id("hash"), |b| b.iter(|| Digest::sha256(black_box(&output))));
    group.bench_function(id("splice"), |b| {
        b.iter(|| splice(Doc::new(black_box(document), DOCUMENT_LIMIT)));
    });
    group.bench_function(id("visitor"), |b| {
        b.iter(|| splice(Doc::visited(black_box(document), DOCUMENT_LIMIT)));
    });
    group.bench_function(id("value"), |b| {
        b.iter(|| {
            let mut parsed: Value = serde_json::from_slice(black_box(document)).expect("JSON");
            value(&mut parsed);
            hashed(&parsed)
        });
    });
    group.bench_function(id("typed"), |b| {
        b.iter_batched(|| document, |document| typed(black_box(document)), BatchSize::SmallInput);
    });
    group.finish();
}

fn hashed(document: &impl Serialize) -> (Digest, Vec<u8>) {
    let bytes = serde_json::to_vec(document).expect("JSON");
    (Digest::sha256(&bytes), bytes)
}

fn oci(digest: &Digest) -> oci_spec::image::Digest {
    digest.to_string().parse().expect("the same grammar")
}
