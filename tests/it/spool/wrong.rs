//! Blobs that are not what they should be.

use super::reader::Reader;
use super::{caching, caching_with, filling, kept, metric, until, url};
use crate::support::{Plan, Upstream, get, head, noise};
use http::Method;
use std::time::Duration;

const SIZE: usize = 1_000_000;
/// The last bytes of a blob, which nobody gets before its digest is right.
const HELD: usize = 64 * 1024;

#[tokio::test]
async fn case_28_a_flipped_byte_resets_every_reader() {
    let upstream = Upstream::scripted(|_| {
        Some(Plan::normal().flip(SIZE as u64 / 3).trickle(50_000, Duration::from_millis(5)))
    })
    .await;
    let (digest, content) = upstream.noise(SIZE, 1);
    let proxy = caching(&upstream, "").await;
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..6_usize {
        let url = url(&proxy, &digest);
        readers.spawn(async move {
            let first = if number % 2 == 0 { 0 } else { SIZE / 2 };
            let mut reader = Reader::range(&url, &format!("bytes={first}-")).await;
            assert!(!reader.until(usize::MAX, Duration::ZERO).await, "it must not look whole");
            assert!(reader.content.len() <= SIZE - first - HELD, "{} came", reader.content.len());
        });
    }
    while let Some(done) = readers.join_next().await {
        done.unwrap();
    }
    until("the end of the fill", || filling(&super::cache(&proxy)) == 0).await;
    assert!(!kept(&super::cache(&proxy), &digest).exists());
    // Quarantine: no new fetch.
    let refused = get(&url(&proxy, &digest)).await;
    refused.is_error(502, "UNAVAILABLE");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    assert_eq!(head(&url(&proxy, &digest)).await.status, 502);
    assert_eq!(Reader::range(&url(&proxy, &digest), "bytes=0-9").await.status, 502);
    assert_eq!((upstream.count(Method::GET), upstream.count(Method::HEAD)), (1, 0));
    assert!(metric(&proxy, "wave_blob_cache_fills_total{outcome=\"wrong\"}").await >= 1.0);
    assert!(metric(&proxy, "wave_blob_cache_quarantined_total").await >= 3.0);
    drop(content);
}

#[tokio::test]
async fn case_28_quarantine_ends() {
    let upstream = Upstream::scripted(|seen| (seen.nth == 0).then(|| Plan::normal().flip(5))).await;
    let (digest, content) = upstream.noise(1000, 2);
    let proxy = caching(&upstream, ", quarantine: 300ms").await;
    assert!(Reader::get(&url(&proxy, &digest)).await.all().await.is_none());
    assert_eq!(get(&url(&proxy, &digest)).await.status, 502);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(get(&url(&proxy, &digest)).await.body, content);
}

#[tokio::test]
async fn case_27_a_blob_longer_or_shorter_than_it_should_be() {
    let right = noise(SIZE, 3);
    let longer = [&right[..], b"x"].concat();
    for wrong in [longer, right[..SIZE - 1].to_vec(), Vec::new()] {
        for chunked in [true, false] {
            let content = bytes::Bytes::from(wrong.clone());
            let upstream = Upstream::scripted(move |_| {
                let plan = Plan::normal().other(content.clone());
                Some(if chunked { plan.chunked() } else { plan })
            })
            .await;
            let digest = upstream.blob(right.clone());
            let proxy = caching(&upstream, "").await;
            let answer = Reader::get(&url(&proxy, &digest)).await;
            // Of no bytes that say so nothing can be held back but the head.
            match wrong.is_empty() && !chunked {
                true => assert_eq!(answer.status, 502),
                false => assert_eq!(answer.all().await, None, "{} {chunked}", wrong.len()),
            }
            until("the end of the fill", || filling(&super::cache(&proxy)) == 0).await;
            assert!(!kept(&super::cache(&proxy), &digest).exists());
            assert_eq!(get(&url(&proxy, &digest)).await.status, 502);
        }
    }
}

#[tokio::test]
async fn case_27_a_size_that_changes_while_it_is_fetched() {
    let (right, other) = (noise(SIZE, 4), noise(SIZE + 5, 4));
    let upstream = Upstream::scripted(move |seen| match seen.nth {
        0 => Some(Plan::normal().close_after(400_000)),
        _ => Some(Plan::normal().other(other.clone())),
    })
    .await;
    let digest = upstream.blob(right);
    let proxy = caching(&upstream, "").await;
    assert_eq!(Reader::get(&url(&proxy, &digest)).await.all().await, None);
    assert!(!kept(&super::cache(&proxy), &digest).exists());
    assert_eq!(upstream.count(Method::GET), 2);
}

#[tokio::test]
async fn case_29_a_coded_content_is_an_error_and_not_kept() {
    let upstream = Upstream::scripted(|_| Some(Plan::normal().header("content-encoding", "gzip"))).await;
    let (digest, _) = upstream.noise(1000, 5);
    let proxy = caching_with(&upstream, "", "", "  upstream: { attempts: 1 }\n").await;
    get(&url(&proxy, &digest)).await.is_error(502, "UNAVAILABLE");
    assert!(!kept(&super::cache(&proxy), &digest).exists());
}

#[tokio::test]
async fn what_upstream_refuses_is_its_answer_to_all() {
    let upstream = Upstream::scripted(|_| Some(Plan::status(404))).await;
    let digest = wave_registry::oci::Digest::sha256("nowhere");
    let proxy = caching(&upstream, "").await;
    let url = url(&proxy, &digest);
    let (one, two) = tokio::join!(get(&url), get(&url));
    one.is_error(404, "BLOB_UNKNOWN");
    two.is_error(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let upstream = Upstream::start().await;
    let digest = upstream.blob("");
    let proxy = caching(&upstream, "").await;
    for _ in 0..2 {
        let answer = get(&url(&proxy, &digest)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-length"), answer.body.len()),
            (200, "0", 0)
        );
        super::published(&proxy, &digest).await;
    }
    assert_eq!(upstream.count(Method::GET), 1);
}
