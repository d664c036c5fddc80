//! Ranges of blobs that stream through.

use crate::support::{Proxy, Upstream, get, respond, send};
use http::Method;
use wave_registry::oci::Digest;

const BLOB: &str = "0123456789";

/// Answers one range as `docker-registry` does, and several with a content of several parts.
async fn generous() -> Upstream {
    Upstream::scripted(|seen| {
        let several = seen.headers.get("range").is_some_and(|range| range.as_bytes().contains(&b','));
        let part =
            "--x\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n";
        let headers = [("content-type", "multipart/byteranges; boundary=x")];
        (several && seen.path.contains("/blobs/"))
            .then(|| respond(206, &headers, format!("{part}{part}--x--\r\n")))
    })
    .await
}

#[tokio::test]
async fn several_ranges_get_the_whole_blob() {
    let upstream = generous().await;
    let digest = upstream.blob(BLOB);
    let proxy = Proxy::start(&upstream).await;
    let url = proxy.url(&format!("/v2/library/app/blobs/{digest}"));
    let thousand: Vec<_> = (0..1000).map(|at| format!("{at}-{at}")).collect();
    for range in ["bytes=0-1,5-6".to_string(), format!("bytes={}", thousand.join(","))] {
        let answer = send(Method::GET, &url, &[("range", &range)], "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, BLOB.as_bytes()));
        assert_eq!(answer.header("content-type"), "application/octet-stream");
    }
    assert!(upstream.seen("/blobs/").iter().all(|seen| !seen.headers.contains_key("range")));
    let one = send(Method::GET, &url, &[("range", "bytes=7-9")], "").await;
    assert_eq!((one.status.as_u16(), &one.body[..]), (206, &b"789"[..]));
}

#[tokio::test]
async fn an_answer_in_parts_that_nobody_asked_for_is_refused() {
    let digest = Digest::sha256(BLOB);
    for headers in [
        &[("content-type", "multipart/byteranges; boundary=x")][..],
        &[("content-range", "bytes 0-1/10"), ("content-range", "bytes 5-6/10")],
        &[("content-range", "nonsense")],
    ] {
        let upstream = Upstream::scripted(move |seen| {
            seen.path.contains("/blobs/").then(|| respond(206, headers, "01"))
        })
        .await;
        let proxy = Proxy::start(&upstream).await;
        let url = proxy.url(&format!("/v2/library/app/blobs/{digest}"));
        send(Method::GET, &url, &[("range", "bytes=0-1")], "").await.is_error(502, "UNAVAILABLE");
        get(&url).await.is_error(502, "UNAVAILABLE");
    }
}
