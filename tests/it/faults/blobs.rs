//! Blobs that arrive as something else than they are.

use super::{FAST, blob, manifest};
use crate::support::client::{drain, try_send};
use crate::support::upstream::{Blob, Ended};
use crate::support::{Image, Plan, Proxy, Upstream, get, send};
use http::Method;
use std::sync::{Arc, Mutex};

const SIZE: u64 = 1 << 20;
const VERIFY: &str = "verify: always";

/// A registry whose blobs are served under a plan that can be changed, with one of [`SIZE`] bytes.
async fn planned() -> (Upstream, Blob, Arc<Mutex<Plan>>) {
    let plan = Arc::new(Mutex::new(Plan::normal()));
    let shared = plan.clone();
    let upstream =
        Upstream::scripted(move |seen| seen.path.contains("/blobs/").then(|| shared.lock().unwrap().clone()))
            .await;
    let blob = upstream.random(26, SIZE);
    (upstream, blob, plan)
}

#[tokio::test]
async fn case_26_a_blob_that_breaks_off_never_looks_whole() {
    let (upstream, large, plan) = planned().await;
    // With how many bytes come.
    let mut plans = vec![(0, Plan::normal().chunked_without_end())];
    for after in [0, 1, SIZE / 2, SIZE * 999 / 1000, SIZE - 1] {
        for plan in [Plan::normal(), Plan::normal().chunked()] {
            plans.push((after, plan.clone().close_after(after)));
            plans.push((after, plan.reset_after(after)));
        }
    }
    for registry in ["", VERIFY] {
        let proxy = Proxy::to(upstream.address, registry, FAST).await;
        let url = blob(&proxy, large.digest);
        for (after, broken) in &plans {
            *plan.lock().unwrap() = broken.clone();
            let part = [("range", "bytes=5-")];
            for (headers, size) in [(&[][..], SIZE), (&part, SIZE - 5)] {
                let content = large.bytes(SIZE - size..SIZE);
                match try_send(Method::GET, &url, headers, "").await {
                    // Each part that is asked for breaks off as the first one did.
                    Err(_) => assert!(*after <= 1, "{broken:?}"),
                    Ok(answer) if *after > 1 => assert!(answer.body == content, "{broken:?}"),
                    // A reset may overtake the head, and then there is nothing to break off.
                    Ok(answer) if answer.status == 502 => answer.is_error(502, "UNAVAILABLE"),
                    Ok(answer) => assert!(answer.body == content, "{broken:?}"),
                }
            }
        }
        *plan.lock().unwrap() = Plan::normal();
        assert!(get(&url).await.body == large.bytes(0..SIZE), "and nothing of it is kept");
    }
}

#[tokio::test]
async fn case_27_a_blob_that_is_too_long() {
    let (upstream, large, plan) = planned().await;
    let proxy = Proxy::to(upstream.address, VERIFY, FAST).await;
    let url = blob(&proxy, large.digest);
    for longer in
        [Plan::normal().too_long(1), Plan::normal().too_long(SIZE), Plan::normal().too_long(1).chunked()]
    {
        *plan.lock().unwrap() = longer.clone();
        let (_, whole) = drain(&url).await;
        assert!(!whole, "{longer:?}");
    }
    *plan.lock().unwrap() = Plan::normal();
    assert!(get(&url).await.body == large.bytes(0..SIZE));
}

#[tokio::test]
async fn case_27_what_follows_a_blob_is_nobodys_answer() {
    let (upstream, large, plan) = planned().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    *plan.lock().unwrap() = Plan::normal().overrun(300);
    let proxy = Proxy::to(upstream.address, "", FAST).await;
    for _ in 0..5 {
        assert!(get(&blob(&proxy, large.digest)).await.body == large.bytes(0..SIZE));
        assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200);
    }
    let seen = upstream.seen("/v2/");
    let after = seen.windows(2).filter(|pair| pair[0].path.contains("/blobs/"));
    assert!(after.clone().count() > 3);
    for pair in after {
        assert_ne!(pair[0].connection, pair[1].connection, "the connection is not used again");
    }
}

