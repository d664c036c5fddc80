//! Many small blobs, random faults, random readers: nothing wrong is ever delivered as a whole.

use super::reader::Reader;
use super::{LONG, caching_with, filling};
use crate::support::{Plan, Seen, Upstream};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use wave_registry::oci::Digest;

/// A sequence that looks random (xorshift).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1))
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}

/// What happens to this request: the same each time the test runs.
fn fault(seen: &Seen) -> Option<Plan> {
    let name = Digest::sha256(format!("{} {} {}", seen.path, seen.method, seen.nth));
    let mut dice = Dice::new(u64::from_le_bytes(name.raw()[..8].try_into().unwrap()));
    let mut plan = Plan::normal();
    if dice.roll(4) == 0 {
        plan = plan.no_ranges();
    }
    if dice.roll(5) == 0 {
        plan = plan.chunked();
    }
    if dice.roll(3) > 0 {
        plan = plan.without("etag");
    }
    let at = dice.roll(200_000);
    Some(match dice.roll(12) {
        0 | 1 => plan.close_after(at),
        2 => plan.flip(at % 20_000),
        3 => Plan::status(503),
        4 => plan.stall_after(at, LONG),
        5 => plan.other(vec![7; at as usize]),
        6 => plan.trickle(10_000, Duration::from_millis(1)),
        _ => plan,
    })
}

/// One reader of a blob; whether he got all that he was promised.
async fn read(url: &str, content: &Bytes, mut dice: Dice) -> bool {
    let whole = dice.roll(3) > 0;
    let mut reader = match whole {
        true => Reader::get(url).await,
        false => Reader::range(url, &format!("bytes={}-", dice.roll(content.len() as u64 + 1))).await,
    };
    if dice.roll(6) == 0 {
        reader.until(dice.roll(50_000) as usize, Duration::ZERO).await;
        return false;
    }
    let (status, length) = (reader.status, reader.headers.get("content-length").cloned());
    let Some(read) = reader.all().await else { return false };
    match status.as_u16() {
        // An open range has the end, and so is held back as the whole is.
        200 => assert!(read == *content, "a wrong blob of {} was whole", content.len()),
        206 => assert!(read == content[content.len() - read.len()..], "a wrong part was whole"),
        _ => return false,
    }
    assert!(length.is_none_or(|length| length == read.len().to_string()));
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wrong_byte_is_delivered_as_complete() {
    let count: u64 = std::env::var("WAVE_SPOOL_BLOBS").map_or(1500, |text| text.parse().unwrap());
    let upstream = Upstream::scripted(fault).await;
    // A part is verified only where it comes with the rest, so none may pass by the fills; a whole may.
    let limits = "  upstream: { idle-timeout: 100ms, attempts: 3, retry-delay: 1ms }\n";
    let proxy =
        caching_with(&upstream, "", ", quarantine: 20ms, scrub-rate: 0, max-fills: 1000", limits).await;
    let permits = Arc::new(Semaphore::new(24));
    let mut blobs = tokio::task::JoinSet::new();
    for number in 0..count {
        let mut dice = Dice::new(number + 1);
        let size = [0, 1, 1000, 65_536, 65_537, 150_000][dice.roll(6) as usize] + dice.roll(3_000);
        let (digest, content) = upstream.noise(size as usize, number);
        let url = super::url(&proxy, &digest);
        let permit = permits.clone().acquire_owned().await.unwrap();
        blobs.spawn(async move {
            let mut complete = 0;
            for _ in 0..2 {
                let readers =
                    (0..1 + dice.roll(3)).map(|_| read(&url, &content, Dice::new(dice.roll(u64::MAX))));
                let readers: Vec<_> = readers.collect();
                complete +=
                    futures_util::future::join_all(readers).await.into_iter().filter(|done| *done).count();
            }
            drop(permit);
            complete
        });
    }
    let mut complete = 0;
    while let Some(done) = blobs.join_next().await {
        complete += done.unwrap();
    }
    assert!(complete as u64 > count, "{complete} of some {} were complete", 4 * count);
    super::until("the end of all fills", || filling(&super::cache(&proxy)) == 0).await;
    verify(&super::cache(&proxy).join("blobs/sha256"));
}

/// Everything that was published is right.
fn verify(blobs: &std::path::Path) {
    let mut published = 0;
    for folder in std::fs::read_dir(blobs).unwrap() {
        for entry in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            let content = std::fs::read(&path).unwrap();
            assert_eq!(Digest::sha256(content).hex(), path.file_name().unwrap().to_str().unwrap());
            published += 1;
        }
    }
    assert!(published > 0);
}
