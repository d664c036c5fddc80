//! dockerd and the docker client.

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Client, Via};
use crate::support::netns::Namespace;
use crate::support::pki::Authority;
use crate::support::run::{Ran, run};
use crate::support::server::Server;
use crate::support::{scratch, tools};

/// A docker daemon of our own. It has no networks, so its containers have none either.
pub(crate) struct Docker {
    daemon: Server,
    folder: TempDir,
    data: TempDir,
}

/// Options that keep the daemon from touching this machine: $1 is a folder for sockets, $2 one for images.
const DAEMON: &str = r#"exec "$1" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    --bridge=none --exec-root "$2/exec" --pidfile "$2/pid" --host "unix://$2/docker.sock" --data-root "$3" \
    --default-ulimit nofile=1024:1024 --default-ulimit nproc=1024:1024"#;

impl Docker {
    /// On this machine: 127.0.0.0/8 is tried with TLS first, and then without.
    pub(crate) fn start() -> Self {
        let mut shell = tools::command("sh");
        shell.args(["-euc", DAEMON, "sh"]);
        Self::launch(shell)
    }

    /// On another machine, from where it must trust certificates.
    ///
    /// `trusted` are the authorities its administrator installed, each for a `HOST:PORT`, the way docker reads them
    /// (`/etc/docker/certs.d`), in a mount namespace where nobody else sees them.
    pub(crate) fn start_in(namespace: &Namespace, trusted: &[(&str, &Authority)]) -> Self {
        let mount = tools::find("mount");
        let mut script = format!("mkdir -p /etc/docker; {} -t tmpfs none /etc/docker\n", mount.display());
        for (registry, authority) in trusted {
            let (folder, file) = (format!("/etc/docker/certs.d/{registry}"), authority.file());
            script += &format!("mkdir -p {folder}; cp {} {folder}/ca.crt\n", file.display());
        }
        Self::launch(namespace.shell(&(script + DAEMON)))
    }

    fn launch(mut shell: std::process::Command) -> Self {
        let (folder, data) = (scratch::small(), scratch::large());
        shell.arg(tools::find("dockerd")).arg(folder.path()).arg(data.path());
        let daemon = Server::start("dockerd", shell.env("HOME", folder.path()));
        daemon.wait_for(|line| line.text().contains("API listen on").then_some(()));
        Self { daemon, folder, data }
    }

    /// The docker client of this daemon.
    pub(crate) fn command(&self) -> std::process::Command {
        let mut docker = tools::command("docker");
        docker.env("HOME", self.folder.path());
        docker.arg("--host").arg(format!("unix://{}", self.folder.path().join("docker.sock").display()));
        docker
    }
}

impl Client for Docker {
    /// The daemon knows by itself how a registry is reached.
    fn pull(&self, reference: &str, _: Via<'_>) -> Ran {
        run(self.command().args(["pull", "--quiet", reference]))
    }

    fn run(&self, reference: &str) -> Ran {
        run(self.command().args(["run", "--rm", "--network=none", reference]))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // Told to end, it ends its containerd and unmounts what it can. No panic while one may be under way.
        let _ = self.daemon.end(Signal::TERM);
        scratch::unmount_below(self.folder.path());
        scratch::unmount_below(self.data.path());
    }
}
