//! The ways a name leads to a registry.

use http::StatusCode;
use serde_json::json;

use crate::pulls::runs_augmented;
use crate::support::clients::{Client, Containerd, Skopeo, Via};
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::wave::Wave;
use crate::support::{images, walk::walk};

/// A name that the product fetches from somewhere else.
const HOST: &str = "registry.test";

#[test]
fn a_registry_is_named_in_the_path() {
    let (registry, other, pack) = (Registry::plain(), Registry::plain(), Pack::new());
    let wave =
        Wave::before(&other).registry(HOST, json!({"url": registry.url()})).layer(&pack.json()).start();
    let skopeo = Skopeo::new();
    runs_augmented(&skopeo, &format!("{}/{HOST}/library/hello:index", wave.plain()), Via::Http);
    assert!(registry.log().contains("/v2/library/hello/manifests/"));
    assert!(!other.log().contains("/v2/library/hello/manifests/"));
    skopeo.copy_all(&format!("{}/{HOST}/library/hello:index", wave.plain()), Via::Http).ok();
}

/// containerd asks its mirror for `/v2/NAME/...?ns=HOST`.
#[test]
fn a_registry_is_named_by_a_mirror_request() {
    let (registry, other, pack) = (Registry::plain(), Registry::plain(), Pack::new());
    let wave =
        Wave::before(&other).registry(HOST, json!({"url": registry.url()})).layer(&pack.json()).start();
    let containerd = Containerd::start();
    for image in ["library/hello:oci", "library/hello:index", "library/scratch:schema2"] {
        containerd.pull_by_mirror(HOST, wave.plain(), image).ok();
        let said = containerd.run(&format!("{HOST}/{image}")).ok();
        assert!(said.starts_with(images::GREETING), "{said}");
    }
    assert!(registry.log().contains("/v2/library/hello/manifests/"));
    assert!(!other.log().contains("/v2/library/hello/manifests/"));
}

#[tokio::test]
async fn a_folder_is_a_registry() {
    let (registry, pack) = (Registry::plain(), Pack::new());
    let wave = Wave::before(&registry)
        .registry("layout.test", json!({"layout": images::layout()}))
        .layer(&pack.json())
        .start();
    // In a layout the tag is all there is: any name finds it.
    let name = "layout.test/library/hello";
    for tag in ["hello", "index", "scratch"] {
        let walked = walk(&wave.http(), name, tag).await;
        assert_eq!(walked.first().config["config"]["Entrypoint"], json!(["/opt/fusion/entry.sh"]));
    }
    runs_augmented(&Skopeo::new(), &format!("{}/{name}:index", wave.plain()), Via::Http);
    assert!(!registry.log().contains("/v2/library/hello/manifests/"));
}

#[tokio::test]
async fn a_registry_that_is_not_listed_is_not_served() {
    let registry = Registry::plain();
    let wave = Wave::before(&registry).start();
    let answer = wave.http().get("/v2/unlisted.test/library/hello/manifests/oci").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert_eq!(answer.json()["errors"][0]["code"], "DENIED", "{answer:?}");
    let answer = wave.http().get("/v2/library/hello/manifests/oci?ns=unlisted.test").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    assert_eq!(answer.json()["errors"][0]["code"], "NAME_UNKNOWN", "{answer:?}");
    assert!(!registry.log().contains("/v2/library/hello/"));
}
