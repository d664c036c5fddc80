//! The same by TLS: with the authority known the pulls work, without it they fail.

use serde_json::json;

use crate::pulls::{PLAIN, augmented, runs_augmented, runs_plain};
use crate::support::clients::{Buildah, Client, Containerd, Docker, Podman, Skopeo, Via};
use crate::support::netns::Namespace;
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::wave::Wave;

/// `untrusting` is a client that was not told of the authority.
async fn everything(client: &dyn Client, untrusting: &dyn Client, stage: &Stage) {
    let Stage { pack, bare, layered, .. } = stage;
    let (bare_via, layered_via) = (Via::Tls(bare.authority()), Via::Tls(layered.authority()));

    refused(untrusting, &format!("{}/library/hello:oci", layered.tls()));
    augmented(client, layered.tls(), layered_via);
    for image in PLAIN {
        runs_plain(client, &format!("{}/{image}", bare.tls()), bare_via);
    }
    for image in ["library/hello:schema2", "library/hello:index"] {
        let request = json!({"containerImage": image, "containerConfig": pack.inline()});
        runs_augmented(client, &bare.mint_tls(&request).await, bare_via);
        runs_augmented(client, &layered.mint_tls(&json!({"containerImage": image})).await, layered_via);
    }
}

fn refused(client: &dyn Client, reference: &str) {
    let said = client.pull(reference, Via::TlsUnknown).fails();
    assert!(said.contains("certificate signed by unknown authority"), "{said}");
}

struct Stage {
    _registry: Registry,
    pack: Pack,
    bare: Wave,
    layered: Wave,
}

impl Stage {
    /// `address` is where the TLS listeners are.
    fn new(address: &str) -> Self {
        let (registry, pack) = (Registry::plain(), Pack::new());
        let bare = Wave::before(&registry).tls_on(address).start();
        let layered = Wave::before(&registry).tls_on(address).layer(&pack.json()).start();
        Self { _registry: registry, pack, bare, layered }
    }
}

#[tokio::test]
async fn skopeo_pulls() {
    everything(&Skopeo::new(), &Skopeo::new(), &Stage::new("127.0.0.1")).await;
}

#[tokio::test]
async fn podman_pulls() {
    everything(&Podman::new(), &Podman::new(), &Stage::new("127.0.0.1")).await;
}

#[tokio::test]
async fn buildah_pulls() {
    everything(&Buildah::new(), &Buildah::new(), &Stage::new("127.0.0.1")).await;
}

#[tokio::test]
async fn containerd_pulls() {
    let containerd = Containerd::start();
    everything(&containerd, &containerd, &Stage::new("127.0.0.1")).await;
}

/// docker does not verify certificates of 127.0.0.0/8, so it pulls from a namespace of its own.
#[tokio::test]
async fn docker_pulls() {
    let namespace = Namespace::new();
    let stage = Stage::new(namespace.here());
    let trusted =
        [(stage.bare.tls(), stage.bare.authority()), (stage.layered.tls(), stage.layered.authority())];
    let docker = Docker::start_in(&namespace, &trusted);
    everything(&docker, &Docker::start_in(&namespace, &[]), &stage).await;
}
