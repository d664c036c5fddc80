//! The admin listener.

use crate::support::{Image, Proxy, TinyLayer, Upstream, get, send};
use http::Method;

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
