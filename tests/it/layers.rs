//! Injected layers by where they are and what they fit.

use crate::support::client::try_send;
use crate::support::image::index;
use crate::support::{Image, Proxy, TinyLayer, Upstream, get, head, post, respond, send};
use http::Method;
use serde_json::{Value, json};
use wave_registry::oci::Digest;

/// The repository behind a token for `library/app:v1` with this layer at this location.
async fn minted(proxy: &Proxy, layer: &TinyLayer, location: &str) -> String {
    let request = json!({"containerImage": "up.test/library/app:v1", "containerConfig": {"layers": [layer.json(location)]}});
    let reply = post(&proxy.url("/container-token"), &request).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    format!("wt/{}/library/app", reply.json()["containerToken"].as_str().unwrap())
}

/// Pulls the layer as the manifest names it: whole, a part of it, and its head.
async fn pulls(proxy: &Proxy, name: &str, layer: &TinyLayer) {
    let manifest = get(&proxy.url(&format!("/v2/{name}/manifests/v1"))).await;
    assert_eq!(manifest.status, 200, "{}", String::from_utf8_lossy(&manifest.body));
    let descriptor: Value = manifest.json()["layers"][1].clone();
    assert_eq!(descriptor["digest"], layer.digest.to_string());
    assert_eq!(descriptor["size"], layer.gzip.len());
    let url = proxy.url(&format!("/v2/{name}/blobs/{}", layer.digest));
    let whole = get(&url).await;
    assert_eq!((whole.status.as_u16(), &whole.body), (200, &layer.gzip.clone().into()));
    assert_eq!(whole.header("docker-content-digest"), layer.digest.to_string());
    let part = send(Method::GET, &url, &[("range", "bytes=3-9")], "").await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &layer.gzip[3..10]));
    let head = head(&url).await;
    assert_eq!(head.header("content-length"), layer.gzip.len().to_string());
    let config = manifest.json()["config"]["digest"].as_str().unwrap().to_string();
    let config = get(&proxy.url(&format!("/v2/{name}/blobs/{config}"))).await;
    assert_eq!(config.json()["rootfs"]["diff_ids"][1], layer.diff_id.to_string());
}

#[tokio::test]
async fn in_the_request() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::start(&upstream).await;
    let (plain, deflated) = (TinyLayer::new("foo.txt", "plain"), TinyLayer::new("foo.txt", "deflated"));
    pulls(&proxy, &minted(&proxy, &plain, &plain.data()).await, &plain).await;
    pulls(&proxy, &minted(&proxy, &deflated, &deflated.deflated()).await, &deflated).await;
    assert_eq!(upstream.seen("/blobs/").len(), 2, "the configs of the base alone");
}

#[tokio::test]
async fn in_a_registry() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let layer = TinyLayer::new("foo.txt", "in a registry");
    upstream.blob(layer.gzip.clone());
    let proxy = Proxy::start(&upstream).await;
    let location = format!("docker://up.test/v2/layers/foo/blobs/{}", layer.digest);
    let name = minted(&proxy, &layer, &location).await;
    assert!(upstream.seen("/").is_empty(), "nobody is asked before the pull");
    pulls(&proxy, &name, &layer).await;
    let path = format!("/v2/layers/foo/blobs/{}", layer.digest);
    assert!(!upstream.seen(&path).is_empty());
}

#[tokio::test]
async fn in_a_registry_that_sends_something_else() {
    let upstream = Upstream::scripted(|seen| {
        seen.path.contains("/layers/foo/").then(|| respond(200, &[], "other bytes"))
    })
    .await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::start(&upstream).await;
    let layer = TinyLayer::new("foo.txt", "in a registry");
    let location = format!("docker://up.test/v2/layers/foo/blobs/{}", layer.digest);
    let name = minted(&proxy, &layer, &location).await;
    let url = proxy.url(&format!("/v2/{name}/blobs/{}", layer.digest));
    match try_send(Method::GET, &url, &[], "").await {
        Err(_) => {}
        Ok(answer) => answer.is_error(502, "UNAVAILABLE"),
    }
}

