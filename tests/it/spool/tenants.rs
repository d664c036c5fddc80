//! Bytes are stored once, and read only by those who have shown that upstream lets them.

use super::reader::Reader;
use super::{caching, caching_with, published};
use crate::support::{Plan, Proxy, Seen, Upstream, noise, send};
use http::Method;
use std::time::Duration;
use wave_registry::oci::Digest;

/// `alice:a`, `bob:b` and `carol:c` as a client sends them.
const ALICE: &str = "Basic YWxpY2U6YQ==";
const BOB: &str = "Basic Ym9iOmI=";
const CAROL: &str = "Basic Y2Fyb2w6Yw==";

/// Alice and Carol may read `library/app`; Bob has a repository of his own, without the blob.
fn rule(seen: &Seen) -> Option<Plan> {
    let may = match seen.header("authorization") {
        ALICE | CAROL => seen.path.contains("/library/app/"),
        BOB if seen.path.contains("/bob/own/") => {
            return Some(Plan::status(404));
        }
        _ => false,
    };
    Some(match may {
        true => Plan::normal().trickle(64 * 1024, Duration::from_millis(2)),
        false => Plan::status(401).header("www-authenticate", "Basic realm=\"x\""),
    })
}

async fn stage(keys: &str) -> (Upstream, Proxy, Digest, bytes::Bytes) {
    let upstream = Upstream::scripted(rule).await;
    let (digest, content) = upstream.noise(2_000_000, 1);
    let proxy = caching_with(&upstream, "forward-credentials: true", keys, "").await;
    (upstream, proxy, digest, content)
}

/// How often upstream was asked by `who` with `method`.
fn asked(upstream: &Upstream, who: &str, method: Method) -> usize {
    let is = |seen: &&Seen| seen.header("authorization") == who && seen.method == method;
    upstream.seen("").iter().filter(is).count()
}

#[tokio::test]
async fn case_25_a_blob_on_disk_is_not_anybodys() {
    let (upstream, proxy, digest, content) = stage("").await;
    let url = |repository: &str| proxy.url(&format!("/v2/{repository}/blobs/{digest}"));
    let fetched = send(Method::GET, &url("library/app"), &[("authorization", ALICE)], "").await;
    assert!(fetched.status == 200 && fetched.body == content);
    published(&proxy, &digest).await;

    let etag = format!("\"{digest}\"");
    for who in [Some(BOB), None] {
        let with = |more: Option<(&'static str, String)>| {
            let who = who.map(|who| ("authorization", who.to_string()));
            who.into_iter().chain(more).collect::<Vec<_>>()
        };
        for (method, headers) in [
            (Method::GET, with(None)),
            (Method::HEAD, with(None)),
            (Method::GET, with(Some(("range", "bytes=0-9".into())))),
            (Method::GET, with(Some(("range", "bytes=5-".into())))),
            (Method::GET, with(Some(("if-none-match", etag.clone())))),
            (Method::HEAD, with(Some(("if-none-match", etag.clone())))),
        ] {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
            for name in ["library/app", "up.test/library/app", "short/library/app"] {
                let answer = send(method.clone(), &url(name), &headers, "").await;
                assert_eq!(answer.status, 401, "{method} {name} {headers:?}");
                assert!(!answer.body.windows(16).any(|part| part == &content[..16]));
            }
            // The mirror protocol names the registry elsewhere.
            let mirrored = format!("{}?ns=up.test", url("library/app"));
            assert_eq!(send(method.clone(), &mirrored, &headers, "").await.status, 401, "{method}");
        }
    }
    // Nor does another repository, in which he may read, let him at it.
    let own = send(Method::GET, &url("bob/own"), &[("authorization", BOB)], "").await;
    own.is_error(404, "BLOB_UNKNOWN");
    let own = send(Method::HEAD, &url("bob/own"), &[("authorization", BOB)], "").await;
    assert_eq!(own.status, 404);
    assert_eq!(asked(&upstream, ALICE, Method::GET), 1);
}

#[tokio::test]
async fn case_25_nor_is_one_that_is_being_fetched() {
    let (upstream, proxy, digest, content) = stage("").await;
    let url = proxy.url(&format!("/v2/library/app/blobs/{digest}"));
    let mut alice = Reader::send(Method::GET, &url, &[("authorization", ALICE)]).await;
    assert!(alice.until(1, Duration::ZERO).await);
    for headers in [&[("authorization", BOB)][..], &[("authorization", BOB), ("range", "bytes=0-9")], &[]] {
        assert_eq!(send(Method::GET, &url, headers, "").await.status, 401, "{headers:?}");
    }
    // Whom upstream lets, reads along.
    let carol = Reader::send(Method::GET, &url, &[("authorization", CAROL)]).await;
    assert!(carol.all().await.unwrap() == content && alice.all().await.unwrap() == content);
    assert_eq!([ALICE, CAROL].map(|who| asked(&upstream, who, Method::GET)), [1, 0]);
    assert_eq!([ALICE, CAROL].map(|who| asked(&upstream, who, Method::HEAD)), [0, 1]);
}

