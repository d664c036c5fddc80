//! One fetch, many readers.

use super::reader::Reader;
use super::{LONG, caching, metric, published, until, url};
use crate::support::{Plan, Upstream, get};
use http::Method;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// 64 KiB each 4 ms: 16 MiB a second.
fn paced() -> Option<Plan> {
    Some(Plan::normal().trickle(64 * 1024, Duration::from_millis(4)))
}

#[tokio::test]
async fn fifty_readers_at_mixed_speeds_and_ranges_cost_one_fetch() {
    let upstream = Upstream::scripted(|_| paced()).await;
    let (digest, content) = upstream.noise(8 * MIB, 1);
    let proxy = caching(&upstream, "").await;
    let url = url(&proxy, &digest);
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..50_usize {
        let (url, content) = (url.clone(), content.clone());
        readers.spawn(async move {
            // The first begins the fill, so the others come a little later, and all before its end.
            if number > 0 {
                tokio::time::sleep(Duration::from_millis(100 + number as u64 * 5)).await;
            }
            let first = (number % 8) * MIB + number;
            let (range, want) = match number % 5 {
                0 => (String::new(), 0..content.len()),
                1 => (format!("bytes={first}-"), first..content.len()),
                2 => (format!("bytes={first}-{}", first + 99_999), first..content.len().min(first + 100_000)),
                3 => (format!("bytes=-{}", first + 1), content.len() - first - 1..content.len()),
                _ => ("bytes=0-".to_string(), 0..content.len()),
            };
            let mut reader = match range.is_empty() {
                true => Reader::get(&url).await,
                false => Reader::range(&url, &range).await,
            };
            let pause = Duration::from_micros(if number % 7 == 3 { 500 } else { 0 });
            assert!(reader.until(want.len(), pause).await, "{range} broke off");
            assert_eq!(reader.status.as_u16(), if range.is_empty() { 200 } else { 206 });
            let read = reader.all().await.expect("an end");
            assert!(read == content[want], "{range} is wrong");
        });
    }
    while let Some(done) = readers.join_next().await {
        done.unwrap();
    }
    assert_eq!((upstream.count(Method::GET), upstream.count(Method::HEAD)), (1, 0));
    assert_eq!(upstream.sent("/blobs/"), content.len() as u64);
    published(&proxy, &digest).await;
    assert!(get(&url).await.body == content);
    assert_eq!(upstream.count(Method::GET), 1, "it is on disk");
}

#[tokio::test]
async fn case_02_a_slow_reader_slows_nobody() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(24 * MIB, 2);
    let proxy = caching(&upstream, "").await;
    let mut slow = Reader::get(&url(&proxy, &digest)).await;
    assert!(slow.until(1, Duration::ZERO).await);
    // The slow one has taken a few kilobytes, and the fast one gets everything.
    assert!(Reader::get(&url(&proxy, &digest)).await.all().await.unwrap() == content);
    assert!(slow.content.len() < MIB, "{}", slow.content.len());
    assert!(slow.all().await.unwrap() == content);
    assert_eq!(upstream.count(Method::GET), 1);
}

#[tokio::test]
async fn case_03_the_leaders_client_leaves_and_the_follower_reads_on() {
    let upstream = Upstream::scripted(|_| paced()).await;
    let (digest, content) = upstream.noise(20 * MIB, 3);
    let proxy = caching(&upstream, "").await;
    let mut leader = Reader::get(&url(&proxy, &digest)).await;
    assert!(leader.until(MIB, Duration::ZERO).await);
    let mut follower = Reader::get(&url(&proxy, &digest)).await;
    assert!(follower.until(1, Duration::ZERO).await);
    drop(leader);
    assert!(follower.all().await.unwrap() == content);
    assert_eq!(upstream.count(Method::GET), 1);
}

#[tokio::test]
async fn case_03_what_nobody_reads_is_abandoned_below_half() {
    let upstream = Upstream::scripted(|_| paced()).await;
    let (digest, content) = upstream.noise(40 * MIB, 4);
    let proxy = caching(&upstream, "").await;
    let mut only = Reader::get(&url(&proxy, &digest)).await;
    assert!(only.until(MIB, Duration::ZERO).await);
    drop(only);
    until("an abandoned fill", || super::filling(&super::cache(&proxy)) == 0).await;
    let sent = upstream.sent("/blobs/");
    assert!(sent < content.len() as u64 / 2, "{sent}");
    assert!(!super::kept(&super::cache(&proxy), &digest).exists());
    assert!(metric(&proxy, "wave_blob_cache_fills_total{outcome=\"abandoned\"}").await >= 1.0);
    // The next one begins anew.
    assert!(get(&url(&proxy, &digest)).await.body == content);
    assert_eq!(upstream.count(Method::GET), 2);
}

#[tokio::test]
async fn case_03_what_is_half_there_is_finished() {
    let upstream = Upstream::scripted(|_| paced()).await;
    let (digest, content) = upstream.noise(20 * MIB, 5);
    let proxy = caching(&upstream, ", finish-fill: 25").await;
    let mut only = Reader::get(&url(&proxy, &digest)).await;
    assert!(only.until(6 * MIB, Duration::ZERO).await);
    drop(only);
    published(&proxy, &digest).await;
    assert_eq!((upstream.count(Method::GET), upstream.sent("/blobs/")), (1, content.len() as u64));
}

