//! What is answered while a registry is down, and what it says itself. Cases by the numbers of the fault plan.

use super::{KEEPING, Registry, WARNING, ask, files, is_stale, noted, outages};
use crate::spool::{metric, until};
use crate::support::{Image, Plan, Proxy, Upstream, respond};
use http::Method;

#[tokio::test]
async fn case_19_21_22_what_was_pulled_before_is_served_while_upstream_is_down() {
    let registry = Registry::start().await;
    let image = Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
    let proxy = registry.proxy().await;
    let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    assert!(fresh.status == 200 && !fresh.headers.contains_key("warning"));
    noted(proxy.folder(), 3).await;
    for (what, plan, ..) in outages() {
        registry.all(plan);
        let stale = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
        is_stale(&fresh, &stale);
        assert_eq!(stale.body, fresh.body, "{what}");
        let head = ask(&proxy, Method::HEAD, "manifests/v1", &[]).await;
        is_stale(&fresh, &head);
        assert!(head.body.is_empty());
        let etag = fresh.header("etag");
        for method in [Method::GET, Method::HEAD] {
            let same = ask(&proxy, method, "manifests/v1", &[("if-none-match", etag)]).await;
            assert_eq!((same.status.as_u16(), same.header("warning")), (304, WARNING), "{what}");
        }
        // What is by digest is never stale.
        let path = format!("manifests/{}", image.manifest);
        for method in [Method::GET, Method::HEAD] {
            let kept = ask(&proxy, method.clone(), &path, &[]).await;
            assert_eq!(kept.status, 200, "{what}");
            assert_eq!(kept.header("content-type"), fresh.header("content-type"));
            assert!(!kept.headers.contains_key("warning") && !kept.headers.contains_key("age"));
            assert!(method == Method::HEAD || kept.body == fresh.body);
        }
    }
    assert!(metric(&proxy, "wave_stale_answers_total{kind=\"tag\"}").await >= 40.0);
    assert!(metric(&proxy, "wave_stale_answers_total{kind=\"document\"}").await >= 20.0);
    registry.up();
    let again = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    assert!(again.body == fresh.body && !again.headers.contains_key("warning"));
    // It has moved, and is found where it was last.
    Image::push(&registry.upstream, Some("v1"), "amd64", b"another");
    let moved = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    noted(proxy.folder(), 4).await;
    registry.all(Plan::reset());
    let stale = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    is_stale(&moved, &stale);
    assert!(stale.body == moved.body && stale.body != fresh.body);
}

/// An upstream that is not asked, because of what it said or did a moment ago, is down as well.
#[tokio::test]
async fn case_19_22_what_was_pulled_before_is_served_while_upstream_is_left_alone() {
    for (keys, plan) in [
        (
            KEEPING.replace(
                "breaker-failures: 0",
                "breaker-failures: 1, breaker-pause: 1h, breaker-longest: 1h",
            ),
            Plan::reset(),
        ),
        (KEEPING.to_string(), Plan::status(429).header("retry-after", "3600")),
    ] {
        let registry = Registry::start().await;
        let image = Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
        let proxy = Proxy::to(registry.upstream.address, "", &keys).await;
        let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
        noted(proxy.folder(), 3).await;
        registry.all(plan);
        is_stale(&fresh, &ask(&proxy, Method::GET, "manifests/v1", &[]).await);
        let asked = registry.upstream.seen("").len();
        is_stale(&fresh, &ask(&proxy, Method::GET, "manifests/v1", &[]).await);
        let kept = ask(&proxy, Method::GET, &format!("manifests/{}", image.manifest), &[]).await;
        assert!(kept.status == 200 && kept.body == fresh.body);
        assert_eq!(registry.upstream.seen("").len(), asked, "it is left alone");
        let unknown = ask(&proxy, Method::GET, "manifests/v2", &[]).await;
        assert!(matches!(unknown.status.as_u16(), 429 | 503), "{}", unknown.status);
    }
}

#[tokio::test]
async fn a_manifest_that_breaks_off_is_no_answer() {
    let registry = Registry::start().await;
    Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
    let proxy = registry.proxy().await;
    let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    noted(proxy.folder(), 3).await;
    for plan in [Plan::normal().reset_after(10), Plan::normal().close_after(10)] {
        registry.all(plan);
        let stale = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
        is_stale(&fresh, &stale);
        assert_eq!(stale.body, fresh.body);
    }
}