#[tokio::test]
async fn a_proof_holds_for_its_time() {
    let (upstream, proxy, digest, content) = stage(", proof-ttl: 400ms").await;
    let url = proxy.url(&format!("/v2/library/app/blobs/{digest}"));
    let get = || async {
        let answer = send(Method::GET, &url, &[("authorization", CAROL)], "").await;
        assert!(answer.body == content);
    };
    get().await;
    published(&proxy, &digest).await;
    tokio::time::sleep(Duration::from_millis(450)).await;
    get().await;
    get().await;
    let heads = asked(&upstream, CAROL, Method::HEAD);
    assert!((1..=2).contains(&heads), "{heads}");
    assert_eq!(asked(&upstream, CAROL, Method::GET), 1);
}

#[tokio::test]
async fn who_is_refused_as_leader_spoils_nothing_for_others() {
    let (upstream, proxy, digest, content) = stage("").await;
    let url = proxy.url(&format!("/v2/library/app/blobs/{digest}"));
    let (bob_headers, alice_headers) = ([("authorization", BOB)], [("authorization", ALICE)]);
    let bob = send(Method::GET, &url, &bob_headers, "");
    let alice = send(Method::GET, &url, &alice_headers, "");
    let (bob, alice) = tokio::join!(bob, alice);
    assert_eq!(bob.status, 401);
    assert!(alice.status == 200 && alice.body == content);
    assert_eq!(asked(&upstream, ALICE, Method::GET), 1);
}

/// The proxy with one more registry, `other.test`.
async fn beside(proxy: Proxy, other: &Upstream) -> Proxy {
    let line = format!("  other.test: {{ url: \"http://{}\" }}\n  up.test: {{", other.address);
    proxy.restart_with(|config| config.replace("  up.test: {", &line)).await
}

/// Something else under any digest, of `size` bytes, and slowly.
async fn liar(size: usize) -> Upstream {
    let content = noise(size, 99);
    Upstream::scripted(move |_| {
        Some(Plan::normal().other(content.clone()).trickle(10_000, Duration::from_millis(20)))
    })
    .await
}

#[tokio::test]
async fn case_25_what_another_registry_sends_is_not_read_along() {
    // As large as the blob, and larger and smaller.
    for size in [2_000_000, 1_500_000, 3_000_000] {
        let (other, upstream) = (liar(size).await, Upstream::start().await);
        let (digest, content) = upstream.noise(2_000_000, 1);
        let proxy = beside(caching(&upstream, "").await, &other).await;
        let url = |name: &str| proxy.url(&format!("/v2/{name}/blobs/{digest}"));
        let lied = Reader::get(&url("other.test/any/thing")).await;
        assert_eq!(lied.status, 200);
        let own = url("library/app");
        let head = send(Method::HEAD, &own, &[], "").await;
        assert_eq!(head.headers["content-length"], "2000000");
        for (range, bytes) in [("bytes=0-999", 0..1000), ("bytes=1800000-", 1_800_000..2_000_000)] {
            let part = Reader::range(&own, range).await;
            assert_eq!(part.status, 206, "{range}");
            assert!(part.all().await.unwrap() == content[bytes], "{range}");
        }
        assert!(Reader::get(&own).await.all().await.unwrap() == content);
        published(&proxy, &digest).await;
    }
}

/// Somebody's own registry may say of any digest that it has it.
#[tokio::test]
async fn case_25_a_registry_that_claims_a_blob_of_another_is_not_believed() {
    let (other, upstream) = (liar(2_000_000).await, Upstream::start().await);
    let (digest, content) = upstream.noise(2_000_000, 1);
    let proxy = beside(caching(&upstream, "").await, &other).await;
    let url = |name: &str| proxy.url(&format!("/v2/{name}/blobs/{digest}"));
    assert!(Reader::get(&url("library/app")).await.all().await.unwrap() == content);
    published(&proxy, &digest).await;
    for range in ["", "bytes=0-9", "bytes=0-1999998", "bytes=5-"] {
        let mut lied = match range {
            "" => Reader::get(&url("other.test/any/thing")).await,
            range => Reader::range(&url("other.test/any/thing"), range).await,
        };
        lied.until(10_000, Duration::ZERO).await;
        let first = if range == "bytes=5-" { 5 } else { 0 };
        assert!(lied.content.is_empty() || lied.content[..10] != content[first..first + 10], "{range}");
    }
    // Whose it is, has it still, at no cost.
    assert!(Reader::get(&url("library/app")).await.all().await.unwrap() == content);
    assert_eq!(upstream.count(Method::GET), 1);
}

#[tokio::test]
async fn case_25_nor_what_has_another_size_than_was_proved() {
    // What Alice is sent is shorter than what Carol is told.
    let upstream = Upstream::scripted(|seen| {
        if seen.header("authorization") != ALICE {
            return rule(seen);
        }
        Some(Plan::normal().other(noise(1_500_000, 99)).trickle(10_000, Duration::from_millis(20)))
    })
    .await;
    let (digest, content) = upstream.noise(2_000_000, 1);
    let proxy = caching_with(&upstream, "forward-credentials: true", "", "").await;
    let url = proxy.url(&format!("/v2/library/app/blobs/{digest}"));
    let _alice = Reader::send(Method::GET, &url, &[("authorization", ALICE)]).await;
    let carol = send(Method::GET, &url, &[("authorization", CAROL)], "").await;
    assert!(carol.status == 200 && carol.body == content);
}
