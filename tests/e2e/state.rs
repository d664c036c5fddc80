//! A disk that is full: nothing that has to be remembered is revealed, and the rest goes on.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use http::StatusCode;
use serde_json::json;
use tempfile::TempDir;

use crate::support::http::Answer;
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::run::run;
use crate::support::walk::walk;
use crate::support::wave::Wave;
use crate::support::{scratch, tools};

/// A small file system of its own.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new(size: &str) -> Self {
        let folder = scratch::small();
        let mut mount = tools::command("mount");
        run(mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(folder.path())).ok();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the space there is.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).expect("the folder is ours");
        let error = loop {
            if let Err(error) = file.write_all(&[1; 512]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    /// Gives it back.
    fn relieve(&self) {
        std::fs::remove_file(self.ballast()).expect("the folder is ours");
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        scratch::unmount_below(self.folder.path());
    }
}

fn unavailable(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
}

#[tokio::test]
async fn a_state_that_cannot_be_written() {
    let (registry, pack, disk) = (Registry::plain(), Pack::new(), Disk::new("8m"));
    let wave = Wave::before(&registry)
        .layer(&pack.json())
        .set(&["data-dir"], json!(disk.path().join("data")))
        .start();
    let peer = wave.http();
    let request = json!({"containerImage": "library/hello:oci"});
    let before = walk(&peer, "library/hello", "oci").await;
    wave.mint(&request).await;

    disk.fill();
    // What was written down stays known.
    assert_eq!(walk(&peer, "library/hello", "oci").await.root, before.root);
    let refused = peer.get("/v2/library/hello/manifests/schema2").await;
    unavailable(&refused);
    let message = "the state of this registry cannot be reached";
    assert_eq!(refused.json(), json!({"errors": [{"code": "UNAVAILABLE", "message": message}]}));
    let refused = peer.post("/container-token", &request).await;
    unavailable(&refused);
    assert_eq!(refused.json(), json!({"message": message}));
    // What was not changed has no need of it.
    let blob = before.first().manifest["layers"][0].clone();
    crate::support::walk::blob(&peer, "library/hello", &blob, |_| ()).await;

    disk.relieve();
    walk(&peer, "library/hello", "schema2").await;
    wave.mint(&request).await;
    assert!(wave.stop().success(), "{}", wave.log());
}
