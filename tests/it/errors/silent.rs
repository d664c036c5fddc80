//! The answer to HEAD is that to GET without its body.

use crate::support::{Image, Proxy, Upstream, get, head, respond};
use wave_registry::oci::Digest;

/// Asks both ways and gives the status.
async fn both(proxy: &Proxy, path: &str, code: &str) -> u16 {
    let (get, head) = (get(&proxy.url(path)).await, head(&proxy.url(path)).await);
    get.is_error(get.status.as_u16(), code);
    assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
    let fields = [
        "content-type",
        "docker-distribution-api-version",
        "www-authenticate",
        "retry-after",
        "cache-control",
    ];
    for name in fields {
        assert_eq!(head.header(name), get.header(name), "{name} of {path}");
    }
    get.status.as_u16()
}

#[tokio::test]
async fn of_errors_of_the_caller() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::start(&upstream).await;
    assert_eq!(both(&proxy, "/v2/library/app/foo/latest", "NAME_INVALID").await, 404);
    assert_eq!(both(&proxy, "/v2/library/app/blobs/sha256:12", "DIGEST_INVALID").await, 400);
    assert_eq!(both(&proxy, "/v2/library/app/manifests/none", "MANIFEST_UNKNOWN").await, 404);
    let none = format!("/v2/library/app/blobs/{}", Digest::sha256("none"));
    assert_eq!(both(&proxy, &none, "BLOB_UNKNOWN").await, 404);
    let token = "/v2/wt/abcdefghijklmnopqrstuvwxyz/library/app/manifests/v1";
    assert_eq!(both(&proxy, token, "NAME_UNKNOWN").await, 404);
    assert_eq!(both(&proxy, "/v2/quay.io/org/app/manifests/v1", "DENIED").await, 403);
    let closed = Proxy::with(&upstream, super::ACCOUNTS).await;
    assert_eq!(both(&closed, "/v2/library/app/manifests/v1", "UNAUTHORIZED").await, 401);
    assert_eq!(both(&closed, "/v2/", "UNAUTHORIZED").await, 401);
}

#[tokio::test]
async fn of_errors_of_the_registry() {
    for (upstreams, status, code) in
        [(403, 403, "DENIED"), (429, 429, "TOOMANYREQUESTS"), (500, 502, "UNAVAILABLE")]
    {
        let upstream =
            Upstream::scripted(move |seen| (seen.path != "/v2/").then(|| respond(upstreams, &[], ""))).await;
        let proxy = Proxy::with(&upstream, "  upstream: { attempts: 1 }\n").await;
        assert_eq!(both(&proxy, "/v2/library/app/manifests/v1", code).await, status);
    }
}
