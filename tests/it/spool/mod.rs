//! The shared spool: one fetch for all who read, whatever breaks. Cases by the numbers of the fault plan.

mod crowd;
mod disk;
mod kernel;
pub mod processes;
mod random;
mod reader;
mod resuming;
mod sharing;
mod tenants;
mod wrong;

use crate::support::{Proxy, Upstream, get};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wave_registry::oci::Digest;

/// A proxy with a blob cache, and more keys of `wave.blob-cache`.
async fn caching(upstream: &Upstream, keys: &str) -> Proxy {
    caching_with(upstream, "", keys, "").await
}

/// The same with more keys of the registry and of `wave`.
async fn caching_with(upstream: &Upstream, registry: &str, keys: &str, wave: &str) -> Proxy {
    let wave = format!("  blob-cache: {{ dir: \"FOLDER/cache\"{keys} }}\n{wave}");
    Proxy::to(upstream.address, registry, &wave).await
}

/// Where a blob is, when it is kept below `cache`.
fn kept(cache: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    cache.join("blobs/sha256").join(&hex[..2]).join(hex)
}

/// What is being filled below `cache`.
fn filling(cache: &Path) -> usize {
    std::fs::read_dir(cache.join("filling")).expect("a blob cache has the folder").count()
}

fn cache(proxy: &Proxy) -> PathBuf {
    proxy.folder().join("cache")
}

/// Waits until a blob is published.
async fn published(proxy: &Proxy, digest: &Digest) {
    let path = kept(&cache(proxy), digest);
    until("a published blob", || path.exists() && filling(&cache(proxy)) == 0).await;
}

fn url(proxy: &Proxy, digest: &Digest) -> String {
    proxy.url(&format!("/v2/library/app/blobs/{digest}"))
}

/// So long that no test waits for its end.
const LONG: Duration = Duration::from_secs(3600);

/// Waits until `is` holds.
pub async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what} does not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The value of a series of the one recorder of this process, so a lower bound while other tests run.
pub async fn metric(proxy: &Proxy, series: &str) -> f64 {
    let text = get(&proxy.admin("/metrics")).await;
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or(0.0)
}
