//! Pulling through the proxy: plain and augmented.

use crate::support::image::{OCI_INDEX, index};
use crate::support::{Image, Proxy, TinyLayer, Upstream, get, head, respond, send};
use http::Method;
use serde_json::Value;
use wave_registry::oci::Digest;

#[tokio::test]
async fn without_a_layer_every_byte_passes_as_it_is() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"layer content");
    let proxy = Proxy::start(&upstream).await;
    let by_tag = get(&proxy.url("/v2/library/app/manifests/v1")).await;
    assert_eq!((by_tag.status.as_u16(), Digest::sha256(&by_tag.body)), (200, image.manifest));
    assert_eq!(by_tag.header("docker-content-digest"), image.manifest.to_string());
    assert_eq!(by_tag.header("etag"), format!("\"{}\"", image.manifest));
    assert_eq!(by_tag.header("content-length"), by_tag.body.len().to_string());
    let by_digest = get(&proxy.url(&format!("/v2/library/app/manifests/{}", image.manifest))).await;
    assert_eq!(by_digest.body, by_tag.body);
    let blob = get(&proxy.url(&format!("/v2/library/app/blobs/{}", image.layer))).await;
    assert_eq!(blob.body, "layer content");
    assert_eq!(blob.header("docker-content-digest"), image.layer.to_string());
    assert_eq!(blob.header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn head_says_what_get_would() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"layer content");
    let tiny = TinyLayer::new("foo.txt", "hello");
    for proxy in [Proxy::start(&upstream).await, Proxy::augmenting(&upstream, &tiny, &["/entry"]).await] {
        let manifest = get(&proxy.url("/v2/library/app/manifests/v1")).await;
        let digest = manifest.header("docker-content-digest").to_string();
        let paths = [
            "manifests/v1".to_string(),
            format!("manifests/{digest}"),
            format!("blobs/{}", image.layer),
            format!("blobs/{}", manifest.json()["config"]["digest"].as_str().unwrap()),
        ];
        for path in paths {
            let url = proxy.url(&format!("/v2/library/app/{path}"));
            let (get, head) = (get(&url).await, head(&url).await);
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
            for name in ["content-length", "content-type", "docker-content-digest", "etag"] {
                assert_eq!(head.header(name), get.header(name), "{name} of {path}");
            }
            assert_eq!(head.header("content-length"), get.body.len().to_string());
        }
    }
}

/// Fetches `path` under `name` and checks it against the descriptor it was named by.
async fn described(proxy: &Proxy, name: &str, kind: &str, descriptor: &Value) -> bytes::Bytes {
    let digest = descriptor["digest"].as_str().unwrap();
    let answer = get(&proxy.url(&format!("/v2/{name}/{kind}/{digest}"))).await;
    assert_eq!(answer.status, 200, "{name} {kind} {digest}");
    assert_eq!(Digest::sha256(&answer.body).to_string(), digest);
    assert_eq!(answer.body.len() as u64, descriptor["size"].as_u64().unwrap());
    answer.body
}

#[tokio::test]
async fn the_default_layer_is_appended_to_every_platform() {
    let upstream = Upstream::start().await;
    let (amd, arm) =
        (Image::push(&upstream, None, "amd64", b"x86"), Image::push(&upstream, None, "arm64", b"arm"));
    index(&upstream, "v1", &[("amd64", amd), ("arm64", arm)]);
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/opt/fusion/entry.sh"]).await;
    let root = get(&proxy.url("/v2/library/app/manifests/v1")).await;
    assert_eq!(root.header("content-type"), OCI_INDEX);
    assert_eq!(root.header("docker-content-digest"), Digest::sha256(&root.body).to_string());
    let entries = root.json()["manifests"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 2);
    for entry in &entries {
        let manifest: Value =
            serde_json::from_slice(&described(&proxy, "library/app", "manifests", entry).await).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 2);
        assert_eq!(layers[1]["digest"], tiny.digest.to_string());
        assert_eq!(described(&proxy, "library/app", "blobs", &layers[1]).await, tiny.gzip);
        described(&proxy, "library/app", "blobs", &layers[0]).await;
        let config = described(&proxy, "library/app", "blobs", &manifest["config"]).await;
        let text = std::str::from_utf8(&config).unwrap();
        assert!(text.contains("12345678901234567890123"), "unknown numbers keep their spelling");
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][1], tiny.diff_id.to_string());
        assert_eq!(config["history"].as_array().unwrap().len(), 2);
        assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/opt/fusion/entry.sh"]));
        assert_eq!(config["config"]["Cmd"], serde_json::json!(["run"]));
        let chain = r#"WAVE_ENTRY_CHAIN=["/bin/app","--x"]"#;
        assert_eq!(config["config"]["Env"], serde_json::json!(["PATH=/bin", chain]));
    }
}

#[tokio::test]
async fn an_image_named_by_digest_passes_as_it_is() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    let base = get(&proxy.url(&format!("/v2/library/app/manifests/{}", image.manifest))).await;
    assert_eq!(Digest::sha256(&base.body), image.manifest);
}

