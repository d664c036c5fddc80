//! The rig by itself: every client pulls from the registry without the product between.
//!
//! When one of these fails, the machine is at fault, and no other test says anything about the product.

use crate::support::clients::{Buildah, Client, Containerd, Docker, Podman, Skopeo, Via};
use crate::support::images::GREETING;
use crate::support::registry::Registry;

fn pulls_and_runs(client: &dyn Client, registry: &Registry) {
    let reference = format!("{}/library/hello:oci", registry.authority());
    client.pull(&reference, Via::Http).ok();
    // There is no foo.txt yet: the entry point greets, and its argument fails.
    let said = client.run(&reference).fails();
    assert!(said.contains(GREETING) && said.contains("foo.txt"), "{said}");
}

#[test]
fn skopeo_pulls_and_runs() {
    pulls_and_runs(&Skopeo::new(), &Registry::plain());
}

#[test]
fn podman_pulls_and_runs() {
    pulls_and_runs(&Podman::new(), &Registry::plain());
}

#[test]
fn buildah_pulls_and_runs() {
    pulls_and_runs(&Buildah::new(), &Registry::plain());
}

#[test]
fn containerd_pulls_and_runs() {
    pulls_and_runs(&Containerd::start(), &Registry::plain());
}

#[test]
fn docker_pulls_and_runs() {
    pulls_and_runs(&Docker::start(), &Registry::plain());
}
