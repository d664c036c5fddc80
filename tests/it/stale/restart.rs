//! The program itself: a whole pull after a crash, with nothing left of the registry.

use super::{WARNING, noted};
use crate::spool::processes::{Wave, folder};
use crate::spool::until;
use crate::support::{Image, Upstream, get, head};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;

const QUICK: &str = "wave.upstream: { attempts: 2, retry-delay: 1ms }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_pull_works_after_a_crash_with_upstream_gone() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", &[7; 300_000]);
    let other = Image::push(&upstream, Some("v2"), "arm64", &[8; 1000]);
    let (folder, address) = (folder(), upstream.address);
    let mut wave = Wave::with(folder.path(), address, QUICK);
    let manifest = get(&wave.at("/v2/library/app/manifests/v1")).await;
    let parsed: Value = manifest.json();
    let config = parsed["config"]["digest"].as_str().unwrap().to_string();
    let blobs = [config, image.layer.to_string()];
    let mut contents = Vec::new();
    for digest in &blobs {
        let blob = get(&wave.at(&format!("/v2/library/app/blobs/{digest}"))).await;
        assert_eq!(blob.status, 200);
        contents.push(blob.body);
    }
    noted(folder.path(), 5).await;
    for digest in &blobs {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let path = folder.path().join("cache/blobs/sha256").join(&hex[..2]).join(hex);
        until("the blob", || path.exists()).await;
    }
    // What a crash leaves behind.
    let torn = folder.path().join("cache/stale/making/0123");
    std::fs::write(&torn, "torn").unwrap();
    wave.kill();
    drop(upstream);

    let wave = Wave::with(folder.path(), address, QUICK);
    assert!(!torn.exists(), "swept");
    let again = get(&wave.at("/v2/library/app/manifests/v1")).await;
    assert_eq!((again.status.as_u16(), again.header("warning")), (200, WARNING));
    assert_eq!(again.body, manifest.body);
    let asked = head(&wave.at("/v2/library/app/manifests/v1")).await;
    assert_eq!((asked.status.as_u16(), asked.header("warning")), (200, WARNING));
    let by_digest = get(&wave.at(&format!("/v2/library/app/manifests/{}", image.manifest))).await;
    assert!(by_digest.status == 200 && by_digest.body == manifest.body);
    for (digest, content) in blobs.iter().zip(&contents) {
        let url = wave.at(&format!("/v2/library/app/blobs/{digest}"));
        assert_eq!(head(&url).await.header("content-length"), content.len().to_string());
        let blob = get(&url).await;
        assert!(blob.status == 200 && blob.body == *content);
    }
    // Nobody has pulled these.
    for path in ["app/manifests/v2", "app/manifests/v3", "other/manifests/v1"] {
        get(&wave.at(&format!("/v2/library/{path}"))).await.is_error(502, "UNAVAILABLE");
    }
    for (name, digest) in [("app", other.layer), ("other", image.layer)] {
        let url = wave.at(&format!("/v2/library/{name}/blobs/{digest}"));
        get(&url).await.is_error(502, "UNAVAILABLE");
    }
    let mode = |path: &str| folder.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("cache/stale"), mode("cache/stale/key")), (0o700, 0o600));
}
