//! The product in this process, on ports of its own.

use super::{TinyLayer, Upstream};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wave_registry::app::{Addresses, App};
use wave_registry::config;
use wave_registry::telemetry::{self, Telemetry};

/// A running proxy. Its default registry is `up.test`, also called `short`; others are not served.
pub struct Proxy {
    address: SocketAddr,
    admin: SocketAddr,
    config: String,
    dir: TempDir,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// One recorder for all proxies of this process.
fn telemetry() -> Telemetry {
    static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();
    let log = config::Log { level: "warn".into(), ..config::Config::default().log };
    TELEMETRY.get_or_init(|| telemetry::install(&log).expect("the first recorder of this process")).clone()
}

impl Proxy {
    /// In front of `upstream`, without a default layer.
    pub async fn start(upstream: &Upstream) -> Proxy {
        Proxy::to(upstream.address, "", "").await
    }

    /// The same with more keys of `wave`, as indented YAML.
    pub async fn with(upstream: &Upstream, wave: &str) -> Proxy {
        Proxy::to(upstream.address, "", wave).await
    }

    /// The same with more keys of the registry, as `key: value, ...`.
    pub async fn with_registry(upstream: &Upstream, registry: &str) -> Proxy {
        Proxy::to(upstream.address, registry, "").await
    }

    /// The same with a default layer.
    pub async fn augmenting(upstream: &Upstream, layer: &TinyLayer, entrypoint: &[&str]) -> Proxy {
        Proxy::augmenting_with(upstream, layer, entrypoint, "").await
    }

    /// The same with a default layer and more keys of `wave`.
    pub async fn augmenting_with(
        upstream: &Upstream,
        layer: &TinyLayer,
        entrypoint: &[&str],
        wave: &str,
    ) -> Proxy {
        let dir = scratch();
        let path = layer.write(dir.path(), entrypoint);
        Proxy::layered(upstream, dir, &path, wave).await
    }

    /// The same with the default layer that a `layer.json` describes.
    pub async fn with_layer(upstream: &Upstream, path: &Path) -> Proxy {
        Proxy::layered(upstream, scratch(), path, "").await
    }

    /// In front of whatever listens on `address`. `FOLDER` in `wave` is its scratch folder.
    pub async fn to(address: SocketAddr, registry: &str, wave: &str) -> Proxy {
        let dir = scratch();
        Proxy::run(text(address, registry, wave, &dir), dir).await
    }

    /// Stops it and starts it again on the same data.
    pub async fn restart(self) -> Proxy {
        self.restart_with(|config| config).await
    }

    /// The same with another configuration.
    pub async fn restart_with(self, change: impl FnOnce(String) -> String) -> Proxy {
        self.stop.send(()).expect("it runs");
        tokio::time::timeout(Duration::from_secs(20), self.task).await.expect("it drains").expect("it ends");
        Proxy::run(change(self.config), self.dir).await
    }

    /// Packs another default layer over the one it was started with, as `wave pack` does: each file is replaced.
    pub fn repack(&self, layer: &TinyLayer, entrypoint: &[&str]) {
        let new = scratch_in(self.dir.path());
        layer.write(new.path(), entrypoint);
        for name in ["layer.tar.gzip", "layer.json"] {
            std::fs::rename(new.path().join(name), self.dir.path().join(name)).expect("one file system");
        }
    }

    /// A URL on the public listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where its configuration, its data and its default layer are.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// A URL on the admin listener.
    pub fn admin(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    async fn layered(upstream: &Upstream, dir: TempDir, path: &Path, wave: &str) -> Proxy {
        let text = text(upstream.address, "", wave, &dir)
            .replace("layer-path: none", &format!("layer-path: {}", path.display()));
        Proxy::run(text, dir).await
    }

    async fn run(config: String, dir: TempDir) -> Proxy {
        let loaded = config::Config::load(&config::Source::File(write(&dir, &config)), std::iter::empty());
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{config}"));
        let telemetry = telemetry();
        let app = App::bind(loaded.config, telemetry.metrics, telemetry.level).await;
        let app = app.unwrap_or_else(|error| panic!("{error}"));
        let Addresses { plain: address, admin, .. } = app.addresses();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            // A test that drops the proxy stops it too.
            app.run(futures_util::stream::once(async { stopped.await.unwrap_or_default() })).await;
        });
        Proxy { address, admin, config, dir, stop, task }
    }
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a scratch folder")
}

fn scratch_in(dir: &Path) -> TempDir {
    tempfile::tempdir_in(dir).expect("a scratch folder")
}

fn write(dir: &TempDir, config: &str) -> std::path::PathBuf {
    let path = dir.path().join("config.yml");
    std::fs::write(&path, config).expect("a scratch folder takes it");
    path
}

fn text(address: SocketAddr, registry: &str, wave: &str, dir: &TempDir) -> String {
    let data = dir.path().join("data");
    let comma = if registry.is_empty() { "" } else { ", " };
    format!(
        "wave.server.bind: 127.0.0.1:0\n\
         wave.admin.bind: 127.0.0.1:0\n\
         wave.data-dir: {}\n\
         wave.layer-path: none\n\
         wave.registries:\n  default: up.test\n  unlisted: deny\n  \
         up.test: {{ url: \"http://{address}\", alias: short{comma}{registry} }}\n\
         wave:\n{}",
        data.display(),
        wave.replace("FOLDER", &dir.path().display().to_string())
    )
}
