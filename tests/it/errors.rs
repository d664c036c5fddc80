//! Every error under `/v2`, provoked over HTTP, with its status, code and body. A full disk under the state is in
//! `tests/e2e/state.rs`.

mod faults;
mod silent;
mod tokens;

use crate::support::{Image, Proxy, TinyLayer, Upstream, get, head, post, respond, send};
use http::Method;
use serde_json::json;
use wave_registry::oci::Digest;

/// `alice`, and sha256 of "s3cret".
const ACCOUNTS: &str = "  allow-anonymous: false\n  accounts: { alice: 1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0 }\n";

async fn failing(status: u16, headers: &'static [(&'static str, &'static str)]) -> Upstream {
    Upstream::scripted(move |seen| (seen.path != "/v2/").then(|| respond(status, headers, ""))).await
}

#[tokio::test]
async fn paths_and_digests() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    get(&proxy.url("/v2/library/app/foo/latest")).await.is_error(404, "NAME_INVALID");
    get(&proxy.url("/v2/Upper/manifests/latest")).await.is_error(404, "NAME_INVALID");
    get(&proxy.url("/v2/_catalog")).await.is_error(404, "NAME_INVALID");
    get(&proxy.url("/v2/a%2f..%2fb/manifests/latest")).await.is_error(404, "NAME_INVALID");
    for bad in ["sha256:XYZ", "sha256:12", "sha512:12"] {
        get(&proxy.url(&format!("/v2/library/app/blobs/{bad}"))).await.is_error(400, "DIGEST_INVALID");
        get(&proxy.url(&format!("/v2/library/app/manifests/{bad}"))).await.is_error(400, "DIGEST_INVALID");
        get(&proxy.url(&format!("/v2/library/app/referrers/{bad}"))).await.is_error(400, "DIGEST_INVALID");
    }
    get(&proxy.url("/v2/library/app/tags/list?n=x")).await.is_error(400, "MANIFEST_INVALID");
    assert!(upstream.seen("/").is_empty(), "nothing of this may reach upstream");
}

#[tokio::test]
async fn what_upstream_does_not_have() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    let digest = Digest::sha256("none");
    get(&proxy.url("/v2/library/app/manifests/none")).await.is_error(404, "MANIFEST_UNKNOWN");
    get(&proxy.url(&format!("/v2/library/app/manifests/{digest}"))).await.is_error(404, "MANIFEST_UNKNOWN");
    get(&proxy.url(&format!("/v2/library/app/blobs/{digest}"))).await.is_error(404, "BLOB_UNKNOWN");
    let silent = head(&proxy.url(&format!("/v2/library/app/blobs/{digest}"))).await;
    assert_eq!((silent.status.as_u16(), silent.body.len()), (404, 0));
}

#[tokio::test]
async fn push_and_delete() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    let url = proxy.url("/v2/library/app/manifests/v1");
    for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
        let refused = send(method, &url, &[], "{}").await;
        refused.is_error(405, "UNSUPPORTED");
        assert_eq!(refused.header("allow"), "GET, HEAD");
    }
}

#[tokio::test]
async fn what_upstream_refuses() {
    for status in [401, 403] {
        let upstream = failing(status, &[]).await;
        let proxy = Proxy::start(&upstream).await;
        get(&proxy.url("/v2/library/app/manifests/v1")).await.is_error(403, "DENIED");
        let digest = Digest::sha256("x");
        get(&proxy.url(&format!("/v2/library/app/blobs/{digest}"))).await.is_error(403, "DENIED");
    }
}

