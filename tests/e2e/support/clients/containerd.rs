//! containerd and its `ctr`.

use std::path::PathBuf;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Client, Via};
use crate::support::run::{Ran, run};
use crate::support::server::Server;
use crate::support::{scratch, tools};

/// A containerd of our own.
pub(crate) struct Containerd {
    daemon: Server,
    folder: TempDir,
    data: TempDir,
}

impl Containerd {
    pub(crate) fn start() -> Self {
        let (folder, data) = (scratch::small(), scratch::large());
        let path = |name: &str| folder.path().join(name);
        let config = format!(
            "version = 2\nroot = {root:?}\nstate = {state:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {socket:?}\n[ttrpc]\naddress = {ttrpc:?}\n\
             [plugins.\"io.containerd.internal.v1.opt\"]\npath = {opt:?}\n",
            root = data.path(),
            state = path("state"),
            socket = path("c.sock"),
            ttrpc = path("t.sock"),
            opt = path("opt"),
        );
        std::fs::write(path("config.toml"), config).expect("the folder is ours");
        let daemon =
            Server::start("containerd", tools::command("containerd").arg("-c").arg(path("config.toml")));
        daemon.wait_for(|line| line.text().contains("containerd successfully booted").then_some(()));
        Self { daemon, folder, data }
    }

    /// Pulls `NAMESPACE/NAME:TAG`, where a mirror at `HOST:PORT` serves what belongs to the registry `namespace`.
    ///
    /// containerd asks the mirror with `?ns=namespace`; the registry itself does not exist.
    pub(crate) fn pull_by_mirror(&self, namespace: &str, mirror: &str, image: &str) -> Ran {
        let text = format!(
            "server = \"http://127.0.0.1:9\"\n[host.\"http://{mirror}\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
        );
        self.configure(namespace, &text);
        self.fetch(&format!("{namespace}/{image}"))
    }

    /// Writes the `hosts.toml` of a registry.
    fn configure(&self, registry: &str, text: &str) {
        let folder = self.hosts().join(registry);
        std::fs::create_dir_all(&folder).expect("the folder is ours");
        std::fs::write(folder.join("hosts.toml"), text).expect("the folder is ours");
    }

    /// Pulls as the files of the `hosts` folder say.
    fn fetch(&self, reference: &str) -> Ran {
        let mut ctr = self.ctr();
        ctr.args(["images", "pull", "--platform", "linux/amd64", "--hosts-dir"]).arg(self.hosts());
        run(ctr.arg(reference))
    }

    fn hosts(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    fn ctr(&self) -> std::process::Command {
        let mut ctr = tools::command("ctr");
        ctr.arg("--address").arg(self.socket());
        ctr
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("c.sock")
    }
}

impl Client for Containerd {
    /// On 127.0.0.0/8 containerd takes http unless it is told otherwise.
    fn pull(&self, reference: &str, via: Via<'_>) -> Ran {
        let registry = reference.split('/').next().expect("a reference has a host");
        let (scheme, trust) = match via {
            Via::Http => ("http", String::new()),
            Via::Tls(authority) => ("https", format!("ca = {:?}\n", authority.file())),
            Via::TlsUnknown => ("https", String::new()),
        };
        let url = format!("{scheme}://{registry}");
        self.configure(registry, &format!("server = \"{url}\"\n[host.\"{url}\"]\n{trust}"));
        self.fetch(reference)
    }

    fn run(&self, reference: &str) -> Ran {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let id = format!("wave-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        run(self.ctr().args(["run", "--rm", reference, &id]))
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // No panic while one may be under way.
        let _ = self.daemon.end(Signal::TERM);
        scratch::unmount_below(self.folder.path());
        scratch::unmount_below(self.data.path());
    }
}
