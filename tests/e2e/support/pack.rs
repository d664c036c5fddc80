//! The layer the product injects by default: `make all` assembles it, `wave pack` packs it.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{run, scratch, tools};

/// What `foo.txt` of the layer says.
pub(crate) const INJECTED: &str = "Hello injected world!";

/// `layer.json` of the packed layer, and its folder for as long as the test runs.
pub(crate) struct Pack {
    folder: tempfile::TempDir,
}

impl Pack {
    /// Packs `layer/rootfs`.
    ///
    /// # Panics
    /// When `make all` has not been run.
    pub(crate) fn new() -> Self {
        let rootfs = Path::new(env!("CARGO_MANIFEST_DIR")).join("layer/rootfs");
        assert!(
            rootfs.join("opt/fusion/entry.sh").is_file(),
            "{} is missing: run make all",
            rootfs.display()
        );
        let folder = scratch::small();
        let mut wave = tools::isolated(&tools::wave());
        run::run(wave.current_dir(folder.path()).arg("pack").arg(rootfs)).ok();
        Self { folder }
    }

    /// The file `wave.layer-path` names.
    pub(crate) fn json(&self) -> PathBuf {
        self.folder.path().join("pack/layers/layer.json")
    }

    /// A `containerConfig` that carries this layer within itself.
    pub(crate) fn inline(&self) -> Value {
        let text = std::fs::read(self.json()).expect("wave pack writes layer.json");
        let mut config: Value = serde_json::from_slice(&text).expect("layer.json is JSON");
        let file = config["layers"][0]["location"].as_str().expect("a layer has a location").to_owned();
        let gzip = std::fs::read(self.json().with_file_name(file)).expect("wave pack writes the layer");
        config["layers"][0]["location"] = json!(format!("data:{}", BASE64_STANDARD.encode(gzip)));
        config
    }
}