#[tokio::test]
async fn of_what_nothing_is_known_the_failure_is_handed_on_and_never_a_404() {
    let registry = Registry::start().await;
    let image = Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
    Image::push(&registry.upstream, Some("v2"), "arm64", b"y");
    let proxy = registry.proxy().await;
    assert_eq!(ask(&proxy, Method::GET, "manifests/v2", &[]).await.status, 200);
    noted(proxy.folder(), 3).await;
    for (what, plan, status, code) in outages() {
        registry.all(plan);
        for path in ["manifests/v1".to_string(), format!("manifests/{}", image.manifest)] {
            ask(&proxy, Method::GET, &path, &[]).await.is_error(status, code);
            let head = ask(&proxy, Method::HEAD, &path, &[]).await;
            assert_eq!(head.status, status, "{what}");
        }
    }
}

#[tokio::test]
async fn a_404_is_handed_on_and_forgets_the_tag() {
    let registry = Registry::start().await;
    Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
    Image::push(&registry.upstream, Some("v2"), "arm64", b"y");
    let proxy = registry.proxy().await;
    for method in [Method::GET, Method::HEAD] {
        for tag in ["v1", "v2"] {
            registry.up();
            let fresh = ask(&proxy, Method::GET, &format!("manifests/{tag}"), &[]).await;
            assert_eq!(fresh.status, 200);
        }
        noted(proxy.folder(), 5).await;
        registry.all(Plan::status(404));
        assert_eq!(ask(&proxy, method, "manifests/v1", &[]).await.status, 404);
        registry.all(Plan::reset());
        ask(&proxy, Method::GET, "manifests/v1", &[]).await.is_error(502, "UNAVAILABLE");
        let other = ask(&proxy, Method::GET, "manifests/v2", &[]).await;
        assert_eq!((other.status.as_u16(), other.header("warning")), (200, WARNING));
    }
}

#[tokio::test]
async fn a_denial_is_handed_on_and_forgets_the_repository() {
    let registry = Registry::start().await;
    Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
    let image = Image::push(&registry.upstream, Some("v2"), "arm64", b"y");
    let proxy = registry.proxy().await;
    for status in [401, 403] {
        registry.up();
        for tag in ["v1", "v2"] {
            let fresh = ask(&proxy, Method::GET, &format!("manifests/{tag}"), &[]).await;
            assert_eq!(fresh.status, 200);
        }
        noted(proxy.folder(), 5).await;
        registry.all(Plan::status(status));
        ask(&proxy, Method::GET, "manifests/v1", &[]).await.is_error(403, "DENIED");
        noted(proxy.folder(), 0).await;
        registry.all(Plan::reset());
        for path in ["manifests/v1".to_string(), format!("manifests/{}", image.manifest)] {
            ask(&proxy, Method::GET, &path, &[]).await.is_error(502, "UNAVAILABLE");
        }
    }
}

#[tokio::test]
async fn case_31_nonsense_is_no_outage_and_replaces_nothing() {
    let registry = Registry::start().await;
    Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
    let proxy = registry.proxy().await;
    let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    noted(proxy.folder(), 3).await;
    let portal = respond(200, &[("content-type", "text/html")], "<html>log in</html>");
    for plan in [portal.into(), Plan::normal().wrong_bytes(), Plan::normal().gzipped(), Plan::status(418)] {
        registry.all(plan);
        let answer = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
        assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{}", answer.status);
        registry.all(Plan::reset());
        let stale = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
        is_stale(&fresh, &stale);
        assert_eq!(stale.body, fresh.body);
    }
}

#[tokio::test]
async fn a_tag_is_answered_with_a_type_that_is_accepted() {
    let registry = Registry::start().await;
    Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
    let proxy = registry.proxy().await;
    let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    noted(proxy.folder(), 3).await;
    registry.all(Plan::reset());
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let ask = async |accept: &str| ask(&proxy, Method::GET, "manifests/v1", &[("accept", accept)]).await;
    ask(docker).await.is_error(502, "UNAVAILABLE");
    for accept in [format!("{docker}, {};q=0.5", fresh.header("content-type")), format!("{docker}, */*")] {
        is_stale(&fresh, &ask(&accept).await);
    }
}

