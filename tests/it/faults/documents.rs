//! Manifests that are none, that are gone, or that are others by now.

use super::{FAST, blob, manifest};
use crate::support::image::{OCI_INDEX, OCI_MANIFEST, index};
use crate::support::{Image, Plan, Proxy, TinyLayer, Upstream, get, head, post, respond};
use http::Method;
use serde_json::json;
use wave_registry::oci::Digest;

/// What becomes of a document where nobody asks for a change of it. Who does is told that it cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Passed on as it is.
    Untouched,
    /// 502: no manifest.
    Refused,
}

#[tokio::test]
async fn case_32_documents_that_are_not_what_they_should_be() {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let long = "x".repeat(4 << 20);
    let layer = r#""layers":[{"digest":"sha256:x","size":"#;
    let tiny = TinyLayer::new("foo.txt", "hello");
    for (name, text, fate) in [
        (
            "too long",
            format!(r#"{{"schemaVersion":2,"layers":[],"x":"{long}"}}"#).into_bytes(),
            Fate::Refused,
        ),
        ("no object", b"[]".to_vec(), Fate::Refused),
        ("cut off", br#"{"schemaVersion":2,"layers":["#.to_vec(), Fate::Refused),
        ("two of them", br#"{"layers":[]}{"layers":[]}"#.to_vec(), Fate::Refused),
        ("a byte order mark", b"\xef\xbb\xbf{\"layers\":[]}".to_vec(), Fate::Refused),
        ("nothing", Vec::new(), Fate::Refused),
        ("too deep", format!(r#"{{"layers":[],"config":{{}},"x":{deep}}}"#).into_bytes(), Fate::Untouched),
        ("not UTF-8", b"{\"layers\":[],\"config\":{},\"x\":\"\xff\"}".to_vec(), Fate::Untouched),
        ("twice", br#"{"layers":[],"config":{},"layers":[]}"#.to_vec(), Fate::Untouched),
        ("both", br#"{"layers":[],"config":{},"manifests":[]}"#.to_vec(), Fate::Untouched),
        ("a negative size", format!(r#"{{"config":{{}},{layer}-1}}]}}"#).into_bytes(), Fate::Untouched),
        ("2^63", format!(r#"{{"config":{{}},{layer}9223372036854775808}}]}}"#).into_bytes(), Fate::Untouched),
    ] {
        let upstream = Upstream::start().await;
        let digest = upstream.manifest(Some("v1"), OCI_MANIFEST, text.clone());
        let plain = Proxy::with(&upstream, FAST).await;
        let augmenting = Proxy::augmenting_with(&upstream, &tiny, &["/entry"], FAST).await;
        for url in
            [manifest(&plain, "v1"), manifest(&plain, &digest.to_string()), manifest(&augmenting, "v1")]
        {
            let answer = get(&url).await;
            match fate {
                Fate::Refused => answer.is_error(502, "UNAVAILABLE"),
                Fate::Untouched => {
                    assert_eq!(answer.status, 200, "{name} at {url}");
                    assert!(answer.body == text, "{name} at {url}");
                    assert_eq!(answer.header("docker-content-digest"), digest.to_string(), "{name}");
                }
            }
        }
        let request = json!({
            "containerImage": "up.test/library/app:v1",
            "containerConfig": {"layers": [tiny.json(&tiny.data())]},
        });
        let token = post(&plain.url("/container-token"), &request).await.json()["containerToken"].clone();
        let asked =
            get(&plain.url(&format!("/v2/wt/{}/library/app/manifests/v1", token.as_str().unwrap()))).await;
        match name {
            "too long" => asked.is_error(502, "UNAVAILABLE"),
            _ => asked.is_error(400, "MANIFEST_INVALID"),
        }
    }
}

#[tokio::test]
async fn case_33_of_a_large_index_only_what_is_asked_for() {
    let upstream = Upstream::start().await;
    let entry = |n: usize| {
        let digest = Digest::sha256(n.to_le_bytes());
        json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 500, "platform": {"os": "linux", "architecture": format!("a{n}")}})
    };
    let entries: Vec<_> = (0..500).map(entry).collect();
    let text = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
    let digest = upstream.manifest(Some("v1"), OCI_INDEX, text.clone());
    let plain = Proxy::with(&upstream, FAST).await;
    assert_eq!(get(&manifest(&plain, "v1")).await.body, text);
    assert_eq!(upstream.seen("/").len(), 1);
    let tiny = TinyLayer::new("foo.txt", "hello");
    let augmenting = Proxy::augmenting_with(&upstream, &tiny, &["/entry"], FAST).await;
    assert_eq!(Digest::sha256(&get(&manifest(&augmenting, "v1")).await.body), digest);
    assert!(
        upstream
            .seen("/")
            .iter()
            .all(|seen| seen.path.ends_with("/v1") || seen.path.ends_with(&digest.to_string()))
    );
}

#[tokio::test]
async fn case_33_a_child_that_is_missing_or_another() {
    let upstream = Upstream::start().await;
    let (amd, arm) =
        (Image::push(&upstream, None, "amd64", b"x"), Image::push(&upstream, None, "arm64", b"y"));
    index(&upstream, "v1", &[("amd64", amd), ("arm64", arm)]);
    let tiny = TinyLayer::new("foo.txt", "hello");
    let child = arm.manifest.to_string();
    let proxy = Proxy::augmenting_with(&upstream, &tiny, &["/entry"], FAST).await;
    upstream.next(Method::GET, &child, [Plan::normal().flip(3)]);
    get(&manifest(&proxy, "v1")).await.is_error(502, "UNAVAILABLE");
    assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200, "nothing wrong is kept");

    let proxy = Proxy::augmenting_with(&upstream, &tiny, &["/entry"], FAST).await;
    upstream.remove(&child);
    let missing = get(&manifest(&proxy, "v1")).await;
    missing.is_error(404, "MANIFEST_UNKNOWN");
    assert!(missing.json()["errors"][0]["message"].as_str().unwrap().contains(&child), "it says which one");
}

#[tokio::test]
async fn case_34_head_and_get_that_do_not_agree() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let augmenting = async || Proxy::augmenting_with(&upstream, &tiny, &["/entry"], FAST).await;

    // Without a digest in its answer to HEAD the registry is asked for the content.
    let proxy = augmenting().await;
    upstream.next(Method::HEAD, "/manifests/v1", [Plan::normal().without("docker-content-digest")]);
    let ours = get(&manifest(&proxy, "v1")).await;
    assert_eq!(ours.json()["layers"][1]["digest"], tiny.digest.to_string());

    // What HEAD has and GET has not cannot be served, and is not announced.
    let proxy = augmenting().await;
    upstream.next(Method::GET, "/manifests/", [Plan::status(404), Plan::status(404)]);
    assert_eq!(head(&manifest(&proxy, "v1")).await.status, 404);
    get(&manifest(&proxy, "v1")).await.is_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200);

    // The reverse: what is not changed needs no HEAD.
    let plain = Proxy::with(&upstream, FAST).await;
    upstream.next(Method::HEAD, "/manifests/", [Plan::status(404)]);
    let passed = get(&manifest(&plain, "v1")).await;
    assert_eq!((passed.status.as_u16(), Digest::sha256(&passed.body)), (200, image.manifest));
}

#[tokio::test]
async fn case_35_a_wrong_digest_in_the_head_of_the_right_bytes() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::with(&upstream, FAST).await;
    let lie = Digest::sha256("other").to_string();
    for (reference, url) in [
        (image.manifest, manifest(&proxy, &image.manifest.to_string())),
        (image.layer, blob(&proxy, image.layer)),
    ] {
        upstream.next(Method::GET, "/", [Plan::normal().header("docker-content-digest", &lie)]);
        let answer = get(&url).await;
        assert_eq!((answer.status.as_u16(), Digest::sha256(&answer.body)), (200, reference));
        assert_eq!(answer.header("docker-content-digest"), reference.to_string());
    }
    upstream.next(Method::GET, "/", [respond(200, &[("content-type", OCI_MANIFEST)], "{}").into()]);
    get(&manifest(&proxy, &image.manifest.to_string())).await.is_error(502, "UNAVAILABLE");
}

#[tokio::test]
async fn case_40_one_pull_sees_one_image() {
    let upstream = Upstream::start().await;
    let (amd, arm) =
        (Image::push(&upstream, None, "amd64", b"x"), Image::push(&upstream, None, "arm64", b"y"));
    let old = index(&upstream, "v1", &[("amd64", amd), ("arm64", arm)]);
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting_with(&upstream, &tiny, &["/entry"], FAST).await;
    let announced = head(&manifest(&proxy, "v1")).await;
    let root = announced.header("docker-content-digest").to_string();

    // The tag moves between HEAD and GET, and all of the old image but its layers is gone.
    let (new_amd, new_arm) =
        (Image::push(&upstream, None, "amd64", b"X"), Image::push(&upstream, None, "arm64", b"Y"));
    assert_ne!(index(&upstream, "v1", &[("amd64", new_amd), ("arm64", new_arm)]), old);
    for gone in [old, amd.manifest, arm.manifest] {
        upstream.remove(&gone.to_string());
    }
    let image = get(&manifest(&proxy, &root)).await;
    assert_eq!(Digest::sha256(&image.body).to_string(), root);
    assert_eq!(image.header("content-length"), announced.header("content-length"));
    for (entry, base) in image.json()["manifests"].as_array().unwrap().iter().zip([amd, arm]) {
        let child = get(&manifest(&proxy, entry["digest"].as_str().unwrap())).await.json();
        assert_eq!(child["layers"][0]["digest"], base.layer.to_string());
        assert_eq!(child["annotations"]["org.opencontainers.image.base.digest"], base.manifest.to_string());
        assert_eq!(get(&blob(&proxy, base.layer)).await.status, 200);
        let config = get(&blob(&proxy, child["config"]["digest"].as_str().unwrap())).await;
        assert_eq!(config.json()["rootfs"]["diff_ids"][0], base.layer.to_string());
    }
}
