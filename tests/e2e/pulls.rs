//! Every client pulls every kind of image through the product by http, and runs it.

use serde_json::json;

use crate::support::clients::{Buildah, Client, Containerd, Docker, Podman, Skopeo, Via};
use crate::support::images::GREETING;
use crate::support::pack::{INJECTED, Pack};
use crate::support::registry::Registry;
use crate::support::wave::Wave;

/// Images that run once the layer is in them.
pub(crate) const IMAGES: &[&str] = &[
    "library/hello:oci",
    "library/hello:schema2",
    "library/hello:index",
    "library/hello:list",
    "library/hello:string",
    "library/scratch:oci",
    "library/scratch:schema2",
    "library/large:oci",
];

/// Images that are pulled as they are.
pub(crate) const PLAIN: &[&str] = &[
    "library/hello:oci",
    "library/hello:schema2",
    "library/hello:index",
    "library/hello:list",
    "library/large:oci",
];

/// Pulls all images with the default layer from `HOST:PORT`.
pub(crate) fn augmented(client: &dyn Client, authority: &str, via: Via<'_>) {
    for image in IMAGES {
        runs_augmented(client, &format!("{authority}/{image}"), via);
    }
}

/// The run of an augmented image shows the injected file and the work of the image's own entry point.
pub(crate) fn runs_augmented(client: &dyn Client, reference: &str, via: Via<'_>) {
    client.pull(reference, via).ok();
    let said = client.run(reference).ok();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.first().copied(), Some(GREETING), "{reference}: {said}");
    assert!(lines.iter().any(|line| line.starts_with(INJECTED)), "{reference}: {said}");
}

/// The run of an image as it came: its entry point greets, and there is no injected file to print.
pub(crate) fn runs_plain(client: &dyn Client, reference: &str, via: Via<'_>) {
    client.pull(reference, via).ok();
    let said = client.run(reference).fails();
    assert!(
        said.contains(GREETING) && said.contains("foo.txt") && !said.contains(INJECTED),
        "{reference}: {said}"
    );
}

/// All three ways an image leaves the product: with the default layer, as it is, and as a token says.
async fn everything(client: &dyn Client) {
    let (registry, pack) = (Registry::plain(), Pack::new());
    let layered = Wave::before(&registry).layer(&pack.json()).start();
    augmented(client, layered.plain(), Via::Http);

    let bare = Wave::before(&registry).start();
    for image in PLAIN {
        runs_plain(client, &format!("{}/{image}", bare.plain()), Via::Http);
    }

    for image in ["library/hello:schema2", "library/hello:index"] {
        let request = json!({"containerImage": image, "containerConfig": pack.inline()});
        runs_augmented(client, &bare.mint(&request).await, Via::Http);
        // A token without a configuration brings the default layer.
        runs_augmented(client, &layered.mint(&json!({"containerImage": image})).await, Via::Http);
    }
}

#[tokio::test]
async fn skopeo_pulls() {
    everything(&Skopeo::new()).await;
}

#[tokio::test]
async fn podman_pulls() {
    everything(&Podman::new()).await;
}

#[tokio::test]
async fn buildah_pulls() {
    everything(&Buildah::new()).await;
}

#[tokio::test]
async fn containerd_pulls() {
    everything(&Containerd::start()).await;
}

#[tokio::test]
async fn docker_pulls() {
    everything(&Docker::start()).await;
}
