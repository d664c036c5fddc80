//! How much is kept, and for how long.

use super::{Registry, ask, files, is_stale, noted, shelf};
use crate::spool::until;
use crate::support::{Image, Plan, Proxy};
use http::Method;
use std::time::Duration;

const QUICK: &str = "  upstream: { attempts: 1 }\n";

async fn proxy(registry: &Registry, keys: &str) -> Proxy {
    let wave = format!("  blob-cache: {{ dir: \"FOLDER/cache\", {keys} }}\n{QUICK}");
    Proxy::to(registry.upstream.address, "", &wave).await
}

#[tokio::test]
async fn documents_and_notes_are_bounded_by_number() {
    let registry = Registry::start().await;
    let proxy = proxy(&registry, "max-documents: 10, max-notes: 20").await;
    for at in 0..30_u8 {
        Image::push(&registry.upstream, Some(&format!("v{at}")), "amd64", &[at]);
        let fresh = ask(&proxy, Method::GET, &format!("manifests/v{at}"), &[]).await;
        assert_eq!(fresh.status, 200);
    }
    let counts = || (files(proxy.folder(), "documents").len(), files(proxy.folder(), "notes").len());
    until("eviction", || counts().0 <= 10 && counts().1 <= 20).await;
    assert!(counts().0 > 0 && counts().1 > 0, "{:?}", counts());
}

#[tokio::test]
async fn documents_are_bounded_by_bytes_and_the_longest_unused_go() {
    let registry = Registry::start().await;
    let proxy = proxy(&registry, "documents-size: 3KiB").await;
    let (first, last) = (0, 29_u8);
    for at in first..=last {
        Image::push(&registry.upstream, Some(&format!("v{at}")), "amd64", &[at]);
        let fresh = ask(&proxy, Method::GET, &format!("manifests/v{at}"), &[]).await;
        assert_eq!(fresh.status, 200);
        noted(proxy.folder(), 3 + 2 * usize::from(at)).await;
    }
    let bytes = || -> u64 {
        let files = files(proxy.folder(), "documents");
        files.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum()
    };
    until("eviction", || bytes() <= 3 * 1024).await;
    registry.all(Plan::reset());
    ask(&proxy, Method::GET, &format!("manifests/v{first}"), &[]).await.is_error(502, "UNAVAILABLE");
    assert_eq!(ask(&proxy, Method::GET, &format!("manifests/v{last}"), &[]).await.status, 200);
}

#[tokio::test]
async fn nothing_is_believed_for_ever() {
    let registry = Registry::start().await;
    let image = Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
    let proxy = proxy(&registry, "stale-ttl: 1s").await;
    let fresh = ask(&proxy, Method::GET, "manifests/v1", &[]).await;
    noted(proxy.folder(), 3).await;
    registry.all(Plan::reset());
    is_stale(&fresh, &ask(&proxy, Method::GET, "manifests/v1", &[]).await);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    for path in ["manifests/v1".to_string(), format!("manifests/{}", image.manifest)] {
        ask(&proxy, Method::GET, &path, &[]).await.is_error(502, "UNAVAILABLE");
    }
}

#[tokio::test]
async fn with_no_time_nothing_is_kept() {
    let registry = Registry::start().await;
    Image::push(&registry.upstream, Some("v1"), "amd64", b"x");
    let proxy = proxy(&registry, "stale-ttl: 0s").await;
    assert_eq!(ask(&proxy, Method::GET, "manifests/v1", &[]).await.status, 200);
    registry.all(Plan::reset());
    ask(&proxy, Method::GET, "manifests/v1", &[]).await.is_error(502, "UNAVAILABLE");
    assert!(!shelf(proxy.folder()).exists());
}
