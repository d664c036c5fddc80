//! What registries do that is not in the specification's examples.

use crate::support::{Image, Proxy, TinyLayer, Upstream, get, post, respond};
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
