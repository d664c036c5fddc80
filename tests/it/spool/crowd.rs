//! Many clients of one blob, and an upstream that breaks off.

use super::processes::{Wave, folder};
use super::reader::Reader;
use crate::support::{Plan, Upstream};
use http::Method;
use std::sync::Mutex;
use std::time::Duration;
use tokio::task::JoinSet;

/// Bytes of a small part.
const PART: usize = 100_000;

/// A reset loses what the sockets hold, at most so much.
const SOCKETS: usize = 4 << 20;

/// Size of the blob: `WAVE_SPOOL_SIZE` in MiB, else one that takes a moment.
fn size() -> usize {
    std::env::var("WAVE_SPOOL_SIZE").map_or(16, |text| text.parse().unwrap()) << 20
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_at_once_cost_one_fetch_that_breaks_three_times() {
    let size = size();
    let all = [10, 50, 99].map(|percent| (size / 100 * percent) as u64);
    let marks = Mutex::new(all.to_vec());
    let upstream = Upstream::scripted(move |seen| {
        let mut marks = marks.lock().unwrap();
        let next = (seen.method == Method::GET && !marks.is_empty()).then(|| marks.remove(0));
        let plan = Plan::normal().trickle(256 * 1024, Duration::from_millis(5));
        Some(match next {
            Some(mark) => plan.reset_after(mark - seen.first()),
            None => plan,
        })
    })
    .await;
    let (digest, content) = upstream.noise(size, 2);
    let folder = folder();
    let wave = Wave::start(folder.path(), &upstream);
    let mut clients = JoinSet::new();
    for number in 0..200_usize {
        let (url, content) = (wave.url(&digest), content.clone());
        clients.spawn(async move {
            let first = size / 200 * number;
            let (reader, range) = match number % 5 {
                // Who looks for a small part comes when the blob is on its way, or costs a request of his own.
                0 if number > 0 => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    let last = first + PART - 1;
                    (Reader::range(&url, &format!("bytes={first}-{last}")).await, first..first + PART)
                }
                1 => (Reader::range(&url, &format!("bytes={first}-")).await, first..size),
                _ => (Reader::get(&url).await, 0..size),
            };
            let pause = if number % 3 == 0 { Duration::from_millis(2) } else { Duration::ZERO };
            assert!(reader.is(&content[range], pause).await, "{number}");
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let (sent, peak) = (upstream.sent("/blobs/"), wave.peak());
    println!("200 clients: {sent} of {size} bytes fetched, VmHWM {} KiB", peak / 1024);
    let gets: Vec<_> =
        upstream.seen("/blobs/").into_iter().filter(|seen| seen.method == Method::GET).collect();
    assert_eq!(gets.len(), 4, "one fetch, and one more for each break");
    for (again, mark) in gets[1..].iter().zip(all) {
        assert!((mark.saturating_sub(SOCKETS as u64)..=mark).contains(&again.first()), "{mark} {again:?}");
    }
    let most = (size + (size / 20).max(3 * SOCKETS)) as u64;
    assert!(sent <= most, "{sent} of {size}");
    assert!(peak < 64 << 20, "{} KiB", peak / 1024);
}
