//! Container tokens: minting, pulling by them, and the requests that are refused.

use crate::support::{Image, Proxy, TinyLayer, Upstream, get, head, post, respond, send};
use http::Method;
use serde_json::{Value, json};
use wave_registry::oci::Digest;

/// Mints a token and returns the reply.
async fn mint(proxy: &Proxy, request: &Value) -> Value {
    let reply = post(&proxy.url("/container-token"), request).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

/// The path under `/v2/` of the image in a reply, and its reference.
fn target(reply: &Value) -> (String, String) {
    let image = reply["targetImage"].as_str().unwrap();
    let (_, rest) = image.split_once('/').unwrap();
    let (name, reference) = rest.split_once('@').or_else(|| rest.rsplit_once(':')).unwrap();
    (name.into(), reference.into())
}

/// The config of the image in a reply, every digest on the way checked.
async fn config(proxy: &Proxy, reply: &Value) -> Value {
    let (name, reference) = target(reply);
    let manifest = get(&proxy.url(&format!("/v2/{name}/manifests/{reference}"))).await;
    assert_eq!(manifest.status, 200, "{}", String::from_utf8_lossy(&manifest.body));
    assert_eq!(manifest.header("docker-content-digest"), Digest::sha256(&manifest.body).to_string());
    let digest = manifest.json()["config"]["digest"].as_str().unwrap().to_string();
    let config = get(&proxy.url(&format!("/v2/{name}/blobs/{digest}"))).await;
    assert_eq!(Digest::sha256(&config.body).to_string(), digest);
    config.json()
}

#[tokio::test]
async fn a_tokens_own_config_replaces_the_default_layer() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let (default, own) = (TinyLayer::new("foo.txt", "default"), TinyLayer::new("bar.txt", "own"));
    let proxy = Proxy::augmenting(&upstream, &default, &["/entry"]).await;
    let request = json!({
        "containerImage": "up.test/library/app:v1",
        "containerConfig": {
            "layers": [own.json(&own.data())], "env": ["A=b", "PATH=/own"], "workingDir": "/w", "cmd": ["c"],
            "entrypoint": null,
        },
        "towerAccessToken": "ignored", "towerWorkspaceId": null, "unknownField": {"x": 1},
    });
    let reply = mint(&proxy, &request).await;
    assert_eq!(reply["containerToken"].as_str().unwrap().len(), 26);
    assert!(reply["expiration"].as_str().unwrap().ends_with('Z'));
    let config = config(&proxy, &reply).await;
    assert_eq!(config["rootfs"]["diff_ids"][1], own.diff_id.to_string());
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
    assert_eq!(config["config"]["WorkingDir"], "/w");
    assert_eq!(config["config"]["Cmd"], json!(["c"]));
    let env = config["config"]["Env"].as_array().unwrap();
    assert!(
        env.contains(&json!("PATH=/own"))
            && env.contains(&json!("A=b"))
            && !env.contains(&json!("PATH=/bin"))
    );
    let (name, _) = target(&reply);
    let layer = get(&proxy.url(&format!("/v2/{name}/blobs/{}", own.digest))).await;
    assert_eq!(layer.body, own.gzip);
}

#[tokio::test]
async fn what_is_kept_is_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    let own = TinyLayer::new("bar.txt", "own");
    let request =
        json!({"containerImage": "up.test/a:v1", "containerConfig": {"layers": [own.json(&own.data())]}});
    mint(&proxy, &request).await;
    let (mut found, mut folders) = (Vec::new(), vec![proxy.folder().join("data")]);
    while let Some(folder) = folders.pop() {
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                folders.push(entry.path());
                continue;
            }
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    assert!(found.contains(&"state.redb".into()) && found.contains(&own.digest.hex()), "{found:?}");
}

#[tokio::test]
async fn a_token_without_config_gets_the_default_layer() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let default = TinyLayer::new("foo.txt", "default");
    let proxy = Proxy::augmenting(&upstream, &default, &["/entry"]).await;
    for request in [
        json!({"containerImage": "up.test/library/app:v1"}),
        json!({"containerImage": "up.test/library/app:v1", "containerConfig": {"layers": [], "env": null}}),
    ] {
        let config = config(&proxy, &mint(&proxy, &request).await).await;
        assert_eq!(config["rootfs"]["diff_ids"][1], default.diff_id.to_string());
    }
}

