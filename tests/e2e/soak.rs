//! Many pulls of a large image at once, in little memory.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::support::http::Peer;
use crate::support::images::sha256;
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::tools;
use crate::support::walk::blob;
use crate::support::wave::Wave;

/// What the process may have in RAM at most, however many pulls there are.
const MEMORY: u64 = 150 * 1000 * 1000;

/// Blobs one pull fetches at a time.
const PARALLEL: usize = 3;

/// `WAVE_SOAK` is the number of pulls, 20 if it is not given.
#[tokio::test(flavor = "multi_thread")]
async fn soak() {
    let pulls = std::env::var("WAVE_SOAK").map_or(20, |text| text.parse().expect("WAVE_SOAK is a number"));
    let (registry, pack) = (Registry::plain(), Pack::new());
    let wave = Wave::before(&registry).layer(&pack.json()).start();
    let start = Instant::now();
    let tasks: Vec<_> = (0..pulls).map(|_| tokio::spawn(pull(wave.http()))).collect();
    let mut bytes = 0;
    for task in tasks {
        bytes += task.await.expect("every digest is right");
    }
    let (seconds, peak) = (start.elapsed().as_secs_f64(), wave.peak_memory());
    let figures = format!(
        "\nsoak: {pulls} pulls, {:.1} GB in {seconds:.1} s ({:.0} MB/s), VmHWM of wave {:.1} MB ({})\n",
        bytes as f64 / 1e9,
        bytes as f64 / 1e6 / seconds,
        peak as f64 / 1e6,
        tools::wave().display(),
    );
    // Not by `println`, which the test harness keeps to itself when the test passes.
    std::io::stdout().write_all(figures.as_bytes()).expect("standard output can be written");
    assert!(peak < MEMORY, "VmHWM of wave is {peak} bytes");
}

/// Pulls the large image, hashes all of it and keeps nothing; gives its size.
async fn pull(peer: Peer) -> u64 {
    let answer = peer.get("/v2/library/large/manifests/oci").await;
    assert_eq!(answer.status, http::StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("docker-content-digest"), sha256(&answer.body));
    let manifest: Value = answer.json();
    let layers = manifest["layers"].as_array().expect("a manifest has layers");
    let permits = Arc::new(Semaphore::new(PARALLEL));
    let blobs: Vec<_> = std::iter::once(&manifest["config"])
        .chain(layers)
        .map(|descriptor| {
            let (peer, permits, descriptor) = (peer.clone(), Arc::clone(&permits), descriptor.clone());
            tokio::spawn(async move {
                let _permit = permits.acquire().await.expect("nobody closes the semaphore");
                blob(&peer, "library/large", &descriptor, |_| ()).await;
                descriptor["size"].as_u64().expect("a size is a number")
            })
        })
        .collect();
    let mut bytes = 0;
    for blob in blobs {
        bytes += blob.await.expect("every digest is right");
    }
    bytes
}
