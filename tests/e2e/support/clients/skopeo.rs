//! skopeo copies images; umoci unpacks what it copied, and runc runs that.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{Client, Home, Via, options};
use crate::support::run::{Ran, run};
use crate::support::tools;

/// skopeo.
pub(crate) struct Skopeo {
    home: Home,
}

impl Skopeo {
    pub(crate) fn new() -> Self {
        Self { home: Home::new() }
    }

    /// skopeo with a configuration of its own.
    pub(crate) fn command(&self) -> std::process::Command {
        self.home.command("skopeo")
    }

    /// Copies all images of an index, and leaves them as they are.
    pub(crate) fn copy_all(&self, reference: &str, via: Via<'_>) -> Ran {
        self.copy(reference, via, &["--all", "--preserve-digests"], "all")
    }

    /// Unpacks a pulled image into a bundle of the OCI runtime, a folder that is not there yet.
    pub(crate) fn unpack(&self, reference: &str, bundle: &Path) -> Ran {
        let image = self.home.storage.path().join(slug(reference));
        let mut umoci = tools::command("umoci");
        run(umoci.args(["unpack", "--image"]).arg(format!("{}:copied", image.display())).arg(bundle))
    }

    /// A folder for bundles, next to what was pulled.
    pub(crate) fn folder(&self) -> TempDir {
        tempfile::tempdir_in(self.home.storage.path()).expect("the folder is ours")
    }

    fn copy(&self, reference: &str, via: Via<'_>, more: &[&str], target: &str) -> Ran {
        let target = format!("oci:{}:copied", self.home.storage.path().join(target).display());
        let mut skopeo = self.command();
        skopeo.args(["copy", "--quiet"]).args(options(via, "src-")).args(more);
        run(skopeo.arg(format!("docker://{reference}")).arg(target))
    }
}

impl Client for Skopeo {
    fn pull(&self, reference: &str, via: Via<'_>) -> Ran {
        let folder = self.home.storage.path().join(slug(reference));
        // A second pull starts anew.
        let _ = std::fs::remove_dir_all(&folder);
        self.copy(reference, via, &[], &slug(reference))
    }

    fn run(&self, reference: &str) -> Ran {
        let folder = self.folder();
        let bundle = folder.path();
        let unpacked = bundle.join("bundle");
        self.unpack(reference, &unpacked).ok();
        fit_to_this_machine(&unpacked.join("config.json"));
        let mut runc = tools::command("runc");
        let id = format!("wave-{}-{}", std::process::id(), slug(&bundle.display().to_string()));
        run(runc
            .arg("--root")
            .arg(self.home.path().join("runc"))
            .arg("run")
            .arg("--bundle")
            .arg(&unpacked)
            .arg(id))
    }
}

/// No terminal, and no limits beyond those of this machine.
fn fit_to_this_machine(file: &Path) {
    let text = std::fs::read(file).expect("umoci writes config.json");
    let mut spec: Value = serde_json::from_slice(&text).expect("config.json is JSON");
    spec["process"]["terminal"] = false.into();
    spec["process"]["rlimits"] = Value::Array(Vec::new());
    std::fs::write(file, spec.to_string()).expect("the folder is ours");
}

fn slug(reference: &str) -> String {
    reference.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}
