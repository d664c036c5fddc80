//! An engine, and all that is between it and the images.

use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use tempfile::TempDir;

use super::images::{self, Image};
use super::servers::S3;
use super::steps::{self, Step};
use crate::support::clients::{Client, Docker, Podman, Via};
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::run::{Ran, run};
use crate::support::scratch;
use crate::support::wave::Wave;

/// The device of FUSE.
const DEVICE: &str = "/dev/fuse";
/// What a container needs for the mount.
pub(super) const RIGHTS: [&str; 2] = ["--cap-add=SYS_ADMIN", "--device=/dev/fuse"];

/// Who runs containers.
pub(super) trait Engine: Client {
    /// Its program, with its folders or its daemon.
    fn program(&self) -> Command;
}

impl Engine for Podman {
    fn program(&self) -> Command {
        self.command()
    }
}

impl Engine for Docker {
    fn program(&self) -> Command {
        self.command()
    }
}

/// An engine with the images, which came through the product.
pub(super) struct Stage<E> {
    engine: E,
    wave: Wave,
    folder: TempDir,
    _registry: Registry,
    _pack: Pack,
}

impl<E: Engine> Stage<E> {
    /// # Panics
    /// When this machine has no `/dev/fuse`.
    pub(super) fn new(engine: E) -> Self {
        assert!(std::fs::exists(DEVICE).unwrap_or(false), "{DEVICE} is missing: modprobe fuse");
        let (registry, pack) = (Registry::serving(&images::store()), Pack::new());
        let wave = Wave::before(&registry).layer(&pack.json()).start();
        let stage = Self { engine, wave, folder: scratch::small(), _registry: registry, _pack: pack };
        for image in images::IMAGES {
            stage.engine.pull(&stage.reference(image), Via::Http).ok();
        }
        stage
    }

    /// Runs steps in a container with these options, which sees the server of S3.
    pub(super) fn run(&self, image: Image, s3: &S3, options: &[&str], steps: &[Step<'_>]) -> Ran {
        self.start(image, s3, &[options, &["--rm"]].concat(), &steps::command(image, steps))
    }

    /// The same for any command line.
    pub(super) fn start(&self, image: Image, s3: &S3, options: &[&str], command: &[String]) -> Ran {
        let mut engine = self.engine.program();
        engine.args(["run", "--network=host"]).args(options);
        for variable in s3.environment() {
            engine.args(["--env", &variable]);
        }
        run(engine.arg(self.reference(image)).args(command))
    }

    /// Any other command of the engine.
    pub(super) fn engine(&self, arguments: &[&str]) -> Ran {
        run(self.engine.program().args(arguments))
    }

    /// The option for a device node of our own, which everybody may open.
    pub(super) fn open_device(&self) -> String {
        let node: PathBuf = self.folder.path().join("fuse");
        if !node.exists() {
            let mode = Mode::from_raw_mode(0o666);
            mknodat(CWD, &node, FileType::CharacterDevice, mode, makedev(10, 229)).expect("root makes nodes");
            std::fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(0o666))
                .expect("the node is ours");
        }
        format!("--device={}:{DEVICE}", node.display())
    }

    fn reference(&self, image: Image) -> String {
        format!("{}/{}", self.wave.plain(), image.name())
    }
}
