//! Who is served while a registry is down: those who have shown that it lets them read.

use super::{KEEPING, WARNING, files, noted};
use crate::spool::until;
use crate::support::{Image, Plan, Proxy, Upstream, respond, send};
use http::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `alice:a`, `bob:b` and `carol:c` as a client sends them.
const ALICE: &str = "Basic YWxpY2U6YQ==";
const BOB: &str = "Basic Ym9iOmI=";
const CAROL: &str = "Basic Y2Fyb2w6Yw==";

/// Alice and Carol may read `library/app`, Bob has a repository of his own with the same image.
async fn stage() -> (Upstream, Proxy, Arc<AtomicBool>, Image) {
    let down = Arc::new(AtomicBool::new(false));
    let upstream = Upstream::scripted({
        let down = down.clone();
        move |seen| {
            if down.load(Ordering::Relaxed) {
                return Some(Plan::reset());
            }
            let may = match seen.header("authorization") {
                ALICE | CAROL => seen.path.contains("/library/app/"),
                BOB => seen.path.contains("/bob/own/"),
                _ => false,
            };
            (!may).then(|| respond(401, &[("www-authenticate", "Basic realm=\"x\"")], "").into())
        }
    })
    .await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"some layer");
    let proxy = Proxy::to(upstream.address, "forward-credentials: true", KEEPING).await;
    (upstream, proxy, down, image)
}

fn paths(image: &Image) -> [String; 3] {
    ["manifests/v1".into(), format!("manifests/{}", image.manifest), format!("blobs/{}", image.layer)]
}

async fn ask(proxy: &Proxy, who: Option<&str>, method: Method, path: &str) -> crate::support::Answer {
    let headers: Vec<_> = who.map(|who| ("authorization", who)).into_iter().collect();
    send(method, &proxy.url(path), &headers, "").await
}

#[tokio::test]
async fn case_25_nobody_is_told_what_he_could_not_have_asked_for() {
    let (_upstream, proxy, down, image) = stage().await;
    for path in paths(&image) {
        let path = format!("/v2/library/app/{path}");
        assert_eq!(ask(&proxy, Some(ALICE), Method::GET, &path).await.status, 200);
        // Bob asks in vain before, and after.
        assert_eq!(ask(&proxy, Some(BOB), Method::GET, &path).await.status, 401);
    }
    noted(proxy.folder(), 4).await;
    let blob = proxy.folder().join("cache/blobs/sha256").join(&image.layer.hex()[..2]);
    until("the blob", || blob.join(image.layer.hex()).exists()).await;
    down.store(true, Ordering::Relaxed);
    for path in paths(&image) {
        for method in [Method::GET, Method::HEAD] {
            let own = ask(&proxy, Some(ALICE), method.clone(), &format!("/v2/library/app/{path}")).await;
            assert_eq!(own.status, 200, "{method} {path}");
            for who in [Some(BOB), Some(CAROL), None] {
                for name in ["library/app", "up.test/library/app", "short/library/app", "bob/own"] {
                    let answer = ask(&proxy, who, method.clone(), &format!("/v2/{name}/{path}")).await;
                    assert_eq!(answer.status, 502, "{who:?} {method} {name} {path}");
                    assert!(!answer.headers.contains_key("docker-content-digest"));
                }
                let mirrored = format!("/v2/library/app/{path}?ns=up.test");
                assert_eq!(ask(&proxy, who, method.clone(), &mirrored).await.status, 502);
            }
        }
    }
    // By another name it is the same repository.
    let alias = ask(&proxy, Some(ALICE), Method::GET, "/v2/short/library/app/manifests/v1").await;
    assert_eq!((alias.status.as_u16(), alias.header("warning")), (200, WARNING));
}

#[tokio::test]
async fn who_has_shown_it_himself_is_served_and_who_was_refused_since_is_not() {
    let (upstream, proxy, down, image) = stage().await;
    for (who, repository) in [(ALICE, "library/app"), (CAROL, "library/app"), (BOB, "bob/own")] {
        for path in paths(&image) {
            let answer = ask(&proxy, Some(who), Method::GET, &format!("/v2/{repository}/{path}")).await;
            assert_eq!(answer.status, 200, "{who} {path}");
        }
    }
    noted(proxy.folder(), 12).await;
    assert_eq!(files(proxy.folder(), "documents").len(), 1, "bytes are there once for all of a registry");
    down.store(true, Ordering::Relaxed);
    for (who, repository) in [(ALICE, "library/app"), (CAROL, "library/app"), (BOB, "bob/own")] {
        let stale = ask(&proxy, Some(who), Method::GET, &format!("/v2/{repository}/manifests/v1")).await;
        assert_eq!((stale.status.as_u16(), stale.header("warning")), (200, WARNING), "{who}");
    }
    // Upstream is there again, and Carol has been locked out.
    down.store(false, Ordering::Relaxed);
    upstream.next(Method::GET, "/library/app/manifests/v1", [Plan::status(403)]);
    assert_eq!(ask(&proxy, Some(CAROL), Method::GET, "/v2/library/app/manifests/v1").await.status, 401);
    down.store(true, Ordering::Relaxed);
    for path in paths(&image).iter().take(2) {
        let path = format!("/v2/library/app/{path}");
        assert_eq!(ask(&proxy, Some(CAROL), Method::GET, &path).await.status, 502);
        assert_eq!(ask(&proxy, Some(ALICE), Method::GET, &path).await.status, 200);
    }
}

#[tokio::test]
async fn case_25_a_registry_that_names_a_digest_is_not_sent_its_content() {
    // Somebody runs a registry that says of everything that it has it, and goes down.
    let (_upstream, proxy, _down, image) = stage().await;
    assert_eq!(ask(&proxy, Some(ALICE), Method::GET, "/v2/library/app/manifests/v1").await.status, 200);
    noted(proxy.folder(), 3).await;
    let (digest, size) = (image.manifest.to_string(), image.manifest_size.to_string());
    let gone = Arc::new(AtomicBool::new(false));
    let liar = Upstream::scripted({
        let gone = gone.clone();
        move |seen| {
            let media = "application/vnd.oci.image.manifest.v1+json";
            let lie =
                [("docker-content-digest", &*digest), ("content-type", media), ("content-length", &*size)];
            Some(match seen.method == Method::HEAD && !gone.load(Ordering::Relaxed) {
                true => Plan::from(respond(200, &lie, "")),
                false => Plan::reset(),
            })
        }
    })
    .await;
    let line = format!("  liar.test: {{ url: \"http://{}\" }}\n  up.test: {{", liar.address);
    let proxy = proxy.restart_with(|config| config.replace("  up.test: {", &line)).await;
    for (path, notes) in [(format!("manifests/{}", image.manifest), 5), ("manifests/v1".into(), 6)] {
        let path = format!("/v2/liar.test/any/thing/{path}");
        assert_eq!(ask(&proxy, None, Method::HEAD, &path).await.status, 200);
        noted(proxy.folder(), notes).await;
        gone.store(true, Ordering::Relaxed);
        ask(&proxy, None, Method::GET, &path).await.is_error(502, "UNAVAILABLE");
        gone.store(false, Ordering::Relaxed);
    }
}
