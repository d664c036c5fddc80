//! The programs people pull images with.
//!
//! Each keeps its state in folders of its own, which go away with it. `pull` gives the outcome; `run` gives what the
//! pulled image printed with the entry point and command it has.

mod buildah;
mod containerd;
mod docker;
mod podman;
mod skopeo;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub(crate) use buildah::Buildah;
pub(crate) use containerd::Containerd;
pub(crate) use docker::Docker;
pub(crate) use podman::Podman;
pub(crate) use skopeo::Skopeo;

use super::pki::Authority;
use super::run::Ran;
use super::{scratch, tools};

/// How a client reaches a registry.
#[derive(Clone, Copy)]
pub(crate) enum Via<'a> {
    /// Without TLS.
    Http,
    /// With TLS, certificates of this authority alone are good.
    Tls(&'a Authority),
    /// With TLS, and nobody told the client of the authority.
    TlsUnknown,
}

/// A client that pulls and runs.
pub(crate) trait Client {
    /// Pulls `HOST:PORT/NAME:TAG`.
    fn pull(&self, reference: &str, via: Via<'_>) -> Ran;

    /// Runs what was pulled.
    fn run(&self, reference: &str) -> Ran;
}

/// Splits `HOST:PORT/NAME:TAG` into name and tag.
pub(crate) fn name_and_tag(reference: &str) -> (&str, &str) {
    let (_, path) = reference.split_once('/').expect("a reference has a host");
    path.rsplit_once(':').expect("a reference has a tag")
}

/// The folders of a daemonless client of the containers project, and its configuration.
struct Home {
    folder: TempDir,
    storage: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { folder: scratch::small(), storage: scratch::large() };
        let config = home.folder.path().join(".config/containers");
        std::fs::create_dir_all(&config).expect("the folder is ours");
        let write =
            |name: &str, text: &str| std::fs::write(config.join(name), text).expect("the folder is ours");
        write("policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#);
        write("registries.conf", "unqualified-search-registries = []\n");
        let (root, runroot) = (home.root(), home.runroot());
        write(
            "storage.conf",
            &format!("[storage]\ndriver = \"overlay\"\ngraphroot = {root:?}\nrunroot = {runroot:?}\n"),
        );
        std::fs::write(home.path().join("auth.json"), "{}").expect("the folder is ours");
        // Limits a container may have are those this machine has.
        write(
            "containers.conf",
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
             [network]\nnetwork_backend = \"netavark\"\n",
        );
        home
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program that finds its configuration here, and nowhere else.
    fn command(&self, program: &str) -> std::process::Command {
        let config = self.path().join(".config/containers");
        let mut command = tools::command(program);
        command
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .env("TMPDIR", self.storage.path())
            .env("CONTAINERS_CONF", config.join("containers.conf"))
            .env("CONTAINERS_REGISTRIES_CONF", config.join("registries.conf"))
            .env("CONTAINERS_STORAGE_CONF", config.join("storage.conf"))
            .env("REGISTRY_AUTH_FILE", self.path().join("auth.json"));
        command
    }

    fn root(&self) -> PathBuf {
        self.storage.path().join("root")
    }

    fn runroot(&self) -> PathBuf {
        self.path().join("runroot")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        scratch::unmount_below(self.storage.path());
        scratch::unmount_below(self.folder.path());
    }
}

/// The options of skopeo, podman and buildah for a way to a registry; `prefix` is `""`, `src-` or `dest-`.
fn options(via: Via<'_>, prefix: &str) -> Vec<String> {
    match via {
        Via::Http => vec![format!("--{prefix}tls-verify=false")],
        Via::Tls(authority) => vec![format!("--{prefix}cert-dir={}", authority.folder().display())],
        Via::TlsUnknown => Vec::new(),
    }
}
