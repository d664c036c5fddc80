//! Images that are changed on the way, while their registry is down.

use super::{KEEPING, Registry, WARNING, ask, noted};
use crate::spool::until;
use crate::support::image::index;
use crate::support::{Image, Plan, Proxy, TinyLayer, get};
use http::Method;
use wave_registry::oci::Digest;

#[tokio::test]
async fn what_is_derived_from_kept_documents_is_the_same() {
    let registry = Registry::start().await;
    let images = ["amd64", "arm64"].map(|architecture| {
        (architecture, Image::push(&registry.upstream, None, architecture, architecture.as_bytes()))
    });
    index(&registry.upstream, "v1", &images);
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting_with(&registry.upstream, &tiny, &["/entry"], KEEPING).await;
    let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    assert!(fresh.status == 200 && !fresh.headers.contains_key("warning"));
    // Of the repository, the tag, the index, two manifests and two configurations.
    noted(proxy.folder(), 7).await;
    let layer = images[0].1.layer;
    let url = |proxy: &Proxy| proxy.url(&format!("/v2/library/app/blobs/{layer}"));
    assert_eq!(get(&url(&proxy)).await.body, "amd64");
    noted(proxy.folder(), 8).await;
    let blob = proxy.folder().join("cache/blobs/sha256").join(&layer.hex()[..2]).join(layer.hex());
    until("the blob", || blob.exists()).await;

    let proxy = proxy.restart().await;
    for plan in [Plan::status(429), Plan::status(500), Plan::reset()] {
        registry.all(plan);
        for method in [Method::GET, Method::HEAD] {
            let stale = ask(&proxy, method.clone(), "manifests/v1", &[]).await;
            assert_eq!((stale.status.as_u16(), stale.header("warning")), (200, WARNING));
            assert!(stale.header("age").parse::<u64>().is_ok_and(|age| age < 60));
            assert_eq!(stale.header("docker-content-digest"), fresh.header("docker-content-digest"));
            assert!(method == Method::HEAD || stale.body == fresh.body);
        }
    }
    for entry in fresh.json()["manifests"].as_array().unwrap() {
        let digest = entry["digest"].as_str().unwrap();
        let manifest = ask(&proxy, Method::GET, &format!("manifests/{digest}"), &[]).await;
        assert_eq!(Digest::sha256(&manifest.body).to_string(), digest);
        assert!(!manifest.headers.contains_key("warning"));
        let config = manifest.json()["config"]["digest"].as_str().unwrap().to_string();
        let blob = get(&proxy.url(&format!("/v2/library/app/blobs/{config}"))).await;
        assert_eq!(Digest::sha256(&blob.body).to_string(), config);
    }
    let added = get(&proxy.url(&format!("/v2/library/app/blobs/{}", tiny.digest))).await;
    assert_eq!(added.body, tiny.gzip);
    assert_eq!(get(&url(&proxy)).await.body, "amd64");
    // What nobody has pulled cannot be derived.
    ask(&proxy, Method::GET, "manifests/v2", &[]).await.is_error(502, "UNAVAILABLE");
}

#[tokio::test]
async fn an_image_that_is_left_as_it_is_says_both() {
    let registry = Registry::start().await;
    Image::push(&registry.upstream, Some("v1"), "s390x", b"x");
    let tiny = TinyLayer { platform: Some("linux/amd64"), ..TinyLayer::new("foo.txt", "hello") };
    let proxy = Proxy::augmenting_with(&registry.upstream, &tiny, &["/entry"], KEEPING).await;
    let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    assert_eq!(fresh.status, 200);
    noted(proxy.folder(), 4).await;
    let proxy = proxy.restart().await;
    registry.all(Plan::reset());
    let stale = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    assert_eq!(stale.body, fresh.body);
    let warnings: Vec<_> = stale.headers.get_all("warning").iter().collect();
    let others = fresh.headers.get_all("warning").iter().count();
    assert_eq!(warnings.len(), others + 1, "{warnings:?}");
    assert!(others > 0 && warnings.iter().any(|value| **value == WARNING));
}
