//! Documents as registries hold them, and what is changed in them.

use serde_json::json;
use wave_registry::grant::{Layer, Recipe, Source};
use wave_registry::oci::{Compression, Digest};
use wave_registry::rewrite::fields::Doc;
use wave_registry::rewrite::{DOCUMENT_LIMIT, Edits, Spliced};

/// A manifest of so many layers.
pub(crate) fn manifest_of(layers: usize) -> Vec<u8> {
    let layer = |n: usize| {
        json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": Digest::sha256(n.to_le_bytes()), "size": 1_000_000 + n})
    };
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::sha256("c"), "size": 7},
        "layers": (0..layers).map(layer).collect::<Vec<_>>(),
    })
    .to_string()
    .into()
}

/// An index of so many entries, indented as build tools write it.
pub(crate) fn index_of(entries: usize) -> Vec<u8> {
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

/// A config with so many build steps, every other of which made a layer.
pub(crate) fn config_of(steps: usize) -> Vec<u8> {
    let step = |n: usize| {
        json!({"created": "2024-01-01T00:00:00Z", "empty_layer": n % 2 == 1,
        "created_by": format!(
            "/bin/sh -c apt-get install -y \"package-{n}\" && rm -rf /var/lib/apt # {}",
            "x".repeat(32)
        )})
    };
    let ids: Vec<Digest> = (0..steps).step_by(2).map(|n| Digest::sha256(n.to_le_bytes())).collect();
    json!({
        "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/usr/bin", "LANG=C"], "Entrypoint": ["sh"], "Cmd": ["-c", "true"]},
        "rootfs": {"type": "layers", "diff_ids": ids},
        "history": (0..steps).map(step).collect::<Vec<_>>(),
    })
    .to_string()
    .into()
}

/// One layer and an entry point.
pub(crate) fn recipe() -> Recipe {
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

/// What a config or manifest is replaced by.
pub(crate) fn replacement() -> Spliced {
    let doc = Doc::new(b"{}", DOCUMENT_LIMIT).expect("within limits");
    Edits::new(&doc, DOCUMENT_LIMIT).splice().expect("within limits")
}
