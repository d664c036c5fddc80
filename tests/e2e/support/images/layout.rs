//! Writes an OCI image layout folder (image-spec, image-layout.md).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::layer::{Layer, sha256};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layout in the making.
pub(crate) struct Layout {
    folder: PathBuf,
    tags: Vec<Value>,
}

impl Layout {
    pub(crate) fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder.join("blobs/sha256")).expect("the folder is ours");
        Self { folder: folder.to_owned(), tags: Vec::new() }
    }

    /// Stores bytes and describes them.
    pub(super) fn blob(&mut self, media: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        let path = self.folder.join("blobs").join(digest.replace(':', "/"));
        std::fs::write(path, bytes).expect("the folder is ours");
        json!({"mediaType": media, "digest": digest, "size": bytes.len()})
    }

    /// Stores a document and describes it.
    pub(super) fn document(&mut self, media: &str, document: &Value) -> Value {
        self.blob(media, document.to_string().as_bytes())
    }

    /// Stores an image and describes its manifest. `config` gets its `rootfs` and `history` here.
    pub(crate) fn image(&mut self, mut config: Value, layers: &[Layer]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|layer| &layer.diff_id).collect();
        config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
        let step =
            |number: usize| json!({"created": config["created"], "created_by": format!("step {number}")});
        config["history"] = (1..=layers.len()).map(step).collect();
        let config = self.document(CONFIG, &config);
        let layers: Vec<_> = layers.iter().map(|layer| self.blob(LAYER, &layer.gzip)).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        self.document(MANIFEST, &manifest)
    }

    /// Gives a described manifest or index a tag.
    pub(crate) fn tag(&mut self, tag: &str, mut descriptor: Value) {
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        self.tags.push(descriptor);
    }

    pub(crate) fn finish(self) {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.tags});
        std::fs::write(self.folder.join("index.json"), index.to_string()).expect("the folder is ours");
        let version = json!({"imageLayoutVersion": "1.0.0"});
        std::fs::write(self.folder.join("oci-layout"), version.to_string()).expect("the folder is ours");
    }
}
