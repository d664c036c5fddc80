//! Makes the images, each by the commands of its row.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::rows::{BUILDAH, DOCKER, FILES, LAYOUT, PODMAN, Row, SKOPEO};
use crate::support::clients::{Buildah, Docker, Podman, Skopeo};
use crate::support::registry::Registry;
use crate::support::run::run;
use crate::support::{images, scratch, tools};

/// The names of all images.
pub(super) fn names() -> Vec<&'static str> {
    let made = [BUILDAH, PODMAN, DOCKER, SKOPEO].into_iter().flatten().map(|(name, _)| *name);
    made.chain(LAYOUT.iter().map(|(name, _)| *name)).collect()
}

/// The storage folder of a docker-registry that holds every image as `made/NAME:1`; made once by the same tools.
pub(super) fn store() -> PathBuf {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| scratch::cached("made", &inputs(), fill)).clone()
}

/// What the images depend on.
fn inputs() -> String {
    let programs = ["buildah", "podman", "dockerd", "skopeo", "umoci"];
    let versions = programs.map(|program| run(tools::command(program).arg("--version")).ok());
    let layout = images::layout().display().to_string();
    [include_str!("make.rs"), include_str!("rows.rs"), &layout, &versions.concat()].concat()
}

/// Makes all images and moves the registry's storage into a folder.
fn fill(folder: &Path) {
    let (registry, layout) = (Registry::empty(), images::layout());
    std::thread::scope(|scope| {
        scope.spawn(|| make(&registry, BUILDAH, None));
        scope.spawn(|| make(&registry, PODMAN, None));
        scope.spawn(|| {
            let docker = Docker::start();
            make(&registry, DOCKER, Some(&docker));
            make(&registry, SKOPEO, Some(&docker));
        });
        for (name, tag) in LAYOUT {
            registry.push(&format!("{}:{tag}", layout.display()), &format!("made/{name}:1"), &["--all"]);
        }
    });
    let storage = registry.into_storage();
    std::fs::rename(storage.path().join("docker"), folder.join("docker")).expect("both folders are ours");
}

/// Runs the commands of some rows one after another.
fn make(registry: &Registry, rows: &[Row], docker: Option<&Docker>) {
    let folder = scratch::large();
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    let tools = Tools { buildah: Buildah::new(), podman: Podman::new(), skopeo: Skopeo::new(), docker };
    for (name, commands) in rows {
        std::fs::write(folder.path().join("file.txt"), format!("a file of {name}\n"))
            .expect("the folder is ours");
        let to = format!("{}/made/{name}:1", registry.authority());
        for command in *commands {
            let line = command.replace("{name}", name).replace("{to}", &to);
            run(&tools.command(&line, folder.path())).ok();
        }
    }
}

struct Tools<'a> {
    buildah: Buildah,
    podman: Podman,
    skopeo: Skopeo,
    docker: Option<&'a Docker>,
}

impl Tools<'_> {
    /// A command from the words of a line.
    fn command(&self, line: &str, folder: &Path) -> Command {
        let mut words = line.split(' ');
        let mut command = match words.next().expect("a line has words") {
            "buildah" => self.buildah.command(),
            "podman" => self.podman.command(),
            "skopeo" => self.skopeo.command(),
            "docker" => self.docker.expect("there is a daemon").command(),
            other => tools::command(other),
        };
        // Not every docker client has BuildKit.
        command
            .env("DOCKER_BUILDKIT", "0")
            .args(words.map(|word| word.replace('~', " ")))
            .current_dir(folder);
        command
    }
}
