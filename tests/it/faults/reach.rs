//! Connections that do not come about, or do not last.

use super::{FAST, blob, manifest};
use crate::support::client::try_send;
use crate::support::upstream::Ended;
use crate::support::{Image, Plan, Proxy, Upstream, get, post};
use http::Method;
use serde_json::json;
use socket2::{Domain, SockAddr, Socket, Type};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[tokio::test]
async fn case_19_connections_that_end_without_an_answer() {
    for broken in [Plan::reset(), Plan::close()] {
        let upstream = Upstream::start().await;
        Image::push(&upstream, Some("v1"), "amd64", b"x");
        let proxy = Proxy::with(&upstream, FAST).await;
        upstream.next(Method::GET, "/manifests/", [broken.clone()]);
        assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200, "the second try, after {broken:?}");
        upstream.next(Method::GET, "/manifests/", [broken.clone(), broken]);
        get(&manifest(&proxy, "v1")).await.is_error(502, "UNAVAILABLE");
        assert_eq!(upstream.seen("/manifests/").len(), 4);
    }
}

/// A listener whose queue is full: the kernel drops whoever comes next, as a firewall does.
fn black_hole() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut sockets = vec![listener];
    loop {
        assert!(sockets.len() < 10, "the queue is never full");
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let full = client.connect_timeout(&address, Duration::from_millis(100)).is_err();
        sockets.push(client);
        if full {
            return (address.as_socket().unwrap(), sockets);
        }
    }
}

#[tokio::test]
async fn case_19_a_black_hole() {
    let (address, _sockets) = black_hole();
    let proxy = Proxy::to(address, "", FAST).await;
    let started = Instant::now();
    let refused = get(&manifest(&proxy, "v1")).await;
    refused.is_error(504, "UNAVAILABLE");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn case_20_a_public_name_at_a_private_address() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::start(&upstream).await;
    let proxy = proxy.restart_with(|config| config.replace("unlisted: deny", "unlisted: allow")).await;
    let port = upstream.address.port();
    for host in ["localhost", "127.0.0.1"] {
        // A name is judged by what it resolves to when it is dialled.
        let request = json!({"containerImage": format!("{host}:{port}/library/app:v1")});
        let token = post(&proxy.url("/container-token"), &request).await.json()["containerToken"].clone();
        let path = format!("/v2/wt/{}/library/app/manifests/v1", token.as_str().unwrap());
        let refused = get(&proxy.url(&path)).await;
        refused.is_error(403, "DENIED");
        assert_eq!(refused.json()["errors"][0]["message"], format!("'{host}:{port}': address not allowed"));
    }
    let named = get(&proxy.url(&format!("/v2/127.0.0.1:{port}/library/app/manifests/v1"))).await;
    named.is_error(403, "DENIED");
    assert!(upstream.seen("/").is_empty());
}

#[tokio::test]
async fn case_36_a_kept_connection_closes_at_reuse() {
    let upstream = Upstream::scripted(|_| Some(Plan::normal().hang_up())).await;
    let blobs = upstream.random(36, 20_000);
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::start(&upstream).await;
    for round in 0..1000 {
        let url = if round % 2 == 0 { blob(&proxy, blobs.digest) } else { manifest(&proxy, "v1") };
        let answer = get(&url).await;
        assert_eq!(answer.status, 200, "round {round}");
    }
    let seen = upstream.seen("/v2/");
    assert!(seen.len() >= 1000 && seen.iter().all(|seen| seen.ended() == Some(Ended::Whole)));
}

#[tokio::test]
async fn case_38_a_blob_that_stalls_is_cut_and_frees_its_place() {
    let one = FAST.replace("{ ", "{ max-requests: 1, ");
    let upstream = Upstream::start().await;
    let large = upstream.random(38, 1 << 20);
    let proxy = Proxy::with(&upstream, &one).await;
    let url = blob(&proxy, large.digest);
    let stall = |after| Plan::normal().stall_after(after, Duration::from_secs(60));
    upstream.next(Method::GET, "/blobs/", [stall(100_000)]);
    assert!(get(&url).await.body == large.bytes(0..large.size), "the rest is asked for");
    upstream.next(Method::GET, "/blobs/", [stall(100_000), stall(0), stall(0)]);
    assert!(try_send(Method::GET, &url, &[], "").await.is_err(), "it must not look whole");
    upstream
        .until("/blobs/", |seen| seen.iter().filter(|seen| seen.ended() == Some(Ended::Left)).count() > 2)
        .await;
    let metrics = get(&proxy.admin("/metrics")).await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("wave_response_bodies_broken_total{cause=\"idle\"}"), "{metrics}");
    let whole = get(&url).await;
    assert!(whole.body == large.bytes(0..large.size));
}

#[tokio::test]
async fn case_38_a_blob_that_nobody_waits_for_is_left() {
    let upstream = Upstream::start().await;
    let large = upstream.random(38, 1 << 20);
    let proxy = Proxy::with(&upstream, &FAST.replace("{ ", "{ max-requests: 1, ")).await;
    let url = blob(&proxy, large.digest);
    upstream.next(Method::GET, "/blobs/", [Plan::normal().trickle(1, Duration::from_millis(50))]);
    let client = tokio::spawn({
        let url = url.clone();
        async move { try_send(Method::GET, &url, &[], "").await }
    });
    upstream.until("/blobs/", |seen| seen.first().is_some_and(|seen| seen.sent() > 2)).await;
    client.abort();
    upstream.until("/blobs/", |seen| seen[0].ended() == Some(Ended::Left)).await;
    assert_eq!(get(&url).await.status, 200);
}
