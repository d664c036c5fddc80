//! A base that moves, or goes.

use super::{manifest, token};
use crate::support::{Answer, Image, Proxy, TinyLayer, Upstream, get, respond};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The config of a manifest that was served, and that its first layer is that of `base`.
async fn config_of(proxy: &Proxy, name: &str, served: &Answer, base: &Image) -> Answer {
    assert_eq!(served.status, 200, "{}", String::from_utf8_lossy(&served.body));
    let served = served.json();
    assert_eq!(served["layers"][0]["digest"], base.layer.to_string());
    let config =
        get(&proxy.url(&format!("/v2/{name}/blobs/{}", served["config"]["digest"].as_str().unwrap()))).await;
    assert_eq!(config.status, 200);
    assert_eq!(config.json()["rootfs"]["diff_ids"][0], base.layer.to_string());
    assert_eq!(config.json()["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
    config
}

/// A token for a tag follows the tag; one for a digest stays. Manifest and config are always of one base.
#[tokio::test]
async fn case_52_a_tag_that_moves_is_followed_whole() {
    let upstream = Upstream::start().await;
    let before = Image::push(&upstream, Some("v1"), "amd64", b"before");
    let proxy = Proxy::with(&upstream, "  cache.tag-ttl: 0s\n").await;
    let name = token(&proxy, "v1", json!({})).await;
    let pinned = format!("up.test/library/app@{}", before.manifest);
    let pinned = token(&proxy, "v1", json!({"containerImage": pinned})).await;
    let old = manifest(&proxy, &name, "v1").await;
    let after = Image::push(&upstream, Some("v1"), "amd64", b"after");
    // What was served stays, and so does all it leads to.
    config_of(&proxy, &name, &old, &before).await;
    let digest = old.header("docker-content-digest").to_owned();
    assert_eq!(manifest(&proxy, &name, &digest).await.body, old.body);
    assert_eq!(manifest(&proxy, &pinned, &digest).await.body, old.body, "what is pinned is the same image");
    let new = manifest(&proxy, &name, "v1").await;
    assert_ne!(new.body, old.body);
    config_of(&proxy, &name, &new, &after).await;
    config_of(&proxy, &name, &old, &before).await;
}

#[tokio::test]
async fn case_53_what_was_served_stays_when_the_base_is_gone() {
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let upstream =
        Upstream::scripted(move |_| is_gone.load(Ordering::SeqCst).then(|| respond(404, &[], ""))).await;
    let base = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting_with(&upstream, &tiny, &["/entry"], "  cache.tag-ttl: 0s\n").await;
    let served = manifest(&proxy, "library/app", "v1").await;
    let digest = served.header("docker-content-digest").to_owned();
    gone.store(true, Ordering::SeqCst);
    let again = manifest(&proxy, "library/app", &digest).await;
    assert_eq!((again.status, &again.body), (served.status, &served.body));
    config_of(&proxy, "library/app", &served, &base).await;
    let ours = get(&proxy.url(&format!("/v2/library/app/blobs/{}", tiny.digest))).await;
    assert_eq!(ours.body, tiny.gzip);
    // The tag and the layers of the base are upstream's.
    manifest(&proxy, "library/app", "v1").await.is_error(404, "MANIFEST_UNKNOWN");
    get(&proxy.url(&format!("/v2/library/app/blobs/{}", base.layer))).await.is_error(404, "BLOB_UNKNOWN");
}
