//! Upstream breaks off, and no client notices.

use super::{LONG, caching, caching_with, metric, published, until, url};
use crate::support::client::try_send;
use crate::support::{Plan, Proxy, Upstream, get};
use http::Method;

const SIZE: usize = 2_000_000;

/// The first answer ends after `at` bytes of the blob.
async fn breaking(at: usize, ranges: bool) -> Upstream {
    Upstream::scripted(move |seen| match seen.nth {
        0 if seen.method == Method::GET => Some(Plan::normal().close_after(at as u64)),
        _ if ranges => Some(Plan::normal()),
        _ => Some(Plan::normal().no_ranges()),
    })
    .await
}

#[tokio::test]
async fn case_26_a_blob_that_breaks_off_is_gone_on_with() {
    for (at, ranges) in [0, SIZE / 10, SIZE / 2, SIZE * 99 / 100, SIZE - 1]
        .into_iter()
        .flat_map(|at| [(at, true), (at, false)])
    {
        for cached in [true, false] {
            let upstream = breaking(at, ranges).await;
            let (digest, content) = upstream.noise(SIZE, at as u64);
            let proxy = match cached {
                true => caching(&upstream, "").await,
                false => Proxy::to(upstream.address, "", "").await,
            };
            assert!(get(&url(&proxy, &digest)).await.body == content, "{at} {ranges} {cached}");
            let gets: Vec<_> =
                upstream.seen("").into_iter().filter(|seen| seen.method == Method::GET).collect();
            let asked = gets.iter().map(|seen| seen.header("range")).collect::<Vec<_>>();
            let again = if at == 0 { String::new() } else { format!("bytes={at}-") };
            assert_eq!(asked, ["", &*again], "{at} {ranges} {cached}");
            if cached {
                published(&proxy, &digest).await;
            }
        }
    }
}

#[tokio::test]
async fn case_26_the_end_without_its_chunk_is_no_end() {
    let upstream = Upstream::scripted(|seen| match seen.nth {
        0 => Some(Plan::normal().chunked().close_after(SIZE as u64)),
        _ => Some(Plan::status(503)),
    })
    .await;
    let (digest, _) = upstream.noise(SIZE, 1);
    let proxy = caching_with(&upstream, "", "", "  upstream: { attempts: 2, retry-delay: 10ms }\n").await;
    assert!(try_send(Method::GET, &url(&proxy, &digest), &[], "").await.is_err(), "it must not look whole");
    until("the end of the fill", || super::filling(&super::cache(&proxy)) == 0).await;
    assert!(!super::kept(&super::cache(&proxy), &digest).exists());
}

#[tokio::test]
async fn case_26_all_bytes_without_their_end_are_all() {
    let upstream = Upstream::scripted(|seen| match seen.nth {
        0 => Some(Plan::normal().chunked().close_after(SIZE as u64)),
        _ => Some(Plan::normal()),
    })
    .await;
    let (digest, content) = upstream.noise(SIZE, 8);
    let proxy = caching(&upstream, "").await;
    assert!(get(&url(&proxy, &digest)).await.body == content);
    assert_eq!(upstream.seen("")[1].header("range"), format!("bytes={SIZE}-"));
    published(&proxy, &digest).await;
}

#[tokio::test]
async fn a_fill_is_gone_on_with_again_and_again() {
    // Each answer brings 300 000 bytes.
    let upstream = Upstream::scripted(|_| Some(Plan::normal().close_after(300_000))).await;
    let (digest, content) = upstream.noise(SIZE, 2);
    let proxy = caching(&upstream, "").await;
    let url = url(&proxy, &digest);
    let (one, two) = tokio::join!(get(&url), get(&url));
    assert!(one.body == content && two.body == content);
    assert_eq!(upstream.sent("/blobs/"), SIZE as u64, "no byte twice");
    assert!(metric(&proxy, "wave_upstream_resumes_total{outcome=\"resumed\"}").await >= 6.0);
}

