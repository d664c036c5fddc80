//! Registries that are out of order, or want to be left alone.

use super::{FAST, manifest};
use crate::support::{Image, Plan, Proxy, TinyLayer, Upstream, get};
use http::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn case_21_failures_that_pass() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::with(&upstream, &FAST.replace("attempts: 2", "attempts: 5")).await;
    for (round, status) in [500, 502, 503, 504].into_iter().enumerate() {
        upstream.next(Method::GET, "/manifests/", [Plan::status(status), Plan::status(502)]);
        let answer = get(&manifest(&proxy, "v1")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("docker-content-digest")),
            (200, &*image.manifest.to_string())
        );
        assert_eq!(upstream.seen("/manifests/").len(), 3 * (round + 1), "{status}");
    }
}

#[tokio::test]
async fn case_21_what_was_derived_outlasts_an_outage() {
    let out = Arc::new(AtomicBool::new(false));
    let outage = out.clone();
    let upstream =
        Upstream::scripted(move |_| outage.load(Ordering::Relaxed).then(|| Plan::status(503))).await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting_with(&upstream, &tiny, &["/entry"], FAST).await;
    let ours = get(&manifest(&proxy, "v1")).await;
    out.store(true, Ordering::Relaxed);
    let again = get(&manifest(&proxy, ours.header("docker-content-digest"))).await;
    assert_eq!((again.status.as_u16(), again.body), (200, ours.body));
    get(&manifest(&proxy, "v2")).await.is_error(502, "UNAVAILABLE");
}

#[tokio::test]
async fn case_22_a_quota_in_every_spelling() {
    let hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&hour).unwrap();
    for (after, least, most, tries) in [
        (Some("3600"), 3600, 3600, 1),
        (Some(&*date), 3590, 3600, 1),
        (Some("soon"), 30, 30, 2),
        (None, 30, 30, 2),
    ] {
        let refused = Plan::status(429);
        let refused = after.map_or(refused.clone(), |after| refused.header("retry-after", after));
        let upstream = Upstream::scripted(move |_| Some(refused.clone())).await;
        let proxy = Proxy::with(&upstream, FAST).await;
        let answer = get(&manifest(&proxy, "v1")).await;
        answer.is_error(429, "TOOMANYREQUESTS");
        let told: u64 = answer.header("retry-after").parse().unwrap();
        assert!((least..=most).contains(&told), "{after:?} became {told}");
        assert_eq!(upstream.seen("/").len(), tries, "{after:?}");
    }
}