#[tokio::test]
async fn a_pinned_image_stays_pinned() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::start(&upstream).await;
    let own = TinyLayer::new("bar.txt", "own");
    let request = json!({
        "containerImage": format!("up.test/library/app@{}", image.manifest),
        "containerConfig": {"layers": [own.json(&own.data())]},
    });
    let reply = mint(&proxy, &request).await;
    let (name, reference) = target(&reply);
    assert!(reference.starts_with("sha256:") && reference != image.manifest.to_string());
    let manifest = get(&proxy.url(&format!("/v2/{name}/manifests/{reference}"))).await;
    assert_eq!(Digest::sha256(&manifest.body).to_string(), reference);
    assert_eq!(config(&proxy, &reply).await["rootfs"]["diff_ids"][1], own.diff_id.to_string());
    let plain =
        mint(&proxy, &json!({"containerImage": format!("up.test/library/app@{}", image.manifest)})).await;
    assert_eq!(target(&plain).1, image.manifest.to_string());
}

#[tokio::test]
async fn a_pinned_image_that_cannot_be_changed_is_refused() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    let own = TinyLayer::new("bar.txt", "own");
    let schema1 = upstream.manifest(
        None,
        "application/vnd.docker.distribution.manifest.v1+json",
        r#"{"schemaVersion":1,"name":"library/app","tag":"old","fsLayers":[],"history":[]}"#,
    );
    let twice = r#"{"schemaVersion":2,"config":{},"layers":[],"layers":[]}"#;
    let twice = upstream.manifest(None, "application/vnd.oci.image.manifest.v1+json", twice);
    for (digest, message) in [(schema1, "schema 1"), (twice, "occurs twice")] {
        let request = json!({
            "containerImage": format!("up.test/library/app@{digest}"),
            "containerConfig": {"layers": [own.json(&own.data())]},
        });
        let reply = post(&proxy.url("/container-token"), &request).await;
        assert_eq!(reply.status, 400);
        let text = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(text.contains(message), "{text}");
    }
}

#[tokio::test]
async fn a_token_says_nothing_about_anybody_elses_blobs() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"genuine");
    let proxy = Proxy::start(&upstream).await;
    // A layer of the image itself, said to be somewhere else and of another size.
    let claim = json!({
        "location": "https://elsewhere.example/layer.tar.gz", "gzipDigest": image.layer, "gzipSize": 1,
        "tarDigest": Digest::sha256("other"),
    });
    let request = json!({"containerImage": "up.test/library/app:v1", "containerConfig": {"layers": [claim]}});
    let reply = mint(&proxy, &request).await;
    let (name, reference) = target(&reply);
    assert_eq!(get(&proxy.url(&format!("/v2/{name}/manifests/{reference}"))).await.status, 200);
    let plain = mint(&proxy, &json!({"containerImage": "up.test/library/app:v1"})).await;
    for name in ["up.test/library/app", &target(&plain).0] {
        let url = proxy.url(&format!("/v2/{name}/blobs/{}", image.layer));
        let blob = get(&url).await;
        assert_eq!((blob.status, &blob.body[..]), (http::StatusCode::OK, &b"genuine"[..]), "{name}");
        let head = head(&url).await;
        assert_eq!(head.header("content-length"), "7");
    }
}

#[tokio::test]
async fn minting_contacts_nobody() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    let layer = TinyLayer::new("foo.txt", "x");
    let request = json!({
        "containerImage": "up.test/library/never:v1",
        "containerConfig": {"layers": [layer.json("https://layers.example/wave-layer.tar.gzip")]},
    });
    mint(&proxy, &request).await;
    assert!(upstream.seen("/").is_empty());
}

#[tokio::test]
async fn a_layer_from_a_url_streams_through_verified() {
    let (good, bad) = (TinyLayer::new("foo.txt", "good"), TinyLayer::new("foo.txt", "bad!"));
    let bytes = good.gzip.clone();
    let upstream = Upstream::scripted(move |seen| {
        seen.path.starts_with("/layer").then(|| respond(200, &[], bytes.clone()))
    })
    .await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::with(&upstream, "  allow-private-layers: true\n").await;
    let location = format!("http://{}/layer.tar.gzip", upstream.address);
    for (layer, right) in [(&good, true), (&bad, false)] {
        let request = json!({"containerImage": "up.test/library/app:v1", "containerConfig": {"layers": [layer.json(&location)]}});
        let (name, _) = target(&mint(&proxy, &request).await);
        let url = proxy.url(&format!("/v2/{name}/blobs/{}", layer.digest));
        let answer = crate::support::client::try_send(Method::GET, &url, &[], "").await;
        match right {
            true => assert_eq!(answer.unwrap().body, good.gzip),
            false => assert!(
                answer.is_err() || answer.unwrap().status.is_server_error(),
                "wrong bytes never arrive whole"
            ),
        }
    }
}

