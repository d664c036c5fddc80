//! What is our own fault.

use crate::support::{Image, Proxy, TinyLayer, Upstream, get, head};

#[tokio::test]
async fn the_file_of_the_default_layer_is_gone() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    assert_eq!(get(&proxy.url("/v2/library/app/manifests/v1")).await.status, 200);
    let url = proxy.url(&format!("/v2/library/app/blobs/{}", tiny.digest));
    let kept = proxy.folder().join("data/default").join(tiny.digest.hex());
    std::fs::remove_file(&kept).unwrap();
    let fault = get(&url).await;
    fault.is_error(500, "UNKNOWN");
    let text = String::from_utf8_lossy(&fault.body).into_owned();
    assert!(!text.contains(&*proxy.folder().to_string_lossy()), "no path of ours: {text}");
    assert_eq!(head(&url).await.status, 500);

    // The file is back, and with it the layer.
    std::fs::write(&kept, &tiny.gzip).unwrap();
    assert_eq!(get(&url).await.body, tiny.gzip);
}

#[tokio::test]
async fn the_file_of_the_default_layer_has_changed() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    assert_eq!(get(&proxy.url("/v2/library/app/manifests/v1")).await.status, 200);
    let url = proxy.url(&format!("/v2/library/app/blobs/{}", tiny.digest));
    std::fs::write(proxy.folder().join("data/default").join(tiny.digest.hex()), "other bytes").unwrap();
    get(&url).await.is_error(500, "UNKNOWN");
}
