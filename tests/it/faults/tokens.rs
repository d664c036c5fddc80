//! Token services that fail, and those that are not the registry's.

use super::{ALICE, AS_ALICE, FAST, manifest};
use crate::support::client::Answer;
use crate::support::upstream::{Challenge, Tokens};
use crate::support::{Image, Plan, Proxy, Upstream, get, respond};
use std::sync::Arc;
use std::time::Duration;

/// A registry with `library/app:v1` behind a guard.
async fn guarded(tokens: Tokens) -> (Upstream, Arc<Tokens>) {
    let tokens = Arc::new(tokens);
    let guard = tokens.clone();
    let upstream = Upstream::scripted(move |seen| guard.plan(seen)).await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    (upstream, tokens)
}

#[tokio::test]
async fn case_23_a_token_that_is_revoked_is_renewed_once() {
    let (upstream, tokens) = guarded(Tokens::new(Challenge::Own, None)).await;
    let proxy = Proxy::with(&upstream, FAST).await;
    let url = manifest(&proxy, "v1");
    for round in 1..=3 {
        assert_eq!(get(&url).await.status, 200);
        assert_eq!(get(&url).await.status, 200);
        assert_eq!(upstream.seen("/token").len(), round);
        tokens.revoke();
    }
    let presented: Vec<_> =
        upstream.seen("/manifests/").iter().map(|seen| seen.authorization().to_string()).collect();
    let want = [
        "",
        "Bearer t1",
        "Bearer t1",
        "Bearer t1",
        "Bearer t2",
        "Bearer t2",
        "Bearer t2",
        "Bearer t3",
        "Bearer t3",
    ];
    assert_eq!(presented, want);
}

#[tokio::test]
async fn case_23_many_pulls_share_one_token() {
    let (upstream, tokens) = guarded(Tokens::new(Challenge::Own, None)).await;
    let proxy = Proxy::start(&upstream).await;
    let url = manifest(&proxy, "v1");
    for round in 1..=2 {
        let pulls = (0..20).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { get(&url).await.status })
        });
        for pull in futures_util::future::join_all(pulls).await {
            assert_eq!(pull.unwrap(), 200);
        }
        assert_eq!(upstream.seen("/token").len(), round);
        tokens.revoke();
    }
}

#[tokio::test]
async fn case_23_a_token_that_does_not_say_how_long_it_holds() {
    for terms in [
        r#""expires_in":0"#,
        r#""expires_in":60"#,
        r#""expires_in":null,"access_token":"other""#,
        r#""expires_in":-5,"issued_at":"2099-01-01T00:00:00Z""#,
    ] {
        let (upstream, _) = guarded(Tokens::new(Challenge::Own, None).terms(terms)).await;
        let proxy = Proxy::with(&upstream, FAST).await;
        for _ in 0..3 {
            assert_eq!(get(&manifest(&proxy, "v1")).await.status, 200, "{terms}");
        }
        assert_eq!(upstream.seen("/token").len(), 1, "{terms}");
    }
}

/// A pull whose token service answers with `plan` each time.
async fn served_by(plan: Plan) -> (Answer, Upstream) {
    let (upstream, tokens) = guarded(Tokens::new(Challenge::Own, Some(ALICE))).await;
    tokens.answer_next(vec![plan; 4]);
    let proxy = Proxy::to(upstream.address, AS_ALICE, FAST).await;
    (get(&manifest(&proxy, "v1")).await, upstream)
}

#[tokio::test]
async fn case_24_a_token_service_that_is_out_of_order() {
    for (plan, status, code, tries) in [
        (respond(200, &[], "x".repeat(10 << 20)).into(), 502, "UNAVAILABLE", 2),
        (respond(200, &[("content-type", "text/html")], "<html>Log in</html>").into(), 502, "UNAVAILABLE", 1),
        (respond(200, &[], r#"{"expires_in":300}"#).into(), 502, "UNAVAILABLE", 1),
        (Plan::status(500), 502, "UNAVAILABLE", 2),
        (Plan::status(403), 403, "DENIED", 1),
        (Plan::status(429).header("retry-after", "9"), 429, "TOOMANYREQUESTS", 1),
        (Plan::normal().delay_head(Duration::from_secs(30)), 504, "UNAVAILABLE", 1),
        (Plan::redirect("http://169.254.169.254/token"), 403, "DENIED", 1),
    ] {
        let (answer, upstream) = served_by(plan).await;
        answer.is_error(status, code);
        assert_eq!(upstream.seen("/token").len(), tries, "{status} {code}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("s3cret") && !text.contains("YWxpY2U"), "{text}");
    }
}

#[tokio::test]
async fn case_24_a_realm_elsewhere_gets_no_credentials() {
    let elsewhere = Upstream::scripted(|_| Some(respond(200, &[], r#"{"token":"t9"}"#))).await;
    let port = elsewhere.address.port();
    for realm in [
        format!("http://localhost:{port}/token"),
        format!("http://[::ffff:127.0.0.1]:{port}/token"),
        "http://169.254.169.254/token".into(),
        format!("http://u:p@127.0.0.1:{port}/token"),
        format!("ftp://127.0.0.1:{port}/token"),
        "words".into(),
    ] {
        let (upstream, _) = guarded(Tokens::new(Challenge::At(realm.clone()), None)).await;
        let proxy = Proxy::to(upstream.address, AS_ALICE, FAST).await;
        let refused = get(&manifest(&proxy, "v1")).await;
        refused.is_error(403, "DENIED");
        assert!(upstream.seen("/").iter().all(|seen| seen.authorization().is_empty()), "{realm}");
    }
    assert!(elsewhere.seen("/").is_empty());
}

#[tokio::test]
async fn case_24_challenges_in_strange_words() {
    for (lines, status) in [
        (vec![], 403),
        (vec!["Negotiate"], 403),
        (vec!["Bearer"], 403),
        (vec!["Bearer realm="], 403),
        (vec!["Digest realm=\"x\"", "Basic realm=\"x\""], 200),
    ] {
        let lines_of = lines.clone();
        let guard = Tokens::new(Challenge::Lines(lines), None);
        let upstream =
            Upstream::scripted(
                move |seen| {
                    if seen.authorization() == ALICE { None } else { guard.plan(seen) }
                },
            )
            .await;
        Image::push(&upstream, Some("v1"), "amd64", b"x");
        let proxy = Proxy::to(upstream.address, AS_ALICE, FAST).await;
        assert_eq!(get(&manifest(&proxy, "v1")).await.status, status, "{lines_of:?}");
    }
}