#[tokio::test]
async fn case_38_a_trickle_that_nobody_reads_is_cut() {
    let upstream = Upstream::scripted(|_| Some(Plan::normal().trickle(100, Duration::from_millis(20)))).await;
    // Small enough to be finished by policy, if it came at all.
    let (digest, _) = upstream.noise(4 * MIB, 15);
    let wave = "  upstream: { idle-timeout: 200ms }\n";
    let proxy = super::caching_with(&upstream, "", "", wave).await;
    let only = Reader::get(&url(&proxy, &digest)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(super::filling(&super::cache(&proxy)), 1, "while somebody waits it goes on");
    drop(only);
    until("a cut fill", || super::filling(&super::cache(&proxy)) == 0).await;
    assert!(upstream.sent("/blobs/") < MIB as u64, "{}", upstream.sent("/blobs/"));
}

#[tokio::test]
async fn case_04_a_storm_of_open_ranges_costs_one_blob() {
    let upstream = Upstream::scripted(|_| paced()).await;
    let (digest, content) = upstream.noise(40 * MIB, 6);
    let proxy = caching(&upstream, "").await;
    let url = url(&proxy, &digest);
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..20_usize {
        let (url, content) = (url.clone(), content.clone());
        readers.spawn(async move {
            // As containerd does: open ranges, of which two MiB are read.
            let first = number * 2 * MIB;
            let mut reader = Reader::range(&url, &format!("bytes={first}-")).await;
            assert_eq!(reader.status, 206);
            assert!(reader.until(2 * MIB, Duration::ZERO).await);
            assert!(reader.content[..2 * MIB] == content[first..first + 2 * MIB], "{number}");
        });
    }
    while let Some(done) = readers.join_next().await {
        done.unwrap();
    }
    let most = content.len() as u64 * 105 / 100;
    assert!(upstream.sent("/blobs/") <= most, "{} of {most}", upstream.sent("/blobs/"));
    assert_eq!(upstream.count(Method::GET), 1);
}

#[tokio::test]
async fn a_lone_small_range_of_a_cold_blob_is_a_small_request() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(4 * MIB, 7);
    let proxy = caching(&upstream, "").await;
    for (range, want) in
        [("bytes=1000000-1000099", 1_000_000..1_000_100), ("bytes=-10", 4 * MIB - 10..4 * MIB)]
    {
        let answer = Reader::range(&url(&proxy, &digest), range).await;
        assert_eq!(answer.status, 206);
        assert!(answer.all().await.unwrap() == content[want]);
    }
    assert_eq!((upstream.count(Method::GET), upstream.sent("/blobs/")), (2, 110));
    assert!(!super::kept(&super::cache(&proxy), &digest).exists());
}

#[tokio::test]
async fn a_follower_gets_at_once_what_is_there() {
    let upstream = Upstream::scripted(|_| Some(Plan::normal().stall_after(2 * MIB as u64, LONG))).await;
    let (digest, content) = upstream.noise(4 * MIB, 8);
    let proxy = caching(&upstream, "").await;
    let mut leader = Reader::get(&url(&proxy, &digest)).await;
    assert!(leader.until(2 * MIB, Duration::ZERO).await);
    for first in [0, MIB] {
        let mut follower = Reader::range(&url(&proxy, &digest), &format!("bytes={first}-")).await;
        assert!(follower.until(MIB, Duration::ZERO).await);
        assert!(follower.content[..MIB] == content[first..first + MIB]);
    }
    assert_eq!(upstream.count(Method::GET), 1);
}

#[tokio::test]
async fn ranges_of_what_is_on_disk_and_of_what_is_on_its_way() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(300_000, 9);
    let proxy = caching(&upstream, "").await;
    let url = url(&proxy, &digest);
    for round in 0..2 {
        let whole = Reader::send(Method::GET, &url, &[("range", "bytes=5-"), ("if-range", "\"stale\"")]);
        let whole = whole.await;
        assert_eq!(whole.status, 200, "case 6");
        assert!(whole.all().await.unwrap() == content);
        let beyond = Reader::range(&url, "bytes=300000-").await;
        assert_eq!(beyond.status, 416);
        assert_eq!(beyond.headers["content-range"], "bytes */300000");
        let tail = Reader::range(&url, "bytes=299990-").await;
        assert_eq!(tail.headers["content-range"], "bytes 299990-299999/300000", "{round}");
        assert_eq!(tail.all().await.unwrap(), &content[299_990..]);
        published(&proxy, &digest).await;
    }
    assert_eq!(upstream.count(Method::GET), 1);
    let head = crate::support::head(&url).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "300000"));
    assert_eq!(upstream.count(Method::HEAD), 0, "the fetch itself was the proof");
}

#[tokio::test]
async fn a_blob_without_a_length_is_shared_too() {
    let upstream = Upstream::scripted(|_| paced().map(Plan::chunked)).await;
    let (digest, content) = upstream.noise(3 * MIB, 10);
    let proxy = caching(&upstream, "").await;
    let url = url(&proxy, &digest);
    let (one, two) = tokio::join!(Reader::get(&url), Reader::get(&url));
    let (one, two) = tokio::join!(one.all(), two.all());
    assert!(one.unwrap() == content && two.unwrap() == content);
    assert_eq!(upstream.count(Method::GET), 1);
    published(&proxy, &digest).await;
}

#[tokio::test]
async fn more_fills_than_are_allowed_pass_through() {
    let upstream = Upstream::scripted(|_| Some(Plan::normal().stall_after(1_000_000, LONG))).await;
    let [(one, _), (two, content)] = [11, 12].map(|seed| upstream.noise(2_000_000, seed));
    let proxy = caching(&upstream, ", max-fills: 1").await;
    let _held = Reader::get(&url(&proxy, &one)).await;
    let mut passing = Reader::get(&url(&proxy, &two)).await;
    // The newest piece is held back.
    assert!(passing.until(50_000, Duration::ZERO).await);
    assert!(passing.content == content[..passing.content.len()]);
    assert_eq!(super::filling(&super::cache(&proxy)), 1);
}
