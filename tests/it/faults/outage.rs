//! Registries that are left alone because they are out of order.

use super::{FAST, blob, manifest};
use crate::support::{Image, Plan, Proxy, Upstream, get, head};
use http::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// [`FAST`], with more of `upstream`.
fn fast(more: &str) -> String {
    FAST.replace("{ ", &format!("{{ {more}, "))
}

/// A registry with `library/app:v1` that breaks connections for as long as it is told.
async fn registry() -> (Upstream, Image, Arc<AtomicBool>) {
    let out = Arc::new(AtomicBool::new(false));
    let outage = out.clone();
    let upstream = Upstream::scripted(move |_| outage.load(Ordering::Relaxed).then(Plan::reset)).await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    (upstream, image, out)
}

#[tokio::test]
async fn case_19_a_registry_that_fails_again_and_again_is_left_alone() {
    let (upstream, image, out) = registry().await;
    let pause = Duration::from_millis(1500);
    let proxy = Proxy::with(&upstream, &fast("breaker-failures: 3, breaker-pause: 1500ms")).await;
    assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200);
    out.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        get(&manifest(&proxy, "v1")).await.is_error(502, "UNAVAILABLE");
    }
    let opened = tokio::time::Instant::now();
    let asked = upstream.seen("/").len();
    assert_eq!(asked, 7, "each failure is that of two tries");
    for url in [manifest(&proxy, "v1"), blob(&proxy, image.layer), proxy.url("/v2/library/app/tags/list")] {
        let refused = get(&url).await;
        // Never 404: nobody can know.
        refused.is_error(503, "UNAVAILABLE");
        let after: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=2).contains(&after), "{after}");
        assert_eq!(head(&url).await.status, 503);
    }
    assert_eq!(upstream.seen("/").len(), asked, "nothing is asked of it");
    let metrics = get(&proxy.admin("/metrics")).await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("wave_upstream_breaker_refused_total{registry=\"short\"}"), "{metrics}");

    // One request decides, and it fails.
    tokio::time::sleep_until(opened + pause).await;
    get(&manifest(&proxy, "v1")).await.is_error(502, "UNAVAILABLE");
    let refused = get(&manifest(&proxy, "v1")).await;
    refused.is_error(503, "UNAVAILABLE");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 2, "twice as long");
    assert_eq!(upstream.seen("/").len(), asked + 2);

    out.store(false, Ordering::Relaxed);
    tokio::time::sleep(2 * pause).await;
    for _ in 0..3 {
        assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200);
    }
}

#[tokio::test]
async fn case_19_nobody_listens_any_more() {
    let (upstream, _, _) = registry().await;
    let proxy =
        Proxy::with(&upstream, &fast("breaker-failures: 2, breaker-pause: 1h, breaker-longest: 1h")).await;
    assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200);
    drop(upstream);
    for _ in 0..2 {
        get(&manifest(&proxy, "v1")).await.is_error(502, "UNAVAILABLE");
    }
    get(&manifest(&proxy, "v1")).await.is_error(503, "UNAVAILABLE");
}

#[tokio::test]
async fn case_21_what_a_registry_refuses_is_no_outage() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy =
        Proxy::with(&upstream, &fast("breaker-failures: 1, breaker-pause: 1h, breaker-longest: 1h")).await;
    for status in [400, 401, 403, 404, 429] {
        // One refusal is asked for again, as the others are not.
        let plans = if status == 429 { 4 } else { 2 };
        upstream.next(Method::GET, "/manifests/", vec![Plan::status(status); plans]);
        for _ in 0..2 {
            assert!(get(&manifest(&proxy, "v1")).await.status.is_client_error(), "{status}");
        }
        assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200, "{status}");
    }
}

/// A blob that breaks off while its registry is left alone waits for the rest.
#[tokio::test]
async fn case_26_a_blob_breaks_off_during_an_outage() {
    for cache in ["", "  blob-cache: { dir: FOLDER/blobs }\n"] {
        let (upstream, _, out) = registry().await;
        let large = upstream.random(26, 1 << 20);
        let wave =
            fast("breaker-failures: 2, breaker-pause: 3s").replace("idle-timeout: 1s", "idle-timeout: 3s");
        let proxy = Proxy::with(&upstream, &format!("{wave}{cache}")).await;
        let url = blob(&proxy, large.digest);
        upstream.next(Method::GET, "/blobs/", [Plan::normal().stall_after(100_000, Duration::from_secs(60))]);
        let client = tokio::spawn(async move { get(&url).await });
        upstream.until("/blobs/", |seen| seen.first().is_some_and(|seen| seen.sent() >= 100_000)).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        out.store(true, Ordering::Relaxed);
        for _ in 0..2 {
            get(&manifest(&proxy, "v1")).await.is_error(502, "UNAVAILABLE");
        }
        let opened = std::time::Instant::now();
        out.store(false, Ordering::Relaxed);
        get(&manifest(&proxy, "v1")).await.is_error(503, "UNAVAILABLE");
        assert!(client.await.unwrap().body == large.bytes(0..large.size), "{cache}");
        let asked = upstream.seen("/blobs/");
        assert_eq!((asked.len(), asked[1].range()), (2, "bytes=100000-"), "{cache}");
        let waited = asked[1].at.saturating_duration_since(opened);
        assert!(waited >= Duration::from_millis(2900), "{waited:?}: it was asked too early");
    }
}
