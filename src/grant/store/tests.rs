use super::*;
use crate::grant::Layer;
use crate::oci::Compression;
use crate::scratch::Scratch;

const DAY: Duration = Duration::from_secs(86_400);

fn limits(max_count: usize, max_bytes: u64) -> config::Tokens {
    config::Tokens { duration: DAY, max_count, max_bytes }
}

fn state(dir: &Scratch) -> State {
    let cache = config::Cache {
        max_bytes: 0,
        tag_ttl: Duration::ZERO,
        max_derivations: 1,
        max_roots: 10,
        root_ttl: Duration::from_secs(10),
    };
    State::open(dir.path(), &cache).unwrap()
}

fn recipe(word: &str, spooled: Option<u64>) -> Recipe {
    let layer = |size| Layer {
        digest: Digest::sha256(word),
        size,
        diff_id: Digest::sha256(b"tar"),
        compression: Compression::Gzip,
        platforms: Vec::new(),
        source: Source::Spooled,
    };
    Recipe { layers: spooled.map(layer).into_iter().collect(), env: vec![word.into()], ..Recipe::default() }
}

fn grant(recipe: Recipe, demand: Demand) -> Grant {
    Grant {
        registry: "quay.io".parse().unwrap(),
        repository: "a".parse().unwrap(),
        reference: Some("latest".parse().unwrap()),
        recipe: Arc::new(recipe),
        demand,
        access: None,
        expires: None,
        owner: None,
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + DAY * 20_000
}

#[tokio::test]
async fn a_token_lives_lingers_and_is_forgotten() {
    let dir = Scratch::new();
    let grants = Grants::load(state(&dir), &limits(9, 1 << 20), &Recipe::default());
    let (token, grant) = grants.mint(grant(recipe("x", None), Demand::Explicit), now()).await.unwrap();
    assert_eq!(grant.expires, Some(now() + DAY));
    assert!(matches!(grants.find(&token, now() + DAY - Duration::from_secs(1)), Found::Live(_)));
    let found = grants.find(&token, now() + DAY);
    assert!(matches!(found, Found::Expired { since, .. } if since == now() + DAY));
    assert!(matches!(grants.find(&token, now() + DAY + LINGER), Found::Unknown));
    assert!(matches!(grants.find(&Token::mint().unwrap(), now()), Found::Unknown));
}

#[tokio::test]
async fn tokens_survive_the_process_and_end_on_disk_too() {
    let dir = Scratch::new();
    let open = || Grants::load(state(&dir), &limits(9, 1 << 20), &Recipe::default());
    let (token, _) = open().mint(grant(recipe("x", None), Demand::Explicit), now()).await.unwrap();
    let grants = open();
    let Found::Live(found) = grants.find(&token, now()) else { panic!("lost") };
    assert_eq!(*found.recipe, recipe("x", None));
    assert_eq!(grants.sweep(now() + DAY + LINGER).await.unwrap().removed, 1);
    drop(grants);
    assert!(matches!(open().find(&token, now()), Found::Unknown));
}

#[tokio::test]
async fn a_token_without_a_config_follows_the_default_layer() {
    let dir = Scratch::new();
    let (old, new) = (recipe("old", None), recipe("new", None));
    let grants = Grants::load(state(&dir), &limits(9, 1 << 20), &old);
    let pinned = Recipe { platforms: vec!["arm64".parse().unwrap()], ..old.clone() };
    let (plain, _) = grants.mint(grant(pinned, Demand::Default), now()).await.unwrap();
    let (own, _) = grants.mint(grant(old.clone(), Demand::Explicit), now()).await.unwrap();
    drop(grants);
    let grants = Grants::load(state(&dir), &limits(9, 1 << 20), &new);
    let Found::Live(plain) = grants.find(&plain, now()) else { panic!("lost") };
    let Found::Live(own) = grants.find(&own, now()) else { panic!("lost") };
    assert_eq!((&plain.recipe.env, plain.recipe.platforms.len()), (&new.env, 1));
    assert_eq!(*own.recipe, old);
}

#[tokio::test]
async fn a_full_store_refuses_and_evicts_nobody() {
    let dir = Scratch::new();
    let grants = Grants::load(state(&dir), &limits(2, 1 << 20), &Recipe::default());
    let (first, _) = grants.mint(grant(recipe("x", None), Demand::Explicit), now()).await.unwrap();
    let later = now() + DAY - Duration::from_secs(100);
    grants.mint(grant(recipe("x", None), Demand::Explicit), later).await.unwrap();
    let error = grants.mint(grant(recipe("x", None), Demand::Explicit), later).await.unwrap_err();
    assert_eq!(error.code(), Code::TooManyRequests);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(100)));
    assert!(matches!(grants.find(&first, later), Found::Live(_)));
    // The first has ended: it only lingers, and makes room.
    grants.mint(grant(recipe("x", None), Demand::Explicit), now() + DAY).await.unwrap();
    assert!(matches!(grants.find(&first, now() + DAY), Found::Unknown));
}

#[tokio::test]
async fn bytes_count_once_for_all_that_share_a_recipe() {
    let dir = Scratch::new();
    let grants = Grants::load(state(&dir), &limits(100, 10_000), &Recipe::default());
    for _ in 0..5 {
        grants.mint(grant(recipe("x", Some(6000)), Demand::Explicit), now()).await.unwrap();
    }
    let error = grants.mint(grant(recipe("y", Some(6000)), Demand::Explicit), now()).await.unwrap_err();
    assert_eq!(error.code(), Code::TooManyRequests);
    let swept = grants.sweep(now()).await.unwrap();
    assert_eq!(swept, Swept { removed: 0, spooled: BTreeSet::from([Digest::sha256("x")]) });
    assert_eq!(grants.sweep(now() + DAY + LINGER).await.unwrap(), Swept { removed: 5, ..Swept::default() });
    assert_eq!(grants.0.lock().bytes, 0);
}

#[tokio::test]
async fn ten_thousand_callers_at_once_stay_within_the_bound() {
    let dir = Scratch::new();
    let grants = Grants::load(state(&dir), &limits(4000, 1 << 30), &Recipe::default());
    let mints = (0..10_000).map(|_| grants.mint(grant(recipe("x", None), Demand::Explicit), now()));
    let outcomes = futures_util::future::join_all(mints).await;
    let tokens: BTreeSet<_> =
        outcomes.iter().filter_map(|o| o.as_ref().ok()).map(|(token, _)| *token).collect();
    assert_eq!(tokens.len(), 4000);
    let refused = outcomes.iter().filter_map(|o| o.as_ref().err());
    assert!(refused.clone().all(|error| error.code() == Code::TooManyRequests));
    assert_eq!(refused.count(), 6000);
    drop(grants);
    let grants = Grants::load(state(&dir), &limits(4000, 1 << 30), &Recipe::default());
    assert!(tokens.iter().all(|token| matches!(grants.find(token, now()), Found::Live(_))));
}
