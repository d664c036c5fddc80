//! Tokens that lead nowhere, and those that are not given out.

use crate::support::client::Answer;
use crate::support::{Image, Proxy, Upstream, get, post};
use serde_json::json;
use std::time::Duration;

/// Mints a token for `up.test/library/app:v1`.
async fn mint(proxy: &Proxy) -> Answer {
    post(&proxy.url("/container-token"), &json!({"containerImage": "up.test/library/app:v1"})).await
}

/// The path of an object under a token.
fn path(proxy: &Proxy, minted: &Answer, object: &str) -> String {
    let token = minted.json()["containerToken"].as_str().unwrap().to_string();
    proxy.url(&format!("/v2/wt/{token}/{object}"))
}

fn message(answer: &Answer) -> String {
    answer.json()["errors"][0]["message"].as_str().unwrap().to_string()
}

#[tokio::test]
async fn tokens_that_are_none() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    for (token, reason) in [
        ("abcdefghijklmnopqrstuvwxyz", "the container token is unknown or expired; request a new one"),
        ("bbc389039bf0", "unknown container token"),
    ] {
        for object in ["manifests/v1", "tags/list"] {
            let refused = get(&proxy.url(&format!("/v2/wt/{token}/library/app/{object}"))).await;
            refused.is_error(404, "NAME_UNKNOWN");
            assert_eq!(message(&refused), reason);
        }
    }
    assert!(upstream.seen("/").is_empty());
}

#[tokio::test]
async fn a_token_that_has_expired_says_so() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::with(&upstream, "  tokens: { duration: 1s }\n").await;
    let minted = mint(&proxy).await;
    let url = path(&proxy, &minted, "library/app/manifests/v1");
    assert_eq!(get(&url).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let expired = get(&url).await;
    expired.is_error(404, "NAME_UNKNOWN");
    let when = minted.json()["expiration"].as_str().unwrap().to_string();
    let seconds = when.split(['.', 'Z']).next().unwrap();
    let reason = message(&expired);
    assert!(reason.starts_with(&format!("the container token expired at {seconds}")), "{reason} {when}");
    assert!(reason.ends_with("; request a new one"), "{reason}");
}

#[tokio::test]
async fn a_token_is_for_its_image_and_its_tag() {
    let upstream = Upstream::start().await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    Image::push(&upstream, Some("v2"), "amd64", b"y");
    let proxy = Proxy::start(&upstream).await;
    let minted = mint(&proxy).await;
    let image = get(&path(&proxy, &minted, "library/other/manifests/v1")).await;
    image.is_error(404, "NAME_UNKNOWN");
    assert_eq!(message(&image), "the container token was not made for 'library/other'");
    let tag = get(&path(&proxy, &minted, "library/app/manifests/v2")).await;
    tag.is_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(message(&tag), "the container token was made for 'v1' and not for tag 'v2'");
    assert!(upstream.seen("/").is_empty());
    assert_eq!(get(&path(&proxy, &minted, "library/app/manifests/v1")).await.status, 200);
}

#[tokio::test]
async fn there_is_room_for_so_many_tokens() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::with(&upstream, "  tokens: { max-count: 2 }\n").await;
    for _ in 0..2 {
        assert_eq!(mint(&proxy).await.status, 200);
    }
    let refused = mint(&proxy).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json(), json!({"message": "too many container tokens are in use; try again later"}));
    assert_eq!(refused.header("content-type"), "application/json");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
}
