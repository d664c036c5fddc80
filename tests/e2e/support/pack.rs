//! The layer the product injects by default: `make all` assembles it, `wave pack` packs it.

use std::path::{Path, PathBuf};

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
        assert!(rootfs.join("opt/fusion/entry.sh").is_file(), "{} is missing: run make all", rootfs.display());
        let folder = scratch::small();
        let mut wave = tools::isolated(Path::new(env!("CARGO_BIN_EXE_wave")));
        run::run(wave.current_dir(folder.path()).arg("pack").arg(rootfs)).ok();
        Self { folder }
    }

    /// The file `wave.layer-path` names.
    pub(crate) fn json(&self) -> PathBuf {
        self.folder.path().join("pack/layers/layer.json")
    }

    /// The layer's entry of `layer.json`.
    pub(crate) fn layer(&self) -> serde_json::Value {
        let text = std::fs::read(self.json()).expect("wave pack writes layer.json");
        let document: serde_json::Value = serde_json::from_slice(&text).expect("layer.json is JSON");
        document["layers"][0].clone()
    }

    /// The bytes of the layer.
    pub(crate) fn gzip(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("pack/layers/layer.tar.gzip")).expect("wave pack writes the layer")
    }
}