#[tokio::test]
async fn a_part_that_passes_through_is_gone_on_with() {
    let upstream = breaking(1000, true).await;
    let (digest, content) = upstream.noise(SIZE, 3);
    let proxy = Proxy::to(upstream.address, "", "").await;
    let headers = [("range", "bytes=5000-9999")];
    let answer = crate::support::send(Method::GET, &url(&proxy, &digest), &headers, "").await;
    assert_eq!((answer.status.as_u16(), answer.body == content[5000..10_000]), (206, true));
    let ranges: Vec<_> = upstream.seen("").iter().map(|seen| seen.header("range").to_string()).collect();
    assert_eq!(ranges, ["bytes=5000-9999", "bytes=6000-9999"]);
}

#[tokio::test]
async fn the_second_failure_without_progress_reaches_the_client() {
    let upstream = Upstream::scripted(|seen| match seen.nth {
        0 => Some(Plan::normal().close_after(100_000)),
        _ => Some(Plan::normal().close_after(0)),
    })
    .await;
    let (digest, _) = upstream.noise(SIZE, 4);
    let proxy = Proxy::to(upstream.address, "", "  upstream: { attempts: 1 }\n").await;
    assert!(try_send(Method::GET, &url(&proxy, &digest), &[], "").await.is_err());
    assert_eq!(upstream.count(Method::GET), 2);
}

#[tokio::test]
async fn verification_spans_the_pieces() {
    for flips in [None, Some(1_500_000)] {
        let upstream = Upstream::scripted(move |seen| match seen.nth {
            0 => Some(Plan::normal().close_after(SIZE as u64 / 2)),
            _ => Some(flips.into_iter().fold(Plan::normal(), Plan::flip)),
        })
        .await;
        let (digest, content) = upstream.noise(SIZE, 5);
        let proxy = Proxy::to(upstream.address, "verify: always", "").await;
        let answer = try_send(Method::GET, &url(&proxy, &digest), &[], "").await;
        match flips {
            None => assert!(answer.unwrap().body == content),
            Some(_) => assert!(answer.is_err(), "a flipped byte must not look whole"),
        }
    }
}

#[tokio::test]
async fn case_30_a_signed_url_that_expired_is_signed_again() {
    // The storage takes each signature once.
    let storage = Upstream::scripted(|seen| match seen.nth {
        0 if seen.path.contains("sign=1/") => Some(Plan::normal().close_after(700_000)),
        0 => Some(Plan::normal()),
        _ => Some(Plan::status(403)),
    })
    .await;
    let (digest, content) = storage.noise(SIZE, 6);
    let at = storage.address;
    let upstream = Upstream::scripted(move |seen| {
        let name = seen.path.rsplit('/').next().unwrap();
        Some(Plan::redirect(&format!("http://{at}/sign={}/blobs/{name}", seen.nth + 1)))
    })
    .await;
    for cached in [true, false] {
        let trusted = format!("trusted-hosts: [\"{at}\"]");
        let proxy = match cached {
            true => caching_with(&upstream, &trusted, "", "").await,
            false => Proxy::to(upstream.address, &trusted, "").await,
        };
        assert!(get(&url(&proxy, &digest)).await.body == content, "{cached}");
        if cached {
            let paths: Vec<_> = storage.seen("").into_iter().map(|seen| seen.path).collect();
            assert!(
                paths.len() == 2 && paths[0].contains("sign=1/") && paths[1].contains("sign=2/"),
                "{paths:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_stall_is_cut_at_the_idle_time() {
    let upstream = Upstream::scripted(|seen| match seen.nth % 2 {
        0 => Some(Plan::normal().stall_after(500_000, LONG)),
        _ => Some(Plan::normal()),
    })
    .await;
    let (digest, content) = upstream.noise(SIZE, 7);
    for cached in [true, false] {
        let wave = "  upstream: { idle-timeout: 200ms }\n";
        let proxy = match cached {
            true => caching_with(&upstream, "", "", wave).await,
            false => Proxy::to(upstream.address, "", wave).await,
        };
        assert!(get(&url(&proxy, &digest)).await.body == content, "{cached}");
    }
    let again = [1, 3].map(|at| upstream.seen("")[at].header("range").to_string());
    assert_eq!(again, ["bytes=500000-", "bytes=500000-"]);
}