#[tokio::test]
async fn what_rots_is_removed_and_counts_as_absent() {
    for folder in ["documents", "notes"] {
        let registry = Registry::start().await;
        Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
        let proxy = registry.proxy().await;
        let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
        noted(proxy.folder(), 3).await;
        for path in files(proxy.folder(), folder) {
            let mut content = std::fs::read(&path).unwrap();
            let last = content.len() - 2;
            content[last] ^= 1;
            std::fs::write(&path, content).unwrap();
        }
        registry.all(Plan::reset());
        let path = format!("manifests/{}", fresh.header("docker-content-digest"));
        ask(&proxy, Method::GET, &path, &[]).await.is_error(502, "UNAVAILABLE");
        ask(&proxy, Method::GET, "manifests/v1", &[]).await.is_error(502, "UNAVAILABLE");
        assert!(metric(&proxy, &format!("wave_shelf_corrupt_total{{folder=\"{folder}\"}}")).await >= 1.0);
        // It is learned again.
        registry.up();
        let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
        noted(proxy.folder(), 3).await;
        until("the document", || files(proxy.folder(), "documents").len() == 1).await;
        registry.all(Plan::reset());
        is_stale(&fresh, &ask(&proxy, Method::GET, "manifests/v1", &[]).await);
    }
}

/// Whatever it is that a registry refuses to somebody, he is served nothing any more.
#[tokio::test]
async fn a_refusal_of_anything_ends_what_is_kept() {
    for what in ["blob", "part", "head", "tags", "manifest"] {
        let registry = Registry::start().await;
        let image = Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
        let proxy = registry.proxy().await;
        assert_eq!(ask(&proxy, Method::GET, "manifests/v1", &[]).await.status, 200);
        noted(proxy.folder(), 3).await;
        registry.all(Plan::status(403));
        let blob = format!("blobs/{}", image.layer);
        let refused = match what {
            "blob" => ask(&proxy, Method::GET, &blob, &[]).await,
            "part" => ask(&proxy, Method::GET, &blob, &[("range", "bytes=0-1")]).await,
            "head" => ask(&proxy, Method::HEAD, &blob, &[]).await,
            "tags" => ask(&proxy, Method::GET, "tags/list", &[]).await,
            _ => ask(&proxy, Method::GET, &format!("manifests/{}", image.manifest), &[]).await,
        };
        assert_eq!(refused.status, 403, "{what}");
        registry.all(Plan::reset());
        assert_eq!(ask(&proxy, Method::GET, "manifests/v1", &[]).await.status, 502, "{what}");
    }
}

/// A HEAD that is refused may say nothing of GET, but it is no reason to believe what was said before.
#[tokio::test]
async fn where_head_is_refused_and_get_cannot_say_nothing_is_kept() {
    let mode = std::sync::Arc::new(std::sync::Mutex::new("up"));
    let upstream = Upstream::scripted({
        let mode = mode.clone();
        move |seen| match *mode.lock().unwrap() {
            "up" => None,
            "doubt" if seen.method == Method::HEAD => Some(Plan::status(403)),
            "doubt" => Some(Plan::status(429)),
            _ => Some(Plan::reset()),
        }
    })
    .await;
    Image::push(&upstream, Some("v1"), "amd64", b"x");
    let proxy = Proxy::to(upstream.address, "", KEEPING).await;
    let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    noted(proxy.folder(), 3).await;
    *mode.lock().unwrap() = "doubt";
    for method in [Method::HEAD, Method::GET] {
        assert_eq!(ask(&proxy, method, "manifests/v1", &[]).await.status, 429);
    }
    // What is let read again is kept again.
    *mode.lock().unwrap() = "up";
    assert_eq!(ask(&proxy, Method::GET, "manifests/v1", &[]).await.status, 200);
    *mode.lock().unwrap() = "down";
    is_stale(&fresh, &ask(&proxy, Method::GET, "manifests/v1", &[]).await);
}