/// A proxy whose default layer is for amd64.
async fn for_amd64(upstream: &Upstream) -> Proxy {
    let layer = TinyLayer { platform: Some("linux/amd64"), ..TinyLayer::new("foo.txt", "hello") };
    Proxy::augmenting(upstream, &layer, &["/entry"]).await
}

#[tokio::test]
async fn platforms_that_no_layer_fits_are_left_and_said() {
    let upstream = Upstream::start().await;
    let (amd, arm) =
        (Image::push(&upstream, None, "amd64", b"x86"), Image::push(&upstream, None, "arm64", b"arm"));
    index(&upstream, "both", &[("amd64", amd), ("arm64", arm)]);
    index(&upstream, "amd", &[("amd64", amd)]);
    let arm_alone = index(&upstream, "arm", &[("arm64", arm)]);
    let proxy = for_amd64(&upstream).await;
    let url = |reference: &str| proxy.url(&format!("/v2/library/app/manifests/{reference}"));

    let both = get(&url("both")).await;
    assert_eq!(both.status, 200);
    let warning = both.header("warning").to_string();
    assert!(warning.starts_with("299 - \"") && warning.ends_with('"'), "{warning}");
    assert!(warning.contains("linux/arm64") && !warning.contains("amd64"), "{warning}");
    assert_eq!(head(&url("both")).await.header("warning"), warning);
    let digest = both.header("docker-content-digest").to_string();
    assert_eq!(get(&url(&digest)).await.header("warning"), warning);
    let entries = both.json()["manifests"].clone();
    assert_ne!(entries[0]["digest"], amd.manifest.to_string());
    assert_eq!(entries[1]["digest"], arm.manifest.to_string());
    let left = get(&url(&arm.manifest.to_string())).await;
    assert_eq!(Digest::sha256(&left.body), arm.manifest);

    assert_eq!(get(&url("amd")).await.header("warning"), "");
    let alone = get(&url("arm")).await;
    assert_eq!((alone.status.as_u16(), Digest::sha256(&alone.body)), (200, arm_alone));
    assert!(alone.header("warning").contains("linux/arm64"), "{:?}", alone.headers);
}

/// A `layer.json` with a layer for each platform, as `wave pack` writes it, and its scratch folder.
fn for_platforms(layers: &[&TinyLayer]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let entries: Vec<Value> = layers
        .iter()
        .enumerate()
        .map(|(index, layer)| {
            let name = format!("{index}.tar.gzip");
            std::fs::write(dir.path().join(&name), &layer.gzip).unwrap();
            layer.json(&name)
        })
        .collect();
    let path = dir.path().join("layer.json");
    std::fs::write(&path, json!({"entrypoint": ["/entry"], "layers": entries}).to_string()).unwrap();
    (dir, path)
}

/// The image behind `manifest` of `name` got this layer, and no other of ours.
async fn got(proxy: &Proxy, name: &str, manifest: &Value, layer: &TinyLayer) {
    let manifest =
        get(&proxy.url(&format!("/v2/{name}/manifests/{}", manifest["digest"].as_str().unwrap()))).await;
    assert_eq!(manifest.status, 200);
    let layers = manifest.json()["layers"].clone();
    assert_eq!((layers.as_array().unwrap().len(), &layers[1]["digest"]), (2, &json!(layer.digest)));
    let blob = get(&proxy.url(&format!("/v2/{name}/blobs/{}", layer.digest))).await;
    assert_eq!((blob.status.as_u16(), &blob.body), (200, &layer.gzip.clone().into()));
    let config = manifest.json()["config"]["digest"].as_str().unwrap().to_string();
    let config = get(&proxy.url(&format!("/v2/{name}/blobs/{config}"))).await.json();
    assert_eq!(config["rootfs"]["diff_ids"][1], layer.diff_id.to_string());
}

