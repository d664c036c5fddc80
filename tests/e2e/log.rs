//! What the log must not hold, at the level that says most.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::clients::name_and_tag;
use crate::support::http::{Answer, Peer};
use crate::support::images::Layer;
use crate::support::pki::Authority;
use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::token_server::TokenServer;
use crate::support::walk::walk;
use crate::support::wave::Wave;

/// An account of the product, and sha256 of its password.
const ACCOUNT: (&str, &str) = ("bob", "correct-horse");
const DIGEST: &str = "9dca666eb54730714630d1519264a7bf1eeaad00b8f2edc90d3ecbfad928d163";
/// What callers send that is wrong, and that nobody should read either.
const WRONG: &str = "battery-staple";
const ACCESS_TOKEN: &str = "eyJ0aWQiOiAxfS40ZGE4ZDBmMTQ3YzliMWJk";
const SIGNATURE: &str = "5d672d79c15b13162d9279b0855cfba6";
/// A registry that is given the credentials of callers.
const FORWARDED: &str = "own.test";

fn basic(user: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("{user}:{password}"))
}

async fn asked(peer: &Peer, path: &str, (user, password): (&str, &str)) -> StatusCode {
    let authorization = format!("Basic {}", basic(user, password));
    let headers = [("authorization", authorization.as_str())];
    Answer::read(peer.send(Method::GET, path, &headers, "").await).await.status
}

#[tokio::test]
async fn no_token_and_no_password() {
    let authority = Authority::new();
    let tokens = TokenServer::plain(&authority);
    let registry = Registry::token(&tokens);
    let wave = Wave::before(&registry)
        .login(&registry.authority())
        .registry(FORWARDED, json!({"url": registry.url(), "forward-credentials": true}))
        .set(&["accounts"], json!({ACCOUNT.0: DIGEST}))
        .set(&["allow-private-layers"], json!(true))
        .set(&["log"], json!({"level": "trace"}))
        .start();
    let peer = wave.http();

    // Tokens of ours: one that is used well and badly, and one whose layer cannot be had.
    let request = json!({"containerImage": "private/hello:oci", "towerAccessToken": ACCESS_TOKEN});
    let image = wave.mint(&request).await;
    let (name, tag) = name_and_tag(&image);
    walk(&peer, name, tag).await;
    walk(&wave.https(), name, tag).await;
    for path in [
        format!("/v2/{name}/manifests/none"),
        format!("/v2/{name}-other/manifests/oci"),
        format!("/v2/{name}/Wrong/{tag}"),
        format!("/v2/{name}/blobs/sha256:none"),
        format!("/{name}"),
    ] {
        assert!(peer.get(&path).await.status.is_client_error(), "{path}");
    }
    let layer = Layer::of_text("foo.txt", "never read");
    let mut member = layer.inline();
    member["location"] = json!(format!("http://127.0.0.1:9/layer?X-Amz-Signature={SIGNATURE}"));
    let request = json!({"containerImage": "private/hello:oci", "containerConfig": {"layers": [member]}});
    let unreachable = wave.mint(&request).await;
    let path = format!("/v2/{}/blobs/{}", name_and_tag(&unreachable).0, layer.digest);
    assert_eq!(peer.get(&path).await.status, StatusCode::BAD_GATEWAY);

    // Accounts, ours and the registry's.
    let path = "/v2/library/hello/manifests/oci";
    assert_eq!(asked(&peer, path, ACCOUNT).await, StatusCode::OK);
    assert_eq!(asked(&peer, path, (ACCOUNT.0, WRONG)).await, StatusCode::UNAUTHORIZED);
    let path = format!("/v2/{FORWARDED}/private/hello/manifests/oci");
    assert_eq!(asked(&peer, &path, (USER, PASSWORD)).await, StatusCode::OK);
    assert_eq!(asked(&peer, &path, (USER, WRONG)).await, StatusCode::UNAUTHORIZED);
    for (password, valid) in [(PASSWORD, true), (WRONG, false)] {
        let request = json!({"userName": USER, "password": password, "registry": registry.authority()});
        assert_eq!(peer.post("/validate-creds", &request).await.json(), json!(valid));
    }
    let broken = format!("{{\"userName\":\"{USER}\",\"password\":\"{PASSWORD}\",");
    let answer = Answer::read(peer.send(Method::POST, "/validate-creds", &[], &broken).await).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(wave.stop().success());

    let log = wave.log();
    assert!(log.contains("private/hello") && log.contains("TRACE") && log.lines().count() > 50, "{log}");
    let minted = [&image, &unreachable].map(|image| image.split('/').nth(2).expect("a token").to_owned());
    let mut secrets = tokens.issued();
    assert!(secrets.len() >= 3, "{secrets:?}");
    secrets.extend(minted);
    secrets.extend([PASSWORD, ACCOUNT.1, WRONG, ACCESS_TOKEN, SIGNATURE].map(str::to_owned));
    secrets.extend([
        basic(USER, PASSWORD),
        basic(USER, WRONG),
        basic(ACCOUNT.0, ACCOUNT.1),
        basic(ACCOUNT.0, WRONG),
    ]);
    for secret in secrets {
        let shown = log.lines().find(|line| line.contains(&secret));
        assert_eq!(shown, None, "the log holds {secret}");
    }
}
