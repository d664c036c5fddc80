//! Two requests of one pull with a restart between them.

use crate::support::{Image, Proxy, TinyLayer, Upstream, get, post, respond};
use serde_json::json;
use std::collections::BTreeSet;
use wave_registry::oci::Digest;

#[tokio::test]
async fn a_restart_between_two_requests_changes_nothing() {
    let upstream = Upstream::start().await;
    let first = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    let own = TinyLayer::new("bar.txt", "own");
    let request = json!({"containerImage": "up.test/library/app:v1", "containerConfig": {"layers": [own.json(&own.data())]}});
    let token = post(&proxy.url("/container-token"), &request).await.json()["containerToken"].clone();
    let names =
        [("library/app".to_string(), &tiny), (format!("wt/{}/library/app", token.as_str().unwrap()), &own)];

    let mut manifests = Vec::new();
    for (name, _) in &names {
        manifests.push(get(&proxy.url(&format!("/v2/{name}/manifests/v1"))).await);
    }
    let proxy = proxy.restart().await;
    // Meanwhile the tag has moved.
    Image::push(&upstream, Some("v1"), "amd64", b"another layer");

    for ((name, layer), manifest) in names.iter().zip(&manifests) {
        let digest = manifest.header("docker-content-digest");
        let again = get(&proxy.url(&format!("/v2/{name}/manifests/{digest}"))).await;
        assert_eq!(again.body, manifest.body, "{name}");
        let config = manifest.json()["config"]["digest"].as_str().unwrap().to_string();
        let answer = get(&proxy.url(&format!("/v2/{name}/blobs/{config}"))).await;
        assert_eq!(Digest::sha256(&answer.body).to_string(), config, "{name}");
        let blob = get(&proxy.url(&format!("/v2/{name}/blobs/{}", layer.digest))).await;
        assert_eq!(blob.body, layer.gzip, "{name}");
        assert_eq!(get(&proxy.url(&format!("/v2/{name}/blobs/{}", first.layer))).await.body, "x");
    }
}

#[tokio::test]
async fn a_layer_that_is_packed_anew_is_used_from_the_next_start_and_the_old_one_stays() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let layers = ["first", "second", "third"].map(|content| TinyLayer::new("foo.txt", content));
    let [first, second, third] = &layers;
    let proxy = Proxy::augmenting(&upstream, first, &["/entry"]).await;
    let pull = async |proxy: &Proxy, reference: &str, layer: &TinyLayer| {
        let manifest = get(&proxy.url(&format!("/v2/library/app/manifests/{reference}"))).await;
        assert_eq!(manifest.json()["layers"][1]["digest"], layer.digest.to_string());
        let blob = get(&proxy.url(&format!("/v2/library/app/blobs/{}", layer.digest))).await;
        assert_eq!(blob.body, layer.gzip);
        manifest.header("docker-content-digest").to_string()
    };
    proxy.repack(second, &["/entry"]);
    let old = pull(&proxy, "v1", first).await;
    let proxy = proxy.restart().await;
    // Nobody pulls the second one.
    pull(&proxy, &old, first).await;
    proxy.repack(third, &["/entry"]);
    let proxy = proxy.restart().await;
    pull(&proxy, "v1", third).await;
    pull(&proxy, &old, first).await;
    let kept = std::fs::read_dir(proxy.folder().join("data/default")).unwrap();
    let kept: BTreeSet<_> = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(kept, [first.digest.hex(), third.digest.hex()].into());
}

#[tokio::test]
async fn a_new_password_of_the_operator_changes_nothing() {
    let upstream = Upstream::scripted(|seen| {
        let challenge = [("www-authenticate", "Basic realm=\"x\"")];
        (!seen.headers.contains_key("authorization")).then(|| respond(401, &challenge, ""))
    })
    .await;
    let image = Image::push(&upstream, None, "amd64", b"x");
    let proxy = Proxy::with_registry(&upstream, "username: alice, password: old-one").await;
    let own = TinyLayer::new("bar.txt", "own");
    let request = json!({
        "containerImage": format!("up.test/library/app@{}", image.manifest),
        "containerConfig": {"layers": [own.json(&own.data())]},
    });
    let reply = post(&proxy.url("/container-token"), &request).await.json();
    let target = reply["targetImage"].as_str().unwrap();
    let (name, digest) = target.split_once('/').unwrap().1.split_once('@').unwrap();

    let proxy = proxy.restart_with(|config| config.replace("old-one", "new-one")).await;
    let manifest = get(&proxy.url(&format!("/v2/{name}/manifests/{digest}"))).await;
    assert_eq!(manifest.status, 200, "{}", String::from_utf8_lossy(&manifest.body));
    assert_eq!(Digest::sha256(&manifest.body).to_string(), digest);
    let last = upstream.seen("/manifests/").pop().unwrap();
    assert_eq!(last.headers["authorization"], "Basic YWxpY2U6bmV3LW9uZQ==");
}

#[tokio::test]
async fn the_same_image_has_the_same_digest_in_every_process() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let (one, two) = (
        Proxy::augmenting(&upstream, &tiny, &["/entry"]).await,
        Proxy::augmenting(&upstream, &tiny, &["/entry"]).await,
    );
    let ask = async |proxy: &Proxy| get(&proxy.url("/v2/library/app/manifests/v1")).await.body;
    assert_eq!(ask(&one).await, ask(&two).await);
}
