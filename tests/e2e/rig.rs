//! The rig by itself: every client pulls from the registry without the product between.
//!
//! When one of these fails, the machine is at fault, and no other test says anything about the product.

use crate::support::clients::{Buildah, Client, Containerd, Docker, Podman, Skopeo, Via};
use crate::support::http::Peer;
use crate::support::images::GREETING;
use crate::support::netns::Namespace;
use crate::support::pki::Authority;
use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::run::run;
use crate::support::token_server::TokenServer;
use crate::support::tools;
use crate::support::walk::walk;

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

/// docker verifies certificates where it is not on the same machine.
#[test]
fn docker_verifies_certificates_in_a_namespace() {
    let (namespace, authority) = (Namespace::new(), Authority::new());
    let registry = Registry::tls_on(namespace.here(), &authority.issue(&[namespace.here()]));
    let reference = format!("{}/library/hello:oci", registry.authority());
    let said = Docker::start_in(&namespace, &[]).pull(&reference, Via::TlsUnknown).fails();
    assert!(said.contains("certificate signed by unknown authority"), "{said}");
    let docker = Docker::start_in(&namespace, &[(&registry.authority(), &authority)]);
    docker.pull(&reference, Via::Tls(&authority)).ok();
}

fn skopeo_inspects(registry: &Registry, image: &str, options: &[&str]) -> crate::support::run::Ran {
    let mut skopeo = tools::command("skopeo");
    skopeo.args(["--insecure-policy", "inspect", "--raw"]).args(options);
    run(skopeo.arg(format!("docker://{}/{image}", registry.authority())))
}

#[test]
fn registries_with_accounts_know_who_may_pull() {
    let authority = Authority::new();
    let (plain, tls) = (TokenServer::plain(&authority), TokenServer::tls(&authority));
    let identity = authority.issue(&["localhost", "127.0.0.1"]);
    let (folder, login) =
        (format!("--cert-dir={}", authority.folder().display()), format!("{USER}:{PASSWORD}"));
    let (anonymous, alice) = (["--no-creds"], ["--creds", login.as_str()]);

    let registry = Registry::htpasswd();
    let http = ["--tls-verify=false"];
    skopeo_inspects(&registry, "library/hello:oci", &[&http[..], &anonymous].concat()).fails();
    skopeo_inspects(&registry, "library/hello:oci", &[&http[..], &alice].concat()).ok();

    let https = [folder.as_str()];
    for (registry, trust) in [(Registry::token(&plain), http), (Registry::token_tls(&tls, &identity), https)]
    {
        skopeo_inspects(&registry, "library/hello:oci", &[&trust[..], &anonymous].concat()).ok();
        skopeo_inspects(&registry, "private/hello:oci", &[&trust[..], &anonymous].concat()).fails();
        skopeo_inspects(&registry, "private/hello:oci", &[&trust[..], &alice].concat()).ok();
        skopeo_inspects(&registry, "private/hello:oci", &[&trust[..], &["--creds", "alice:wrong"]].concat())
            .fails();
    }
    assert!(plain.requests() >= 4 && tls.requests() >= 4);
}

#[tokio::test]
async fn every_image_is_sound() {
    let registry = Registry::plain();
    for image in crate::pulls::IMAGES {
        let (name, tag) = image.rsplit_once(':').expect("an image has a tag");
        walk(&Peer::http(&registry.authority()), name, tag).await;
    }
}