#[tokio::test]
async fn the_callers_own_credentials_refused() {
    let basic: &[_] = &[("www-authenticate", "Basic realm=\"up\"")];
    for (status, challenge) in [(401, basic), (403, &[])] {
        let upstream = failing(status, challenge).await;
        let proxy = Proxy::with_registry(&upstream, "forward-credentials: true").await;
        let authorization = [("authorization", "Basic YWxpY2U6d3Jvbmc=")];
        let digest = Digest::sha256("x");
        for object in ["manifests/v1", &format!("blobs/{digest}")] {
            let url = proxy.url(&format!("/v2/library/app/{object}"));
            let refused = send(Method::GET, &url, &authorization, "").await;
            refused.is_error(401, "UNAUTHORIZED");
            assert_eq!(refused.header("www-authenticate"), "Basic realm=\"up.test\"", "{status} {object}");
        }
    }
}

#[tokio::test]
async fn a_registry_that_is_not_served() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    get(&proxy.url("/v2/quay.io/org/app/manifests/v1")).await.is_error(403, "DENIED");
}

#[tokio::test]
async fn an_account_is_needed() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::with(&upstream, ACCOUNTS).await;
    let url = proxy.url("/v2/library/app/manifests/v1");
    for path in [&url, &proxy.url("/v2/")] {
        let refused = get(path).await;
        refused.is_error(401, "UNAUTHORIZED");
        assert!(refused.header("www-authenticate").starts_with("Basic "));
    }
    let wrong = send(Method::GET, &url, &[("authorization", "Basic YWxpY2U6d3Jvbmc=")], "").await;
    wrong.is_error(401, "UNAUTHORIZED");
    let right = send(Method::GET, &url, &[("authorization", "Basic YWxpY2U6czNjcmV0")], "").await;
    assert_eq!(right.status, 200);
}

#[tokio::test]
async fn upstream_is_over_its_rate() {
    let upstream = failing(429, &[("retry-after", "3600")]).await;
    let proxy = Proxy::start(&upstream).await;
    let refused = get(&proxy.url("/v2/library/app/manifests/v1")).await;
    refused.is_error(429, "TOOMANYREQUESTS");
    assert_eq!(refused.header("retry-after"), "3600");
}

#[tokio::test]
async fn the_caller_is_over_his_rate() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    Image::push(&upstream, Some("v2"), "amd64", b"y");
    let proxy = Proxy::with(&upstream, "  rate-limit: { pull: { anonymous: 1 / 1h } }\n").await;
    let url = proxy.url("/v2/library/app/manifests/v1");
    assert_eq!(get(&url).await.status, 200);
    assert_eq!(get(&url).await.status, 200, "one pull is one pull");
    let refused = get(&proxy.url("/v2/library/app/manifests/v2")).await;
    refused.is_error(429, "TOOMANYREQUESTS");
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn upstream_fails() {
    let fast = "  upstream: { attempts: 2, retry-delay: 1ms }\n";
    for status in [500, 502, 503, 504] {
        let upstream = failing(status, &[]).await;
        let proxy = Proxy::with(&upstream, fast).await;
        get(&proxy.url("/v2/library/app/manifests/v1")).await.is_error(502, "UNAVAILABLE");
        assert_eq!(upstream.seen("/manifests/").len(), 2, "a failure is tried again");
    }
}

#[tokio::test]
async fn upstream_is_not_there() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::with(&upstream, "  upstream: { attempts: 2, retry-delay: 1ms }\n").await;
    drop(upstream);
    get(&proxy.url("/v2/library/app/manifests/v1")).await.is_error(502, "UNAVAILABLE");
}

#[tokio::test]
async fn upstream_takes_too_long() {
    // A port that accepts and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let proxy = Proxy::to(address, "", "  upstream: { attempts: 1, head-timeout: 300ms }\n").await;
    get(&proxy.url("/v2/library/app/manifests/v1")).await.is_error(504, "UNAVAILABLE");
}

#[tokio::test]
async fn the_head_of_a_response_takes_too_long() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let limits = "  server: { head-deadline: 300ms }\n  upstream: { attempts: 1, connect-timeout: 100ms, head-timeout: 20s }\n";
    let proxy = Proxy::to(address, "", limits).await;
    let late = get(&proxy.url("/v2/library/app/manifests/v1")).await;
    late.is_error(504, "UNAVAILABLE");
    assert_eq!(late.json()["errors"][0]["message"], "no answer within the deadline");
}

