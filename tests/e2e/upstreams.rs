//! Registries that want accounts, tokens or a private authority.

use http::StatusCode;
use serde_json::{Value, json};

use crate::pulls::runs_augmented;
use crate::support::clients::{Client, Containerd, Skopeo, Via};
use crate::support::pack::Pack;
use crate::support::pki::Authority;
use crate::support::registry::Registry;
use crate::support::token_server::TokenServer;
use crate::support::walk::walk;
use crate::support::wave::{Builder, Wave};

/// Pulls by a client, which runs the small images, and walks through all objects: `name` as one manifest and as an
/// index, and the large image.
async fn pulls(wave: Builder, name: &str) -> (Wave, Pack) {
    let (pack, skopeo) = (Pack::new(), Skopeo::new());
    let wave = wave.layer(&pack.json()).start();
    for tag in ["oci", "index"] {
        runs_augmented(&skopeo, &format!("{}/{name}:{tag}", wave.plain()), Via::Http);
        walk(&wave.http(), name, tag).await;
    }
    skopeo.pull(&format!("{}/library/large:oci", wave.plain()), Via::Http).ok();
    walk(&wave.http(), "library/large", "oci").await;
    (wave, pack)
}

/// What the registry does not give us, we do not give, and we say why.
async fn denied(wave: Builder, name: &str) {
    let wave = wave.start();
    let answer = wave.http().get(&format!("/v2/{name}/manifests/oci")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert_eq!(answer.json()["errors"][0]["code"], "DENIED", "{answer:?}");
}

#[tokio::test]
async fn an_account_by_basic_authentication() {
    let registry = Registry::htpasswd();
    denied(Wave::before(&registry), "library/hello").await;
    let wrong = Wave::before(&registry).login(&registry.authority());
    denied(wrong.set(&["registries", &registry.authority(), "password"], json!("wrong")), "library/hello")
        .await;
    pulls(Wave::before(&registry).login(&registry.authority()), "library/hello").await;
}

#[tokio::test]
async fn an_anonymous_token() {
    let authority = Authority::new();
    let tokens = TokenServer::plain(&authority);
    let registry = Registry::token(&tokens);
    denied(Wave::before(&registry), "private/hello").await;
    pulls(Wave::before(&registry), "library/hello").await;
}

#[tokio::test]
async fn a_token_for_an_account() {
    let authority = Authority::new();
    let tokens = TokenServer::plain(&authority);
    let registry = Registry::token(&tokens);
    let wrong = Wave::before(&registry).login(&registry.authority());
    denied(wrong.set(&["registries", &registry.authority(), "password"], json!("wrong")), "private/hello")
        .await;
    pulls(Wave::before(&registry).login(&registry.authority()), "private/hello").await;
}

#[tokio::test]
async fn a_token_is_asked_for_once() {
    let authority = Authority::new();
    let tokens = TokenServer::plain(&authority);
    let registry = Registry::token(&tokens);
    let wave = Wave::before(&registry).login(&registry.authority()).start();
    let peer = wave.http();
    let walks = (0..4).map(|_| {
        let peer = peer.clone();
        tokio::spawn(async move { walk(&peer, "private/hello", "oci").await.root })
    });
    for walk in walks.collect::<Vec<_>>() {
        walk.await.expect("every pull succeeds");
    }
    assert_eq!(tokens.requests(), 1);
}

#[tokio::test]
async fn a_private_authority() {
    let authority = Authority::new();
    let registry = Registry::tls(&authority.issue(&["localhost", "127.0.0.1"]));
    let host = registry.authority();
    pulls(Wave::before(&registry).registry(&host, trusting(&registry, &authority)), "library/hello").await;

    // A registry whose certificate we cannot check is not there.
    let wave = Wave::before(&registry).registry(&host, json!({"url": registry.url()})).start();
    let answer = wave.http().get("/v2/library/hello/manifests/oci").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");
    assert_eq!(answer.json()["errors"][0]["code"], "UNAVAILABLE", "{answer:?}");
}

#[tokio::test]
async fn tokens_behind_a_private_authority() {
    let authority = Authority::new();
    let tokens = TokenServer::tls(&authority);
    let registry = Registry::token_tls(&tokens, &authority.issue(&["localhost", "127.0.0.1"]));
    let host = registry.authority();
    let wave = Wave::before(&registry).registry(&host, trusting(&registry, &authority)).login(&host);
    let (wave, _pack) = pulls(wave, "private/hello").await;

    // A daemon, with TLS all the way.
    let containerd = Containerd::start();
    for image in ["private/hello:index", "library/large:oci"] {
        runs_augmented(&containerd, &format!("{}/{image}", wave.tls()), Via::Tls(wave.authority()));
    }
}

fn trusting(registry: &Registry, authority: &Authority) -> Value {
    json!({"url": registry.url(), "ca-file": authority.file()})
}
