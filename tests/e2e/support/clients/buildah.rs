//! buildah, with the overlay driver and chroot.

use serde_json::Value;

use super::{Client, Home, Via, options};
use crate::support::run::{Ran, run};

/// buildah. Its `run` takes a command and no entry point, so ours gives it both as the image has them.
pub(crate) struct Buildah {
    home: Home,
}

impl Buildah {
    pub(crate) fn new() -> Self {
        Self { home: Home::new() }
    }

    /// buildah with folders of its own.
    pub(crate) fn command(&self) -> std::process::Command {
        let mut buildah = self.home.command("buildah");
        buildah.arg("--root").arg(self.home.root()).arg("--runroot").arg(self.home.runroot());
        buildah.args(["--storage-driver", "overlay"]);
        buildah
    }
}

impl Client for Buildah {
    fn pull(&self, reference: &str, via: Via<'_>) -> Ran {
        let mut buildah = self.command();
        run(buildah.args(["pull", "--quiet"]).args(options(via, "")).arg(format!("docker://{reference}")))
    }

    fn run(&self, reference: &str) -> Ran {
        let container = run(self.command().args(["from", "--pull-never", reference])).ok();
        let container = container.trim();
        let inspected = run(self.command().args(["inspect", container])).ok();
        let config: Value = serde_json::from_str(&inspected).expect("inspect prints JSON");
        let words = |key: &str| config["OCIv1"]["config"][key].as_array().cloned().unwrap_or_default();
        let command: Vec<_> = [words("Entrypoint"), words("Cmd")].concat();
        let command = command.iter().map(|word| word.as_str().expect("words are strings"));
        let mut buildah = self.command();
        buildah.args(["run", "--isolation", "chroot", container, "--"]).args(command);
        // On a busy machine buildah 1.28 may end before it has copied what a short program said. All programs of the
        // tests say something.
        let ran = (0..3).map(|_| run(&buildah)).find(|ran| !ran.is_silent());
        let ran = ran.expect("the program says something");
        run(self.command().args(["rm", container])).ok();
        ran
    }
}
