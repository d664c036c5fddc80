//! The tools that read the images.

use crate::support::clients::{Client, Containerd, Docker, Skopeo, Via};
use crate::support::run::{Ran, run};

/// Something that reads an image, all of it or what it is interested in.
pub(super) trait Reader: Send {
    fn name(&self) -> &'static str;

    /// Reads `HOST:PORT/NAME:TAG`: what came of the first step that failed, or of the last.
    fn read(&self, reference: &str) -> Ran;
}

/// `skopeo inspect`: the document as it is, and the config.
pub(super) struct Inspect(pub(super) Skopeo);

/// `skopeo copy` into a layout, and `umoci unpack`.
pub(super) struct Unpack(pub(super) Skopeo);

impl Reader for Inspect {
    fn name(&self) -> &'static str {
        "skopeo"
    }

    fn read(&self, reference: &str) -> Ran {
        let inspect = |options: &[&str]| {
            let mut skopeo = self.0.command();
            skopeo.args(["inspect", "--tls-verify=false"]).args(options);
            run(skopeo.arg(format!("docker://{reference}")))
        };
        let raw = inspect(&["--raw"]);
        if raw.is_ok() { inspect(&["--config"]) } else { raw }
    }
}

impl Reader for Unpack {
    fn name(&self) -> &'static str {
        "umoci"
    }

    fn read(&self, reference: &str) -> Ran {
        let copied = self.0.pull(reference, Via::Http);
        let folder = self.0.folder();
        if copied.is_ok() { self.0.unpack(reference, &folder.path().join("bundle")) } else { copied }
    }
}

impl Reader for Containerd {
    fn name(&self) -> &'static str {
        "containerd"
    }

    fn read(&self, reference: &str) -> Ran {
        self.pull(reference, Via::Http)
    }
}

impl Reader for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn read(&self, reference: &str) -> Ran {
        self.pull(reference, Via::Http)
    }
}