#[tokio::test]
async fn each_platform_gets_its_own() {
    let upstream = Upstream::start().await;
    let push = |architecture| Image::push(&upstream, None, architecture, b"x");
    let images = ["amd64", "arm64", "s390x"].map(|architecture| (architecture, push(architecture)));
    index(&upstream, "v1", &images);
    index(&upstream, "both", &images[..2]);
    let for_one = |platform, content: &str| TinyLayer {
        platform: Some(platform),
        ..TinyLayer::new("foo.txt", content)
    };
    let (amd, arm) = (for_one("linux/amd64", "for amd64"), for_one("linux/arm64", "for arm64"));
    let (_dir, path) = for_platforms(&[&amd, &arm]);
    let proxy = Proxy::with_layer(&upstream, &path).await;

    // By the operator's layer, and by a token with the same layers.
    let config = json!({"layers": [amd.json(&amd.data()), arm.json(&arm.data())]});
    let request = json!({"containerImage": "up.test/library/app:v1", "containerConfig": config});
    let token = post(&proxy.url("/container-token"), &request).await.json()["containerToken"].clone();
    for name in ["library/app".to_string(), format!("wt/{}/library/app", token.as_str().unwrap())] {
        let url = |reference: &str| proxy.url(&format!("/v2/{name}/manifests/{reference}"));
        let all = get(&url("v1")).await;
        let warning = all.header("warning");
        assert!(
            warning.starts_with("299 - ") && warning.contains("linux/s390x (no layer fits)"),
            "{warning}"
        );
        assert!(!warning.contains("amd64") && !warning.contains("arm64"), "{warning}");
        let entries = all.json()["manifests"].clone();
        got(&proxy, &name, &entries[0], &amd).await;
        got(&proxy, &name, &entries[1], &arm).await;
        assert_eq!(entries[2]["digest"], images[2].1.manifest.to_string());
        let left = get(&url(&images[2].1.manifest.to_string())).await;
        assert_eq!(Digest::sha256(&left.body), images[2].1.manifest);
    }
    let both = get(&proxy.url("/v2/library/app/manifests/both")).await;
    assert_eq!(both.header("warning"), "", "a layer for each");
}

#[tokio::test]
async fn a_token_for_a_platform_that_its_layers_do_not_fit_says_so() {
    let upstream = Upstream::start().await;
    let amd = Image::push(&upstream, None, "amd64", b"x86");
    let arm = Image::push(&upstream, None, "arm64", b"arm");
    index(&upstream, "v1", &[("amd64", amd), ("arm64", arm)]);
    let proxy = Proxy::start(&upstream).await;
    let layer = TinyLayer { platform: Some("linux/amd64"), ..TinyLayer::new("foo.txt", "hello") };
    let name = minted(&proxy, &layer, &layer.data()).await;
    let index = get(&proxy.url(&format!("/v2/{name}/manifests/v1"))).await;
    assert!(index.header("warning").contains("linux/arm64 (no layer fits)"), "{:?}", index.headers);
    got(&proxy, &name, &index.json()["manifests"][0], &layer).await;
    assert_eq!(index.json()["manifests"][1]["digest"], arm.manifest.to_string());
    let request = json!({
        "containerImage": "up.test/library/app:v1", "containerPlatform": "linux/arm64",
        "containerConfig": {"layers": [layer.json(&layer.data())]},
    });
    let minted = post(&proxy.url("/container-token"), &request).await.json();
    let name = format!("wt/{}/library/app", minted["containerToken"].as_str().unwrap());
    let refused = get(&proxy.url(&format!("/v2/{name}/manifests/v1"))).await;
    refused.is_error(400, "MANIFEST_INVALID");
    assert!(String::from_utf8_lossy(&refused.body).contains("linux/arm64"), "{:?}", refused.body);
}
