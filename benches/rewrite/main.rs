//! What rewriting costs, by size of the document, against two marks:
//!
//! - `floor`: copy the document and hash it; no rewrite can do with less.
//! - `value`: the same edit through `serde_json::Value`, and hash it; which reorders members and rounds numbers.
//! - `splice`: ours, with its checks and the hash.
//!
//! Compare ratios within one run.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use std::hint::black_box;
use wave_registry::grant::{Layer, Recipe, Source};
use wave_registry::oci::{Compression, Digest, Family};
use wave_registry::rewrite::fields::Doc;
use wave_registry::rewrite::{DOCUMENT_LIMIT, Spliced, config, index, manifest, splice};

criterion_group!(benches, manifests, indexes, configs);
criterion_main!(benches);

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
    for count in [5, 40, 120] {
        let document = manifest_of(count);
        compare(c, "manifest", &document, value, |doc| {
            manifest::apply(doc, &change, DOCUMENT_LIMIT).expect("an image")
        });
    }
}

fn indexes(c: &mut Criterion) {
    for count in [2, 12, 60] {
        let document = index_of(count);
        let replaced = Digest::sha256(0usize.to_le_bytes());
        let replacements: index::Replacements = [(replaced, replacement())].into();
        let new = &replacements[&replaced];
        let value = |document: &mut Value| {
            document["manifests"][0]["digest"] = json!(new.digest);
            document["manifests"][0]["size"] = json!(new.size());
        };
        compare(c, "index", &document, value, |doc| {
            index::apply(doc, &replacements, DOCUMENT_LIMIT).expect("an index")
        });
    }
}

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
    for count in [5, 100, 1000] {
        let document = config_of(count);
        compare(c, "config", &document, value, |doc| {
            config::apply(doc, &change, DOCUMENT_LIMIT).expect("a config")
        });
    }
}

fn compare(
    c: &mut Criterion,
    name: &str,
    document: &[u8],
    value: impl Fn(&mut Value),
    ours: impl Fn(Doc<'_>) -> Spliced,
) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes(document.len() as u64));
    let id = |what| BenchmarkId::new(what, document.len());
    group.bench_function(id("floor"), |b| {
        b.iter(|| {
            let copy = black_box(document).to_vec();
            (Digest::sha256(&copy), copy)
        });
    });
    group.bench_function(id("value"), |b| {
        b.iter(|| {
            let mut parsed: Value = serde_json::from_slice(black_box(document)).expect("JSON");
            value(&mut parsed);
            let bytes = serde_json::to_vec(&parsed).expect("JSON");
            (Digest::sha256(&bytes), bytes)
        });
    });
    group.bench_function(id("splice"), |b| {
        b.iter(|| ours(Doc::new(black_box(document), DOCUMENT_LIMIT).expect("within limits")));
    });
    group.finish();
}

fn manifest_of(layers: usize) -> Vec<u8> {
    let layer = |n: usize| {
        json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": Digest::sha256(n.to_le_bytes()), "size": 1_000_000 + n})
    };
    let document = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::sha256("c"), "size": 7},
        "layers": (0..layers).map(layer).collect::<Vec<_>>(),
    });
    serde_json::to_vec_pretty(&document).expect("JSON")
}

fn index_of(entries: usize) -> Vec<u8> {
    let entry = |n: usize| {
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": Digest::sha256(n.to_le_bytes()), "size": 1_000 + n,
        "platform": {"os": "linux", "architecture": "amd64"},
        "annotations": {"org.opencontainers.image.revision": "0123456789abcdef", "com.example.n": n.to_string()}})
    };
    let document = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": (0..entries).map(entry).collect::<Vec<_>>(),
    });
    serde_json::to_vec_pretty(&document).expect("JSON")
}

fn config_of(steps: usize) -> Vec<u8> {
    let step = |n: usize| {
        json!({"created": "2024-01-01T00:00:00Z", "empty_layer": n % 2 == 1,
        "created_by": format!("/bin/sh -c apt-get install -y \"package-{n}\" && rm -rf /var/lib/apt # {}", "x".repeat(60))})
    };
    let ids: Vec<Digest> = (0..steps).step_by(2).map(|n| Digest::sha256(n.to_le_bytes())).collect();
    let document = json!({
        "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/usr/bin", "LANG=C"], "Entrypoint": ["sh"], "Cmd": ["-c", "true"]},
        "rootfs": {"type": "layers", "diff_ids": ids},
        "history": (0..steps).map(step).collect::<Vec<_>>(),
    });
    serde_json::to_vec(&document).expect("JSON")
}

fn recipe() -> Recipe {
    let layer = Layer {
        digest: Digest::sha256("one"),
        size: 77,
        diff_id: Digest::sha256("one.tar"),
        compression: Compression::Gzip,
        platforms: Vec::new(),
        source: Source::Spooled,
    };
    Recipe { layers: vec![layer], entrypoint: vec!["/opt/entry".into()], ..Recipe::default() }
}

fn replacement() -> Spliced {
    let doc = Doc::new(b"{}", DOCUMENT_LIMIT).expect("within limits");
    splice(doc, Vec::new(), DOCUMENT_LIMIT).expect("within limits")
}
