//! Blobs on disk go to plain connections inside the kernel.

use super::reader::Reader;
use super::{caching, metric, published, until, url};
use crate::support::{Plan, Proxy, Upstream};
use http::Method;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;
use wave_registry::body::bounded;
use wave_registry::oci::Digest;

const SENT: &str = "wave_sendfile_bytes_total";

/// Pulls `ranges` of a blob one after the other over one connection.
async fn over_one_connection(proxy: &Proxy, digest: &Digest, ranges: &[&str]) -> Vec<Vec<u8>> {
    let url = url(proxy, digest);
    let uri: http::Uri = url.parse().unwrap();
    let stream = TcpStream::connect(uri.authority().unwrap().as_str()).await.unwrap();
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for range in ranges {
        let mut request = http::Request::get(uri.path()).header("host", "x");
        if !range.is_empty() {
            request = request.header("range", *range);
        }
        let response = send.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), if range.is_empty() { 200 } else { 206 });
        answers.push(bounded(response.into_body(), 1 << 28).await.unwrap().to_vec());
        send.ready().await.expect("the connection is kept");
    }
    answers
}

#[tokio::test]
async fn whole_blobs_and_parts_of_them() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(5_000_000, 31);
    let proxy = caching(&upstream, "").await;
    assert!(Reader::get(&url(&proxy, &digest)).await.all().await.unwrap() == content);
    published(&proxy, &digest).await;
    let before = metric(&proxy, SENT).await;
    let ranges = ["", "bytes=1000000-1999999", "bytes=4999999-", "bytes=-70000", ""];
    let answers = over_one_connection(&proxy, &digest, &ranges).await;
    let expected = [
        &content[..],
        &content[1_000_000..2_000_000],
        &content[4_999_999..],
        &content[4_930_000..],
        &content,
    ];
    for ((answer, expected), range) in answers.iter().zip(expected).zip(ranges) {
        assert!(answer == expected, "{range}");
    }
    let sent: usize = answers.iter().map(Vec::len).sum();
    // It has just been written, so it is in memory.
    assert!(metric(&proxy, SENT).await >= before + sent as f64);
    assert_eq!(upstream.count(Method::GET), 1);
}

#[tokio::test]
async fn fifty_readers_of_a_fill_and_fifty_of_what_is_there() {
    let upstream =
        Upstream::scripted(|_| Some(Plan::normal().trickle(64 * 1024, Duration::from_millis(2)))).await;
    let (digest, content) = upstream.noise(6 << 20, 32);
    let proxy = caching(&upstream, "").await;
    let before = metric(&proxy, SENT).await;
    for turn in 0..2 {
        let readers = (0..50).map(|n| {
            let (url, content) = (url(&proxy, &digest), content.clone());
            async move {
                let first = n * 100_000;
                let reader = Reader::range(&url, &format!("bytes={first}-")).await;
                assert!(reader.is(&content[first..], Duration::from_micros(n as u64)).await, "{turn}: {n}");
            }
        });
        futures_util::future::join_all(readers).await;
        published(&proxy, &digest).await;
    }
    let sent = 2 * (0..50).map(|n| content.len() - n * 100_000).sum::<usize>();
    assert!(metric(&proxy, SENT).await >= before + sent as f64 / 2.0);
    assert_eq!(upstream.count(Method::GET), 1);
}

/// The last bytes of a blob come when its digest is right, however they go.
#[tokio::test]
async fn a_wrong_blob_never_ends() {
    let plan = || Plan::normal().flip(1_000_000).trickle(64 * 1024, Duration::from_millis(2));
    let upstream = Upstream::scripted(move |_| Some(plan())).await;
    let (digest, content) = upstream.noise(3_000_000, 33);
    let proxy = caching(&upstream, "").await;
    let readers = (0..10).map(|_| async {
        let mut reader = Reader::get(&url(&proxy, &digest)).await;
        let whole = reader.until(usize::MAX, Duration::ZERO).await;
        (whole && reader.status.is_success(), reader.content.len())
    });
    for (whole, got) in futures_util::future::join_all(readers).await {
        assert!(!whole && got <= content.len() - 64 * 1024, "{got}");
    }
}

/// A client that leaves costs the others nothing.
#[tokio::test]
async fn a_reader_who_leaves() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(12 << 20, 34);
    let proxy = caching(&upstream, "").await;
    let mut first = Reader::get(&url(&proxy, &digest)).await;
    assert!(first.until(1, Duration::ZERO).await);
    drop(first);
    published(&proxy, &digest).await;
    let mut second = Reader::get(&url(&proxy, &digest)).await;
    assert!(second.until(1, Duration::ZERO).await);
    drop(second);
    assert!(Reader::get(&url(&proxy, &digest)).await.all().await.unwrap() == content);
    until("no fill", || super::filling(&super::cache(&proxy)) == 0).await;
    assert_eq!(upstream.count(Method::GET), 1);
}
