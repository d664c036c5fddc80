//! Registries that send us elsewhere.

use super::{ALICE, AS_ALICE, FAST, blob};
use crate::support::upstream::Signed;
use crate::support::{Plan, Proxy, Upstream, get, respond, send};
use http::Method;
use std::sync::Arc;
use wave_registry::oci::Digest;

const BLOB: &str = "0123456789";

#[tokio::test]
async fn case_30_relative_and_so_many_hops() {
    for (hops, status) in [(1, 200), (5, 200), (6, 502)] {
        let upstream = Upstream::scripted(move |seen| {
            if seen.path.starts_with("/v2/library/app/blobs/") {
                return Some(Plan::redirect("../hop/1"));
            }
            let hop: usize = seen.path.strip_prefix("/v2/library/app/hop/")?.parse().ok()?;
            Some(match hop {
                hop if hop == hops => respond(200, &[], BLOB).into(),
                hop => Plan::redirect(&format!("{}?from={hop}", hop + 1)),
            })
        })
        .await;
        let proxy = Proxy::with(&upstream, FAST).await;
        let answer = get(&blob(&proxy, Digest::sha256(BLOB))).await;
        assert_eq!(answer.status, status, "{hops} hops");
        assert_eq!(upstream.seen("/").len(), 1 + hops.min(5));
    }
}

#[tokio::test]
async fn case_30_a_circle() {
    let upstream = Upstream::scripted(|seen| Some(Plan::redirect(&seen.path))).await;
    let proxy = Proxy::with(&upstream, FAST).await;
    get(&blob(&proxy, Digest::sha256(BLOB))).await.is_error(502, "UNAVAILABLE");
    assert_eq!(upstream.seen("/").len(), 1);
}

#[tokio::test]
async fn case_30_to_where_nobody_may_send_us() {
    let inside = Upstream::start().await;
    let port = inside.address.port();
    for (location, status, code) in [
        ("http://169.254.169.254/latest/meta-data".to_string(), 403, "DENIED"),
        (format!("http://localhost:{port}/"), 403, "DENIED"),
        (format!("http://[::1]:{port}/"), 403, "DENIED"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), 403, "DENIED"),
        (format!("http://0x7f000002:{port}/"), 403, "DENIED"),
        (format!("http://u:p@127.0.0.1:{port}/"), 502, "UNAVAILABLE"),
        ("ftp://127.0.0.1/".into(), 502, "UNAVAILABLE"),
        ("file:///etc/passwd".into(), 502, "UNAVAILABLE"),
    ] {
        let to = location.clone();
        let upstream = Upstream::scripted(move |_| Some(Plan::redirect(&to))).await;
        let proxy = Proxy::with(&upstream, FAST).await;
        let answer = get(&blob(&proxy, Digest::sha256(BLOB))).await;
        assert_eq!(answer.status, status, "{location}");
        answer.is_error(status, code);
    }
    assert!(inside.seen("/").is_empty());
}

#[tokio::test]
async fn case_30_credentials_stay_and_signatures_are_renewed() {
    let signed = Arc::new(Signed::new(1));
    let check = signed.clone();
    let storage = Upstream::scripted(move |seen| check.check(seen)).await;
    let digest = storage.blob(BLOB);
    let at = storage.address;
    let sign = signed.clone();
    let registry = Upstream::scripted(move |seen| {
        if seen.authorization() != ALICE {
            return Some(Plan::status(401).header("www-authenticate", "Basic realm=\"x\""));
        }
        Some(sign.redirect(&format!("http://{at}{}", seen.path)))
    })
    .await;
    let proxy = Proxy::to(registry.address, AS_ALICE, FAST).await;
    for (range, part) in [("bytes=0-3", "0123"), ("bytes=4-6", "456"), ("bytes=7-", "789")] {
        let answer = send(Method::GET, &blob(&proxy, digest), &[("range", range)], "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (206, part.as_bytes()), "{range}");
    }
    let at_storage = storage.seen("/");
    let queries: Vec<_> = at_storage.iter().map(|seen| (&*seen.query, seen.authorization())).collect();
    assert_eq!(queries, [("sig=1", ""), ("sig=2", ""), ("sig=3", "")]);

    // One that does not hold when it is used is the storage's word, not the caller's to answer.
    let spent = Arc::new(Signed::new(0));
    let check = spent.clone();
    let storage = Upstream::scripted(move |seen| check.check(seen)).await;
    let at = storage.address;
    let registry = Upstream::scripted(move |_| Some(spent.redirect(&format!("http://{at}/x")))).await;
    let proxy = Proxy::with(&registry, FAST).await;
    get(&blob(&proxy, digest)).await.is_error(403, "DENIED");
}
