//! The product as a process.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::Peer;
use super::pki::Authority;
use super::registry::{PASSWORD, Registry, USER};
use super::server::{Line, Server};
use super::{scratch, tools};

/// A running `wave serve`, on a plain, a TLS and an admin listener.
pub(crate) struct Wave {
    config: Value,
    folder: TempDir,
    authority: Arc<Authority>,
    server: Server,
    listeners: Listeners,
}

/// What will be written into the configuration file.
pub(crate) struct Builder {
    config: Value,
    authority: Arc<Authority>,
    tls_host: String,
}

/// `HOST:PORT` of each listener.
#[derive(Clone, Default)]
struct Listeners {
    plain: String,
    tls: String,
    admin: String,
}

impl Wave {
    /// With one registry, for names without a host; others are not served.
    pub(crate) fn before(registry: &Registry) -> Builder {
        let config = json!({
            "server": {"bind": "127.0.0.1:0"},
            "admin": {"bind": "127.0.0.1:0"},
            "registries": {"default": registry.authority(), "unlisted": "deny"},
        });
        let authority = Arc::new(Authority::new());
        Builder { config, authority, tls_host: "127.0.0.1".to_owned() }
            .registry(&registry.authority(), json!({}))
    }

    /// `HOST:PORT` of the listener without TLS.
    pub(crate) fn plain(&self) -> &str {
        &self.listeners.plain
    }

    /// `HOST:PORT` of the listener with TLS.
    pub(crate) fn tls(&self) -> &str {
        &self.listeners.tls
    }

    /// `HOST:PORT` of the admin listener.
    pub(crate) fn admin(&self) -> Peer {
        Peer::http(&self.listeners.admin)
    }

    /// Who signed the certificate of the TLS listener.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Our client, without TLS.
    pub(crate) fn http(&self) -> Peer {
        Peer::http(self.plain())
    }

    /// Our client, with TLS.
    pub(crate) fn https(&self) -> Peer {
        Peer::https(self.tls(), &self.authority)
    }

    /// Asks for a container token, and gives `targetImage`, which is at the listener that was asked.
    pub(crate) async fn mint(&self, request: &Value) -> String {
        minted(&self.http(), self.plain(), request).await
    }

    /// The same by TLS.
    pub(crate) async fn mint_tls(&self, request: &Value) -> String {
        minted(&self.https(), self.tls(), request).await
    }

    /// Kills the process as a crash would, and starts another on the same ports and the same data.
    pub(crate) fn crash_and_restart(&mut self) {
        self.server.end(Signal::KILL).expect("SIGKILL ends a process");
        self.config["server"]["bind"] = json!(self.listeners.plain);
        self.config["server"]["tls"]["bind"] = json!(self.listeners.tls);
        self.config["admin"]["bind"] = json!(self.listeners.admin);
        (self.server, self.listeners) = launch(&self.config, self.folder.path());
    }

    /// SIGTERM, and the status the process ends with.
    pub(crate) fn stop(&self) -> ExitStatus {
        self.server.terminate()
    }

    /// The most memory the process has had in RAM, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid()));
        let status = status.expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells VmHWM");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("VmHWM is a number");
        kibibytes * 1024
    }

    /// What the process has logged.
    pub(crate) fn log(&self) -> String {
        self.server.log()
    }
}

impl Builder {
    /// The default layer.
    pub(crate) fn layer(mut self, json: &Path) -> Self {
        self.config["layer-path"] = json!(json);
        self
    }

    /// One more registry; `settings` are those of `wave.registries.<host>`.
    pub(crate) fn registry(mut self, host: &str, settings: Value) -> Self {
        self.config["registries"][host] = settings;
        self
    }

    /// The account of a registry.
    pub(crate) fn login(mut self, host: &str) -> Self {
        self.config["registries"][host]["username"] = json!(USER);
        self.config["registries"][host]["password"] = json!(PASSWORD);
        self
    }

    /// Any other setting under `wave`, by its path.
    pub(crate) fn set(mut self, pointer: &[&str], value: Value) -> Self {
        let place = pointer.iter().fold(&mut self.config, |place, key| &mut place[*key]);
        *place = value;
        self
    }

    /// Where the TLS listener is, if not on 127.0.0.1.
    pub(crate) fn tls_on(mut self, address: &str) -> Self {
        address.clone_into(&mut self.tls_host);
        self
    }

    pub(crate) fn start(mut self) -> Wave {
        let folder = scratch::small();
        let identity = self.authority.issue(&["localhost", "127.0.0.1", &self.tls_host]);
        let (certificate, key) = identity.write(folder.path());
        let bind = format!("{}:0", self.tls_host);
        self.config["server"]["tls"] = json!({"bind": bind, "certificate": certificate, "key": key});
        if self.config["data-dir"].is_null() {
            self.config["data-dir"] = json!(folder.path().join("data"));
        }
        let (server, listeners) = launch(&self.config, folder.path());
        Wave { config: self.config, folder, authority: self.authority, server, listeners }
    }
}

async fn minted(peer: &Peer, authority: &str, request: &Value) -> String {
    let answer = peer.post("/container-token", request).await;
    assert_eq!(answer.status, http::StatusCode::OK, "{answer:?}");
    let reply = answer.json();
    let token = reply["containerToken"].as_str().expect("a reply has a token");
    let image = reply["targetImage"].as_str().expect("a reply has an image");
    assert!(image.starts_with(&format!("{authority}/wt/{token}/")), "{reply}");
    image.to_owned()
}

fn launch(config: &Value, folder: &Path) -> (Server, Listeners) {
    // JSON is YAML.
    let file = folder.join("config.yml");
    std::fs::write(&file, json!({"wave": config}).to_string()).expect("the folder is ours");
    let mut wave = tools::isolated(&tools::wave());
    // Without a layer.json in its working folder there is no default layer but the one asked for.
    wave.current_dir(folder).args(["serve", "--config"]).arg(&file);
    let server = Server::start("wave", &wave);
    let mut listeners = Listeners::default();
    server.wait_for(|line| {
        let Line::Out(text) = line else { return None };
        match text.strip_prefix("listening ").and_then(|rest| rest.split_once(' ')) {
            Some(("plain", address)) => address.clone_into(&mut listeners.plain),
            Some(("tls", address)) => address.clone_into(&mut listeners.tls),
            Some(("admin", address)) => address.clone_into(&mut listeners.admin),
            _ => {}
        }
        (text == "ready").then_some(())
    });
    (server, listeners)
}
