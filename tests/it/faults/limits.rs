//! Registries that are asked no more than they, or the operator, want.

use super::{ALICE, AS_ALICE, FAST, blob, manifest};
use crate::support::client::try_send;
use crate::support::upstream::{Challenge, Tokens};
use crate::support::{Image, Plan, Proxy, TinyLayer, Upstream, get, head, send};
use http::Method;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `image`'s tag and its layer.
async fn registry() -> (Upstream, Image) {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    (upstream, image)
}

#[tokio::test]
async fn case_22_a_registry_that_names_a_time_is_not_asked_before() {
    let (upstream, image) = registry().await;
    let proxy = Proxy::with(&upstream, FAST).await;
    upstream.next(Method::GET, "/manifests/", [Plan::status(429).header("retry-after", "3600")]);
    for reference in ["v1", "v1", "v2"] {
        let refused = get(&manifest(&proxy, reference)).await;
        refused.is_error(429, "TOOMANYREQUESTS");
        let after: u64 = refused.header("retry-after").parse().unwrap();
        assert!((3590..=3600).contains(&after), "{after}");
    }
    assert_eq!(upstream.seen("/manifests/").len(), 1);
    // It counts pulls: to look at a tag and to fetch a blob is none.
    assert_eq!(head(&manifest(&proxy, "v1")).await.status, 200);
    assert_eq!(get(&blob(&proxy, image.layer)).await.status, 200);
}

#[tokio::test]
async fn case_22_the_time_of_one_caller_is_not_that_of_another() {
    let upstream = Upstream::scripted(|seen| match seen.authorization() {
        "" => Some(Plan::status(401).header("www-authenticate", "Basic realm=\"x\"")),
        ALICE => Some(Plan::status(429).header("retry-after", "60")),
        _ => None,
    })
    .await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::to(upstream.address, "forward-credentials: true", FAST).await;
    let ask = async |authorization: &str| {
        let headers = [("authorization", authorization)];
        send(Method::GET, &manifest(&proxy, "v1"), &headers, "").await
    };
    for _ in 0..3 {
        ask(ALICE).await.is_error(429, "TOOMANYREQUESTS");
    }
    assert_eq!(upstream.seen("/").iter().filter(|seen| seen.authorization() == ALICE).count(), 1);
    assert_eq!(ask("Basic Ym9iOnB3").await.status, 200);
}

#[tokio::test]
async fn case_39_what_is_left_of_the_quota_is_known() {
    let (upstream, _) = registry().await;
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy =
        Proxy::augmenting_with(&upstream, &tiny, &["/entry"], &format!("{FAST}  cache: {{ tag-ttl: 0s }}\n"))
            .await;
    let said = |left: &str| {
        Plan::normal()
            .header("ratelimit-limit", "100;w=21600")
            .header("ratelimit-remaining", left)
            .header("docker-ratelimit-source", "192.0.2.39")
    };
    for left in ["76;w=21600", "0;w=21600"] {
        upstream.next(Method::HEAD, "/manifests/", [said(left)]);
        assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200, "what is known is no pull");
        let metrics = get(&proxy.admin("/metrics")).await;
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        let left = left.split(';').next().unwrap();
        for series in [
            format!("wave_upstream_quota_remaining{{registry=\"short\",source=\"address\"}} {left}"),
            "wave_upstream_quota_limit{registry=\"short\",source=\"address\"} 100".into(),
        ] {
            assert!(metrics.contains(&format!("{series}\n")), "{series} in {metrics}");
        }
        assert!(!metrics.contains("192.0.2.39"));
    }
    let asked: Vec<_> = upstream.seen("/manifests/v1").iter().map(|seen| seen.method.to_string()).collect();
    assert_eq!(asked, ["HEAD", "HEAD"], "to look at a tag costs nothing");
}

