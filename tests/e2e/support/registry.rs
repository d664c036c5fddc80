//! The upstream: `docker-registry serve` in four flavours, filled with the images of `images`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::pki::Identity;
use super::server::Server;
use super::token_server::TokenServer;
use super::{run, scratch, tools};

/// The account of the flavours that know accounts.
pub(crate) const USER: &str = "alice";
/// Its password.
pub(crate) const PASSWORD: &str = "s3cret";

/// A running registry.
pub(crate) struct Registry {
    address: SocketAddr,
    scheme: &'static str,
    server: Server,
    storage: TempDir,
    _config: TempDir,
}

impl Registry {
    /// Open to everybody, with all images.
    pub(crate) fn plain() -> Self {
        Self::serving(&super::images::store())
    }

    /// Open to everybody, with nothing in it.
    pub(crate) fn empty() -> Self {
        Self::start("http", scratch::large(), |_| json!({}))
    }

    /// Open to everybody, with a copy of this storage folder.
    pub(crate) fn serving(store: &Path) -> Self {
        Self::start("http", copy(store), |_| json!({}))
    }

    /// Open to `USER` with `PASSWORD`, by Basic authentication.
    pub(crate) fn htpasswd() -> Self {
        Self::start("http", copy(&super::images::store()), |folder| {
            let line = run::run(tools::command("htpasswd").args(["-Bbn", USER, PASSWORD])).ok();
            let file = folder.join("htpasswd");
            std::fs::write(&file, line).expect("the folder is ours");
            json!({"auth": {"htpasswd": {"realm": "basic-realm", "path": file}}})
        })
    }

    /// Open to those who bring a token of this server.
    pub(crate) fn token(tokens: &TokenServer) -> Self {
        Self::start(
            "http",
            copy(&super::images::store()),
            |_| json!({"auth": {"token": tokens.registry_config()}}),
        )
    }

    /// The same behind TLS; the token server must speak TLS too.
    pub(crate) fn token_tls(tokens: &TokenServer, identity: &Identity) -> Self {
        Self::start(
            "https",
            copy(&super::images::store()),
            |folder| json!({"auth": {"token": tokens.registry_config()}, "http": {"tls": tls(identity, folder)}}),
        )
    }

    /// Open to everybody, behind TLS with a certificate of a private authority.
    pub(crate) fn tls(identity: &Identity) -> Self {
        Self::start(
            "https",
            copy(&super::images::store()),
            |folder| json!({"http": {"tls": tls(identity, folder)}}),
        )
    }

    /// The same at another address of this machine.
    pub(crate) fn tls_on(address: &str, identity: &Identity) -> Self {
        Self::start(
            "https",
            copy(&super::images::store()),
            |folder| json!({"http": {"addr": format!("{address}:0"), "tls": tls(identity, folder)}}),
        )
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Copies an image of an OCI layout into this registry, which must be a plain one.
    ///
    /// `source` is `DIR:TAG`, `target` is `NAME:TAG`, `options` are skopeo's, such as `--all` or `--format v2s2`.
    pub(crate) fn push(&self, source: &str, target: &str, options: &[&str]) {
        let target = format!("docker://{}/{target}", self.authority());
        let mut skopeo = tools::command("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
        run::run(skopeo.args(options).arg(format!("oci:{source}")).arg(target)).ok();
    }

    /// What the registry has logged, its access lines among it.
    pub(crate) fn log(&self) -> String {
        self.server.log()
    }

    /// Ends the registry and gives its storage away.
    pub(crate) fn into_storage(self) -> TempDir {
        self.server.terminate();
        self.storage
    }

    /// `settings` are merged into the configuration; it may put files into the folder it is given.
    fn start(scheme: &'static str, storage: TempDir, settings: impl FnOnce(&Path) -> Value) -> Self {
        let folder = scratch::small();
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": false}},
            "storage": {"filesystem": {"rootdirectory": storage.path()}, "delete": {"enabled": true}},
            "http": {"addr": "127.0.0.1:0"},
        });
        merge(&mut config, settings(folder.path()));
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config.to_string()).expect("the folder is ours");
        let server =
            Server::start("docker-registry", tools::command("docker-registry").arg("serve").arg(&file));
        let address = server.wait_for(|line| listening(line.text()));
        Self { address, scheme, server, storage, _config: folder }
    }
}

/// The address of `level=info msg="listening on 127.0.0.1:36017, tls" go.version=...`.
fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    rest.split(['"', ',']).next()?.parse().ok()
}

fn tls(identity: &Identity, folder: &Path) -> Value {
    let (certificate, key): (PathBuf, PathBuf) = identity.write(folder);
    json!({"certificate": certificate, "key": key})
}

/// The storage of docker-registry: blobs never change and are linked, the rest is copied.
fn copy(store: &Path) -> TempDir {
    let target = scratch::large();
    let (from, to) = (store.join("docker/registry/v2"), target.path().join("docker/registry/v2"));
    std::fs::create_dir_all(&to).expect("the folder is ours");
    run::run(tools::command("cp").arg("-al").arg(from.join("blobs")).arg(&to)).ok();
    run::run(tools::command("cp").arg("-a").arg(from.join("repositories")).arg(&to)).ok();
    target
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
