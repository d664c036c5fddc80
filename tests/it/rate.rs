//! What counts as a pull.

use crate::support::image::index;
use crate::support::{Image, Proxy, TinyLayer, Upstream, get, head};

const ONE: &str = "  rate-limit: { pull: { anonymous: 1 / 1h } }\n";

#[tokio::test]
async fn an_augmented_image_is_one_pull_with_all_its_parts() {
    let upstream = Upstream::start().await;
    let (amd, arm) =
        (Image::push(&upstream, None, "amd64", b"x86"), Image::push(&upstream, None, "arm64", b"arm"));
    index(&upstream, "v1", &[("amd64", amd), ("arm64", arm)]);
    Image::push(&upstream, Some("other"), "amd64", b"other");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting_with(&upstream, &tiny, &["/entry"], ONE).await;
    let url = |kind: &str, reference: &str| proxy.url(&format!("/v2/library/app/{kind}/{reference}"));
    let digest = head(&url("manifests", "v1")).await.header("docker-content-digest").to_string();
    let root = get(&url("manifests", &digest)).await;
    assert_eq!(root.status, 200);
    for entry in root.json()["manifests"].as_array().unwrap() {
        let manifest = get(&url("manifests", entry["digest"].as_str().unwrap())).await;
        assert_eq!(manifest.status, 200);
        let config = manifest.json()["config"]["digest"].as_str().unwrap().to_string();
        assert_eq!(get(&url("blobs", &config)).await.status, 200);
    }
    get(&url("manifests", "other")).await.is_error(429, "TOOMANYREQUESTS");
}

#[tokio::test]
async fn one_pull_does_not_open_the_repository() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let other = Image::push(&upstream, None, "amd64", b"other");
    let proxy = Proxy::with(&upstream, ONE).await;
    assert_eq!(get(&proxy.url("/v2/library/app/manifests/v1")).await.status, 200);
    let by_digest = get(&proxy.url(&format!("/v2/library/app/manifests/{}", other.manifest))).await;
    by_digest.is_error(429, "TOOMANYREQUESTS");
}
