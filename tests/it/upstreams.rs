//! What registries do that is not in the specification's examples.

use crate::support::{Image, Proxy, TinyLayer, Upstream, get, head, post, respond, send};
use http::Method;
use serde_json::json;
use wave_registry::oci::Digest;

#[tokio::test]
async fn redirects_are_handed_to_clients_and_followed_for_documents() {
    let storage = Upstream::start().await;
    let image = Image::push(&storage, None, "amd64", b"base layer");
    let at = storage.address;
    let upstream = Upstream::scripted(move |seen| {
        let to = format!("http://{at}{}", seen.path);
        seen.path.contains("/blobs/").then(|| respond(307, &[("location", &*to)], "moved"))
    })
    .await;
    Image::push(&upstream, Some("v1"), "amd64", b"base layer");
    let proxy = Proxy::with_registry(&upstream, "redirect: true").await;

    let tiny = TinyLayer::new("foo.txt", "hello");
    let request = json!({
        "containerImage": "up.test/library/app:v1",
        "containerConfig": {"layers": [tiny.json(&tiny.data())]},
    });
    let token = post(&proxy.url("/container-token"), &request).await.json()["containerToken"].clone();
    let name = format!("wt/{}/library/app", token.as_str().unwrap());
    let manifest = get(&proxy.url(&format!("/v2/{name}/manifests/v1"))).await;
    assert_eq!(manifest.status, 200, "{}", String::from_utf8_lossy(&manifest.body));
    let config = manifest.json()["config"]["digest"].as_str().unwrap().to_string();
    let config = get(&proxy.url(&format!("/v2/{name}/blobs/{config}"))).await;
    assert_eq!(config.json()["rootfs"]["diff_ids"][1], tiny.diff_id.to_string());

    let layer = get(&proxy.url(&format!("/v2/{name}/blobs/{}", image.layer))).await;
    assert_eq!(layer.status, 307);
    assert_eq!(layer.header("location"), format!("http://{at}/v2/library/app/blobs/{}", image.layer));
    assert_eq!(Digest::sha256(&get(layer.header("location")).await.body), image.layer);
}

#[tokio::test]
async fn registries_without_head_are_asked_for_the_content() {
    for status in [400, 403, 405, 501] {
        let upstream =
            Upstream::scripted(move |seen| (seen.method == "HEAD").then(|| respond(status, &[], ""))).await;
        let image = Image::push(&upstream, Some("v1"), "amd64", b"0123456789");
        let tiny = TinyLayer::new("foo.txt", "hello");
        let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
        let augmented = get(&proxy.url("/v2/library/app/manifests/v1")).await;
        assert_eq!(augmented.json()["layers"][1]["digest"], tiny.digest.to_string(), "{status}");

        let plain = head(&proxy.url(&format!("/v2/library/app/manifests/{}", image.manifest))).await;
        assert_eq!(
            (plain.status.as_u16(), plain.header("docker-content-digest")),
            (200, &*image.manifest.to_string())
        );
        assert_eq!(plain.header("content-length"), image.manifest_size.to_string());
        let blob = head(&proxy.url(&format!("/v2/library/app/blobs/{}", image.layer))).await;
        assert_eq!((blob.status.as_u16(), blob.header("content-length")), (200, "10"));
    }
}

#[tokio::test]
async fn a_blob_has_a_length_though_head_does_not_tell() {
    let upstream = Upstream::scripted(|seen| {
        let blob = seen.method == "HEAD" && seen.path.contains("/blobs/");
        blob.then(|| respond(200, &[], ""))
    })
    .await;
    let digest = upstream.blob("0123456789");
    let proxy = Proxy::start(&upstream).await;
    let url = proxy.url(&format!("/v2/library/app/blobs/{digest}"));
    assert_eq!(head(&url).await.header("content-length"), "10");
    assert_eq!(upstream.seen("/blobs/").pop().unwrap().headers["range"], "bytes=0-0");
    let etag = format!("\"{digest}\"");
    assert_eq!(send(Method::HEAD, &url, &[("if-none-match", &etag)], "").await.status, 304);
}

#[tokio::test]
async fn methods_that_upstream_refuses_are_its_fault() {
    let upstream = Upstream::scripted(|_| Some(respond(405, &[], ""))).await;
    let proxy = Proxy::start(&upstream).await;
    get(&proxy.url("/v2/library/app/manifests/v1")).await.is_error(502, "UNAVAILABLE");
    assert_eq!(head(&proxy.url("/v2/library/app/manifests/v1")).await.status, 502);
    let digest = Digest::sha256("x");
    get(&proxy.url(&format!("/v2/library/app/blobs/{digest}"))).await.is_error(502, "UNAVAILABLE");
    let none = get(&proxy.url(&format!("/v2/library/app/referrers/{digest}"))).await;
    none.is_error(502, "UNAVAILABLE");
}

#[tokio::test]
async fn a_digest_that_upstream_gives_another_is_not_believed() {
    const SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let other = Digest::sha256("other").to_string();
    let declared = other.clone();
    let upstream = Upstream::scripted(move |seen| {
        let headers =
            [("docker-content-digest", &*declared), ("content-type", SIGNED), ("content-length", "2")];
        seen.path.contains("/manifests/").then(|| respond(200, &headers, "{}"))
    })
    .await;
    let proxy = Proxy::start(&upstream).await;
    let asked = proxy.url(&format!("/v2/library/app/manifests/{}", Digest::sha256("asked")));
    get(&asked).await.is_error(502, "UNAVAILABLE");
    assert_eq!(head(&asked).await.status, 502);
    // The signature of such a document is no part of its digest, so by tag the declared one is all there is.
    let by_tag = get(&proxy.url("/v2/library/app/manifests/v1")).await;
    assert_eq!((by_tag.status.as_u16(), by_tag.header("docker-content-digest")), (200, &*other));
}
