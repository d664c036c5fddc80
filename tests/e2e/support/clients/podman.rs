//! podman, with the overlay driver and runc.

use super::{Client, Home, Via, options};
use crate::support::run::{Ran, run};

/// podman.
pub(crate) struct Podman {
    home: Home,
}

impl Podman {
    pub(crate) fn new() -> Self {
        Self { home: Home::new() }
    }

    /// podman with folders of its own.
    pub(crate) fn command(&self) -> std::process::Command {
        let mut podman = self.home.command("podman");
        podman.arg("--root").arg(self.home.root()).arg("--runroot").arg(self.home.runroot());
        podman.args(["--storage-driver", "overlay", "--runtime", "runc"]);
        podman
    }
}

impl Client for Podman {
    fn pull(&self, reference: &str, via: Via<'_>) -> Ran {
        run(self.command().args(["pull", "--quiet"]).args(options(via, "")).arg(reference))
    }

    fn run(&self, reference: &str) -> Ran {
        run(self.command().args(["run", "--rm", "--pull=never", "--network=none", reference]))
    }
}