#[tokio::test]
async fn case_39_a_copy_that_still_stands_costs_no_pull() {
    let (upstream, image) = registry().await;
    let proxy = Proxy::with(&upstream, FAST).await;
    let etag = format!("\"{}\"", image.manifest);
    let ask = async |etag: &str| {
        let answer = send(Method::GET, &manifest(&proxy, "v1"), &[("if-none-match", etag)], "").await;
        let asked: Vec<_> = upstream.seen("/manifests/").iter().map(|seen| seen.method.to_string()).collect();
        (answer.status.as_u16(), asked.join(" "))
    };
    assert_eq!(ask(&etag).await, (304, "HEAD".into()));
    assert_eq!(ask("\"other\"").await, (200, "HEAD HEAD GET".into()));
    // Without HEAD there is only the content to look at.
    upstream.next(Method::HEAD, "/manifests/", [Plan::status(404)]);
    assert_eq!(ask(&etag).await, (304, "HEAD HEAD GET HEAD GET".into()));
}

#[tokio::test]
async fn requests_beyond_the_rate_wait_for_their_turn_or_are_refused() {
    let (upstream, _) = registry().await;
    let proxy = Proxy::to(upstream.address, "rate: 2 / 1s", FAST).await;
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200);
    }
    assert!(begun.elapsed() >= Duration::from_millis(1450), "{:?}", begun.elapsed());

    let proxy = Proxy::with(&upstream, &FAST.replace("{ ", "{ rate: 2 / 1h, rate-wait: 0s, ")).await;
    let before = upstream.seen("/").len();
    for _ in 0..2 {
        assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200);
    }
    let refused = get(&manifest(&proxy, "v1")).await;
    refused.is_error(429, "TOOMANYREQUESTS");
    let after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1790..=1800).contains(&after), "{after}");
    assert_eq!(upstream.seen("/").len(), before + 2);
}

#[tokio::test]
async fn so_many_connections_and_no_more() {
    let (upstream, _) = registry().await;
    let large = upstream.random(1, 1 << 20);
    let wave = FAST.replace("idle-timeout: 1s", "idle-timeout: 60s");
    let proxy = Proxy::to(upstream.address, "max-connections: 2", &wave).await;
    let url = blob(&proxy, large.digest);
    upstream.next(Method::GET, "/blobs/", vec![Plan::normal().stall_after(1000, Duration::from_secs(60)); 2]);
    let pulls: Vec<_> = (0..2)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { try_send(Method::GET, &url, &[], "").await })
        })
        .collect();
    upstream.until("/blobs/", |seen| seen.len() == 2).await;
    let refused = get(&url).await;
    refused.is_error(503, "UNAVAILABLE");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(upstream.seen("/").len(), 2);

    // Whoever waits gets the place of whoever leaves.
    let waiting = tokio::spawn(async move { get(&url).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    pulls[0].abort();
    assert!(waiting.await.unwrap().body == large.bytes(0..large.size));
    pulls[1].abort();
}

#[tokio::test]
async fn a_single_connection_serves_everything_in_turn() {
    let guard = Arc::new(Tokens::new(Challenge::Own, Some(ALICE)));
    let tokens = guard.clone();
    let upstream = Upstream::scripted(move |seen| tokens.plan(seen)).await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"base layer");
    let large = upstream.random(2, 300_000);
    for most in [1, 2, 5] {
        guard.revoke();
        let registry = format!("{AS_ALICE}, max-connections: {most}");
        let proxy = Proxy::to(upstream.address, &registry, "  upstream: { connect-timeout: 20s }\n").await;
        let pulls = (0..30).map(|number| {
            let url = match number % 3 {
                0 => manifest(&proxy, "v1"),
                1 => blob(&proxy, image.layer),
                _ => blob(&proxy, large.digest),
            };
            tokio::spawn(async move { (get(&url).await.status, url) })
        });
        for pull in futures_util::future::join_all(pulls).await {
            let (status, url) = pull.unwrap();
            assert_eq!(status, 200, "{most}: {url}");
        }
    }
}