#[tokio::test]
async fn requests_that_are_refused() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    let layer = TinyLayer::new("foo.txt", "x");
    let with = |layer: Value| json!({"containerImage": "up.test/library/app:v1", "containerConfig": {"layers": [layer]}});
    let changed = |key: &str, value: Value| {
        let mut layer = layer.json(&layer.data());
        layer[key] = value;
        with(layer)
    };
    let check = async |request: Value, message: &str| {
        let refused = post(&proxy.url("/container-token"), &request).await;
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert_eq!(refused.status, 400, "{text}");
        assert!(refused.json()["message"].as_str().unwrap().contains(message), "{message}: {text}");
    };
    check(json!({}), "Specify either 'containerImage' or 'containerFile' attribute").await;
    let both = json!({"containerImage": "a", "containerFile": "RlJPTSBh"});
    check(both, "Attributes 'containerImage' and 'containerFile' cannot be used in the same request").await;
    check(json!({"containerFile": "RlJPTSBh"}), "not enabled").await;
    check(json!({"containerImage": "http://docker.io/foo:latest"}), "Invalid container repository name")
        .await;
    check(json!({"containerImage": "http:docker.io/foo:latest"}), "Invalid container image name").await;
    check(json!({"containerImage": "a b"}), "Invalid container image name").await;
    let platform = json!({"containerImage": "up.test/a:v1", "containerPlatform": "foo"});
    check(platform, "Unsupported container platform: foo").await;
    check(changed("location", Value::Null), "Missing layer location").await;
    check(changed("gzipDigest", Value::Null), "Missing layer gzip digest").await;
    check(changed("gzipSize", Value::Null), "Missing layer gzip size").await;
    check(changed("tarDigest", Value::Null), "Missing layer tar digest").await;
    check(changed("gzipDigest", json!("md5:00")), "should start with the 'sha256:' prefix").await;
    check(changed("gzipSize", json!(1)), "bytes, not 1").await;
    check(changed("gzipDigest", json!(Digest::sha256("other"))), "digest").await;
    check(changed("tarDigest", json!(Digest::sha256("other"))), "digest").await;
    check(changed("location", json!("/etc/passwd")), "Unsupported location type").await;
    check(changed("location", json!("file:///etc/passwd")), "Unsupported location type").await;
    for private in [
        "http://169.254.169.254/x",
        "https://[::1]/x",
        "https://127.1/x",
        "https://0x7f.1/x",
        "https://2130706433/x",
        "https://user:pw@example.com/x",
    ] {
        let refused = post(&proxy.url("/container-token"), &changed("location", json!(private))).await;
        assert_eq!(refused.status, 400, "{private}");
    }
    let large = format!("data:{}", "A".repeat(14_000_001));
    check(changed("location", json!(large)), "Container layer exceeds the maximum allowed size").await;
}

#[tokio::test]
async fn the_other_endpoints() {
    let upstream = Upstream::scripted(|seen| {
        let right = seen.headers.get("authorization").is_some_and(|value| value == "Basic YWxpY2U6czNjcmV0");
        let challenge = [("www-authenticate", "Basic realm=\"Some words\"")];
        (!right).then(|| respond(401, &challenge, ""))
    })
    .await;
    let proxy = Proxy::start(&upstream).await;
    let check = async |password: &str| {
        let request = json!({"userName": "alice", "password": password, "registry": "up.test"});
        post(&proxy.url("/validate-creds"), &request).await.json()
    };
    assert_eq!(check("s3cret").await, json!(true));
    assert_eq!(check("wrong").await, json!(false));
    let missing = post(&proxy.url("/validate-creds"), &json!({"registry": "up.test"})).await;
    assert_eq!(missing.status, 400);
    let info = get(&proxy.url("/service-info")).await.json();
    assert_eq!(info["serviceInfo"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(get(&proxy.url("/health")).await.json(), json!({"status": "UP"}));
    let wrong = send(Method::GET, &proxy.url("/container-token"), &[], "").await;
    assert_eq!(wrong.status, 405);
}