#[tokio::test]
async fn a_range_outside_of_a_blob_that_streams() {
    // As `docker-registry` does: the length of the blob, and less.
    let upstream = failing(416, &[("content-range", "bytes */10"), ("content-type", "text/plain")]).await;
    let proxy = Proxy::start(&upstream).await;
    let url = proxy.url(&format!("/v2/library/app/blobs/{}", Digest::sha256("0123456789")));
    let beyond = send(Method::GET, &url, &[("range", "bytes=10-")], "").await;
    beyond.is_error(416, "SIZE_INVALID");
    assert_eq!(beyond.header("content-range"), "bytes */10");
    assert_eq!(upstream.seen("/blobs/")[0].headers["range"], "bytes=10-");
}

#[tokio::test]
async fn too_much_at_once() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let limits = "  server: { max-requests: 1 }\n  upstream: { attempts: 1, head-timeout: 20s }\n";
    let proxy = Proxy::to(address, "", limits).await;
    let url = proxy.url("/v2/library/app/manifests/v1");
    let first = tokio::spawn({
        let url = url.clone();
        async move { crate::support::client::try_send(Method::GET, &url, &[], "").await }
    });
    // The first request holds the one permit as soon as its connection has reached the silent upstream.
    let (_held, _silent) =
        tokio::task::spawn_blocking(move || (silent.accept().unwrap(), silent)).await.unwrap();
    let refused = get(&url).await;
    refused.is_error(503, "UNAVAILABLE");
    assert!(!refused.header("retry-after").is_empty());
    first.abort();
}

#[tokio::test]
async fn schema_1_is_only_an_error_when_asked_for() {
    let upstream = Upstream::start().await;
    let schema1 = r#"{"schemaVersion":1,"name":"library/app","tag":"old","fsLayers":[],"history":[]}"#;
    let media = "application/vnd.docker.distribution.manifest.v1+json";
    let digest = upstream.manifest(Some("old"), media, schema1);
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    let plain = get(&proxy.url("/v2/library/app/manifests/old")).await;
    assert_eq!((plain.status.as_u16(), Digest::sha256(&plain.body)), (200, digest));
    let request = json!({"containerImage": "up.test/library/app:old", "containerConfig": {"layers": [tiny.json(&tiny.data())]}});
    let reply = post(&proxy.url("/container-token"), &request).await.json();
    let token = reply["containerToken"].as_str().unwrap();
    get(&proxy.url(&format!("/v2/wt/{token}/library/app/manifests/old"))).await.is_error(400, "UNSUPPORTED");
}

#[tokio::test]
async fn a_platform_that_is_missing() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, None, "amd64", b"x");
    crate::support::image::index(&upstream, "v1", &[("amd64", image)]);
    let proxy = Proxy::start(&upstream).await;
    let tiny = TinyLayer::new("foo.txt", "hello");
    let request = json!({
        "containerImage": "up.test/library/app:v1", "containerPlatform": "linux/arm64",
        "containerConfig": {"layers": [tiny.json(&tiny.data())]},
    });
    let token = post(&proxy.url("/container-token"), &request).await.json()["containerToken"].clone();
    let url = proxy.url(&format!("/v2/wt/{}/library/app/manifests/v1", token.as_str().unwrap()));
    let refused = get(&url).await;
    refused.is_error(400, "MANIFEST_INVALID");
    assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("linux/amd64"));
}

#[tokio::test]
async fn outside_of_v2() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    let missing = get(&proxy.url("/nothing")).await;
    assert_eq!(missing.status, 404);
    assert!(missing.json()["message"].is_string());
    let wrong = send(Method::POST, &proxy.url("/container-token"), &[], "{").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["message"].is_string());
}
