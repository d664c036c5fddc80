//! The images, and a store of docker-registry that holds them.

use std::path::PathBuf;
use std::sync::OnceLock;

use flate2::Compression;
use serde_json::{Value, json};

use crate::support::images::{Busybox, Files, Layer, Layout, example, sha256};
use crate::support::registry::Registry;
use crate::support::{run, scratch, tools};

/// An image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Image {
    /// Debian's static busybox.
    Busybox,
    /// A shell and the GNU tools with their libraries, as Debian packages have them.
    Debian,
    /// FROM scratch: the program `files` of the layer package, which is its entry point.
    Scratch,
}

pub(super) const IMAGES: [Image; 3] = [Image::Busybox, Image::Debian, Image::Scratch];

/// What the image of Debian is made by; `$1` is the tar file. No package is configured: nothing of it runs here.
const DEBIAN: &str = "exec mmdebstrap --quiet --variant=extract --mode=root --include=dash,coreutils \
                      --skip=output/dev,output/mknod --format=tar bookworm \"$1\"";

impl Image {
    /// A word for names of files.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Busybox => "busybox",
            Self::Debian => "debian",
            Self::Scratch => "scratch",
        }
    }

    /// The name in the registry.
    pub(super) fn name(self) -> String {
        format!("mount/{}:oci", self.word())
    }

    fn config(self) -> Value {
        let mut config = json!({
            "created": "2024-02-29T12:00:00Z",
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["sh"], "WorkingDir": "/"},
        });
        if self == Self::Scratch {
            config["config"]["Entrypoint"] = json!(["/files"]);
            config["config"]["Cmd"] = json!(["list", "/"]);
        }
        config
    }
}

/// The storage folder of a docker-registry that holds the images; made once for the same inputs.
pub(super) fn store() -> PathBuf {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(make).clone()
}

fn make() -> PathBuf {
    let (busybox, files) = (Busybox::find(), example("files"));
    let inputs = [include_str!("images.rs"), &busybox.digests(), &sha256(&files)].concat();
    let layout = scratch::cached("mount-layout", &inputs, |folder| {
        let mut layout = Layout::new(folder);
        for (image, layer) in
            [(Image::Busybox, busybox.layer()), (Image::Debian, debian()), (Image::Scratch, program(&files))]
        {
            let manifest = layout.image(image.config(), &[layer]);
            layout.tag(image.word(), manifest);
        }
        layout.finish();
    });
    scratch::cached("mount-store", &layout.display().to_string(), |folder| {
        let registry = Registry::empty();
        for image in IMAGES {
            registry.push(&format!("{}:{}", layout.display(), image.word()), &image.name(), &[]);
        }
        let storage = registry.into_storage();
        std::fs::rename(storage.path().join("docker"), folder.join("docker")).expect("both folders are ours");
    })
}

fn debian() -> Layer {
    let folder = scratch::large();
    let tar = folder.path().join("debian.tar");
    // Its own programs look at PATH, and at nothing else of the caller's.
    tools::find("mmdebstrap");
    run::run(tools::command("sh").args(["-c", DEBIAN, "sh"]).arg(&tar).env("TMPDIR", folder.path())).ok();
    Layer::of_tar(&std::fs::read(tar).expect("mmdebstrap has made it"), Compression::fast())
}

fn program(files: &[u8]) -> Layer {
    let mut layer = Files::new();
    layer.file("files", 0o755, files);
    layer.pack(Compression::default())
}