#[tokio::test]
async fn ranges_and_validators() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"0123456789");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    let ours = get(&proxy.url("/v2/library/app/manifests/v1")).await;
    let injected = (format!("blobs/{}", tiny.digest), bytes::Bytes::from(tiny.gzip.clone()));
    let streamed = (format!("blobs/{}", image.layer), bytes::Bytes::from("0123456789"));
    let manifest = ("manifests/v1".to_string(), ours.body.clone());
    for (path, whole) in [injected, streamed, manifest] {
        let url = proxy.url(&format!("/v2/library/app/{path}"));
        let ask = async |headers: &[(&str, &str)]| send(Method::GET, &url, headers, "").await;
        let part = ask(&[("range", "bytes=2-4")]).await;
        assert_eq!((part.status.as_u16(), &part.body[..]), (206, &whole[2..5]), "{path}");
        assert_eq!(part.header("content-range"), format!("bytes 2-4/{}", whole.len()));
        let etag = get(&url).await.header("etag").to_string();
        let fresh = ask(&[("if-none-match", &etag)]).await;
        assert_eq!((fresh.status.as_u16(), fresh.body.len()), (304, 0), "{path}");
        let stale = ask(&[("range", "bytes=2-4"), ("if-range", "\"other\"")]).await;
        assert_eq!((stale.status.as_u16(), &stale.body), (200, &whole), "{path}");
    }
    let url = proxy.url(&format!("/v2/library/app/blobs/{}", tiny.digest));
    let beyond = send(Method::GET, &url, &[("range", "bytes=99999-")], "").await;
    beyond.is_error(416, "SIZE_INVALID");
}

#[tokio::test]
async fn the_ping_and_its_variants() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    for path in ["/v2", "/v2/"] {
        let ping = get(&proxy.url(path)).await;
        assert_eq!(
            (ping.status.as_u16(), ping.header("docker-distribution-api-version")),
            (200, "registry/2.0")
        );
        assert_eq!(head(&proxy.url(path)).await.status, 200);
    }
}

#[tokio::test]
async fn a_registry_is_named_by_host_alias_or_ns() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::start(&upstream).await;
    let digest = image.manifest.to_string();
    for path in ["/v2/up.test/library/app/manifests/v1", "/v2/short/library/app/manifests/v1"] {
        assert_eq!(get(&proxy.url(path)).await.header("docker-content-digest"), digest, "{path}");
    }
    let mirrored = get(&proxy.url("/v2/library/app/manifests/v1?ns=up.test")).await;
    assert_eq!(mirrored.header("docker-content-digest"), digest);
    assert_eq!(mirrored.header("oci-namespace"), "up.test");
    let refused = get(&proxy.url("/v2/library/app/manifests/v1?ns=evil.example")).await;
    refused.is_error(404, "NAME_UNKNOWN");
    assert_eq!(refused.header("oci-namespace"), "evil.example");
    let missing = get(&proxy.url("/v2/library/app/manifests/none?ns=Up.Test")).await;
    missing.is_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(missing.header("oci-namespace"), "Up.Test", "as it was sent");
}

#[tokio::test]
async fn a_manifest_has_the_type_of_a_manifest() {
    let upstream = Upstream::start().await;
    let oci = "application/vnd.oci.image.manifest.v1+json";
    let plain = r#"{"schemaVersion":2,"layers":[]}"#;
    upstream.manifest(Some("charset"), &format!("{oci}; charset=utf-8"), plain);
    upstream.manifest(Some("text"), "text/plain", format!(r#"{{"mediaType":"{oci}","layers":[]}}"#));
    upstream.manifest(Some("portal"), "text/html", "<html>Log in</html>");
    upstream.manifest(Some("lying-portal"), oci, "<html>Log in</html>");
    let proxy = Proxy::start(&upstream).await;
    for tag in ["charset", "text"] {
        let url = proxy.url(&format!("/v2/library/app/manifests/{tag}"));
        assert_eq!(get(&url).await.header("content-type"), oci, "{tag}");
        assert_eq!(head(&url).await.header("content-type"), oci, "{tag}");
    }
    for tag in ["portal", "lying-portal"] {
        get(&proxy.url(&format!("/v2/library/app/manifests/{tag}"))).await.is_error(502, "UNAVAILABLE");
    }
    assert_eq!(head(&proxy.url("/v2/library/app/manifests/portal")).await.status, 502);
}

#[tokio::test]
async fn validators_may_come_in_several_lines() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::start(&upstream).await;
    let own = format!("\"{}\"", image.manifest);
    let lines = [("if-none-match", "\"other\""), ("if-none-match", &own)];
    let url = proxy.url("/v2/library/app/manifests/v1");
    assert_eq!(send(Method::GET, &url, &lines, "").await.status, 304);
}

#[tokio::test]
async fn an_upstream_that_lies_about_a_digest_is_refused() {
    let upstream = Upstream::scripted(|seen| {
        let digest = Digest::sha256("other").to_string();
        let headers = [("docker-content-digest", &*digest), ("content-type", "application/json")];
        seen.path.ends_with("manifests/v1").then(|| respond(200, &headers, r#"{"schemaVersion":2}"#))
    })
    .await;
    let proxy = Proxy::start(&upstream).await;
    get(&proxy.url("/v2/library/app/manifests/v1")).await.is_error(502, "UNAVAILABLE");
}

#[tokio::test]
async fn accept_encoding_never_reaches_upstream() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::start(&upstream).await;
    let url = proxy.url(&format!("/v2/library/app/blobs/{}", image.layer));
    let headers = [
        ("accept-encoding", "zstd;q=1.0, gzip;q=0.8"),
        ("cookie", "secret=1"),
        ("x-forwarded-for", "1.2.3.4"),
    ];
    assert_eq!(send(Method::GET, &url, &headers, "").await.status, 200);
    let seen = upstream.seen("/blobs/").pop().unwrap();
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert!(!seen.headers.contains_key("cookie") && !seen.headers.contains_key("x-forwarded-for"));
}
