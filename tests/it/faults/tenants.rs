//! Callers who do not have the same rights upstream.

use super::{ALICE, FAST};
use crate::support::{Image, Plan, Proxy, TinyLayer, Upstream, send};
use http::Method;

/// `bob`, whom the registry knows and does not let in.
const BOB: &str = "Basic Ym9iOmh1bnRlcjI=";

#[tokio::test]
async fn case_25_what_one_may_read_is_not_shown_to_another() {
    let upstream = Upstream::scripted(|seen| match seen.authorization() {
        ALICE => None,
        BOB => Some(Plan::status(403)),
        _ => Some(Plan::status(401).header("www-authenticate", "Basic realm=\"up\"")),
    })
    .await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"base layer");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting_with(&upstream, &tiny, &["/entry"], FAST).await;
    let proxy = proxy
        .restart_with(|config| config.replace("alias: short", "alias: short, forward-credentials: true"))
        .await;
    let ask = async |method: Method, path: &str, authorization: &str, range: &str| {
        let mut headers = vec![("authorization", authorization)];
        headers.extend((!range.is_empty()).then_some(("range", range)));
        headers.retain(|(_, value)| !value.is_empty());
        send(method, &proxy.url(path), &headers, "").await
    };

    let ours = ask(Method::GET, "/v2/library/app/manifests/v1", ALICE, "").await;
    assert_eq!(ours.json()["layers"][1]["digest"], tiny.digest.to_string());
    let root = ours.header("docker-content-digest").to_string();
    let config = ours.json()["config"]["digest"].as_str().unwrap().to_string();
    let paths = [
        "manifests/v1".to_string(),
        format!("manifests/{root}"),
        format!("manifests/{}", image.manifest),
        format!("blobs/{config}"),
        format!("blobs/{}", image.layer),
        "tags/list".into(),
    ];
    for path in &paths[..5] {
        let answer = ask(Method::GET, &format!("/v2/library/app/{path}"), ALICE, "").await;
        assert_eq!(answer.status, 200, "{path}");
    }
    for path in paths {
        for name in ["/v2/library/app", "/v2/up.test/library/app", "/v2/short/library/app"] {
            for (method, range) in [(Method::GET, ""), (Method::GET, "bytes=0-3"), (Method::HEAD, "")] {
                for caller in [BOB, ""] {
                    let answer = ask(method.clone(), &format!("{name}/{path}"), caller, range).await;
                    assert_eq!(answer.status, 401, "{method} {name}/{path} {range} for {caller:?}");
                    if method == Method::GET {
                        answer.is_error(401, "UNAUTHORIZED");
                    }
                }
            }
        }
        let mirrored = ask(Method::GET, &format!("/v2/library/app/{path}?ns=up.test"), BOB, "").await;
        mirrored.is_error(401, "UNAUTHORIZED");
    }
    let referrers = ask(Method::GET, &format!("/v2/library/app/referrers/{root}"), BOB, "").await;
    referrers.is_error(401, "UNAUTHORIZED");
}