#[tokio::test]
async fn case_28_the_end_of_wrong_bytes_is_withheld() {
    let (upstream, large, plan) = planned().await;
    let proxy = Proxy::to(upstream.address, VERIFY, FAST).await;
    let url = blob(&proxy, large.digest);
    let shorter = (SIZE - 1).to_string();
    for wrong in [
        Plan::normal().flip(0),
        Plan::normal().flip(SIZE / 2),
        Plan::normal().flip(SIZE - 1),
        Plan::normal().flip(SIZE - 1).chunked(),
        Plan::normal().wrong_bytes(),
        Plan::normal().header("content-length", &shorter),
    ] {
        *plan.lock().unwrap() = wrong.clone();
        let (count, whole) = drain(&url).await;
        assert!(!whole && count < SIZE, "{count} bytes of {wrong:?}");
    }
    let metrics = get(&proxy.admin("/metrics")).await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("wave_response_bodies_broken_total{cause=\"digest\"}"), "{metrics}");
    *plan.lock().unwrap() = Plan::normal();
    assert!(get(&url).await.body == large.bytes(0..SIZE));
}

#[tokio::test]
async fn case_29_a_coding_that_nobody_asked_for() {
    let upstream = Upstream::start().await;
    let digest = upstream.blob("0123456789".repeat(100));
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    for registry in ["", VERIFY] {
        let proxy = Proxy::to(upstream.address, registry, FAST).await;
        for url in [blob(&proxy, digest), manifest(&proxy, "v1")] {
            upstream.next(Method::GET, "/", [Plan::normal().gzipped()]);
            get(&url).await.is_error(502, "UNAVAILABLE");
            assert_eq!(get(&url).await.status, 200, "the next one is as it should be");
        }
    }
}

#[tokio::test]
async fn ranges_are_those_of_the_blob_whatever_upstream_makes_of_them() {
    let upstream = Upstream::start().await;
    let large = upstream.random(30, SIZE);
    let proxy = Proxy::with(&upstream, FAST).await;
    let url = blob(&proxy, large.digest);
    let part = || send(Method::GET, &url, &[("range", "bytes=1000-1999")], "");
    upstream.next(Method::GET, "/blobs/", [Plan::normal().no_ranges()]);
    let whole = part().await;
    assert_eq!((whole.status.as_u16(), whole.body.len() as u64), (200, SIZE));
    // The entity tag of a registry's own says nothing: a blob is its digest.
    upstream.next(Method::GET, "/blobs/", [Plan::normal().header("etag", "\"v2\"")]);
    let same = part().await;
    assert_eq!((same.status.as_u16(), same.header("etag")), (206, &*format!("\"{}\"", large.digest)));
    assert!(same.body == large.bytes(1000..2000));
    for other in ["bytes 0-999/1048576", "bytes 1000-1998/1048576", "bytes 1000-1999/1500"] {
        upstream.next(Method::GET, "/blobs/", [Plan::normal().header("content-range", other)]);
        part().await.is_error(502, "UNAVAILABLE");
    }
    assert!(
        upstream.seen("/blobs/").iter().all(|seen| seen.ended() == Some(Ended::Whole) || seen.sent() > 0)
    );
}

#[tokio::test]
async fn case_28_another_success_is_no_way_around_the_digest() {
    let (upstream, large, plan) = planned().await;
    for registry in ["", VERIFY] {
        let proxy = Proxy::to(upstream.address, registry, FAST).await;
        for status in [201, 203] {
            *plan.lock().unwrap() = Plan::normal().with_status(status).wrong_bytes();
            get(&blob(&proxy, large.digest)).await.is_error(502, "UNAVAILABLE");
        }
        *plan.lock().unwrap() = Plan::normal();
        assert!(get(&blob(&proxy, large.digest)).await.body == large.bytes(0..SIZE));
    }
}
