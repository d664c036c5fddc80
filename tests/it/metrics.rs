//! The admin listener.

use crate::support::client::try_send;
use crate::support::{Image, Proxy, TinyLayer, Upstream, get, respond, send};
use http::Method;
use wave_registry::oci::Digest;

#[tokio::test]
async fn what_happened_is_counted() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    assert_eq!(get(&proxy.url("/v2/library/app/manifests/v1")).await.status, 200);
    assert_eq!(get(&proxy.url("/v2/library/app/manifests/none")).await.status, 404);
    let text = get(&proxy.admin("/metrics")).await;
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    for part in ["wave_requests_total", "wave_cache_lookups_total", "MANIFEST_UNKNOWN", "kind=\"manifest\""] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("library/app") && !text.contains("sha256:"), "no names in labels");
    assert!(text.contains("registry=\"short\"") && !text.contains("up.test"), "an alias and no host");
}

#[tokio::test]
async fn probes_and_log_level() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    assert_eq!(get(&proxy.admin("/livez")).await.status, 200);
    assert_eq!(get(&proxy.admin("/readyz")).await.status, 200);
    assert_eq!(get(&proxy.admin("/log")).await.status, 200);
    assert_eq!(send(Method::PUT, &proxy.admin("/log"), &[], "no such==level").await.status, 400);
    assert_eq!(get(&proxy.url("/metrics")).await.status, 404, "not on the public listener");
}

#[tokio::test]
async fn a_blob_that_breaks_off_is_counted_by_its_cause() {
    let digest = Digest::sha256("right");
    let upstream =
        Upstream::scripted(|seen| seen.path.contains("/blobs/").then(|| respond(200, &[], "wrong"))).await;
    let proxy = Proxy::with_registry(&upstream, "verify: always").await;
    let url = proxy.url(&format!("/v2/library/app/blobs/{digest}"));
    assert!(try_send(Method::GET, &url, &[], "").await.is_err(), "it must not look whole");
    let text = get(&proxy.admin("/metrics")).await;
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    assert!(text.contains("wave_response_bodies_broken_total{cause=\"digest\"}"), "{text}");
}
