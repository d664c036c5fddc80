//! What all fills and readers share, and how a fill is run.

use super::disk::Disk;
use super::fill::Fill;
use super::proof::{Owner, Proofs};
use super::shelf::Shelf;
use super::state::{Loss, Policy};
use super::store::Lead;
use crate::config;
use crate::oci::{Digest, Host};
use crate::telemetry::names;
use crate::upstream::Patience;
use metrics::{counter, gauge};
use moka::sync::Cache;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What all fills and readers share.
pub(super) struct House {
    pub(super) disk: Arc<Disk>,
    pub(super) proofs: Proofs,
    /// What is served when upstream is down.
    pub(super) shelf: Option<Shelf>,
    /// Of a fill without progress.
    pub(super) patience: Patience,
    /// How long upstream may be silent.
    pub(super) idle: Duration,
    /// Of reads from disk at the same time.
    pub(super) reads: Arc<Semaphore>,
    /// Of hashing at the same time what readers have had: less urgent than reads.
    pub(super) hashes: Arc<Semaphore>,
    /// Of one look at a blob that may be wrong.
    pub(super) doubts: Arc<Semaphore>,
    pub(super) policy: Policy,
    pub(super) scrub_rate: u64,
    pub(super) verify_reads: bool,
    /// By registry too: what another one sends under a digest is not this one's until it is verified.
    fills: Mutex<Fills>,
    permits: Arc<Semaphore>,
    /// Blobs that came wrong, to whom, and when: what upstream sends others may be right.
    quarantined: Cache<(Owner, Digest), Instant>,
    quarantine: Duration,
    /// Until when the disk is left alone.
    sick: Mutex<Option<Instant>>,
}

/// The fills that can be joined.
pub(super) type Fills = HashMap<(Host, Digest), Arc<Fill>>;

/// How long a disk that refused is not tried again.
const REST: Duration = Duration::from_secs(10);
/// Reads from disk at the same time: each has a thread while it lasts, and more would not make a disk faster.
const READS: usize = 32;
/// Readers who hash at the same time what they have had.
const HASHES: usize = 2;
/// Digests in quarantine.
const QUARANTINED: u64 = 10_000;
/// How long a fill can still be joined when it is published: who has looked for its blob before comes to it now.
const LINGER: Duration = Duration::from_millis(200);

impl House {
    /// Opens `dir`, and removes what an earlier process left unfinished.
    pub(super) fn open(
        dir: &Path,
        config: &config::BlobCache,
        upstream: &config::Upstream,
    ) -> io::Result<House> {
        let disk = Arc::new(Disk::open(dir, config.max_size)?);
        let swept = super::file::sweep(disk.filling())?;
        if swept > 0 {
            tracing::info!(count = swept, "unfinished blobs removed");
        }
        let shelf = Shelf::open(&dir.join("stale"), config, upstream.document_limit)?;
        let quarantined = Cache::builder().max_capacity(QUARANTINED).time_to_live(config.quarantine).build();
        Ok(House {
            disk,
            proofs: Proofs::new(config.max_proofs, config.proof_ttl, shelf.clone()),
            shelf,
            patience: Patience { tries: upstream.attempts, wait: upstream.idle_timeout },
            idle: upstream.idle_timeout,
            reads: Arc::new(Semaphore::new(READS)),
            hashes: Arc::new(Semaphore::new(HASHES)),
            doubts: Arc::new(Semaphore::new(1)),
            policy: Policy { finish: config.finish_fill },
            scrub_rate: config.scrub_rate,
            verify_reads: config.verify_reads,
            fills: Mutex::default(),
            permits: Arc::new(Semaphore::new(config.max_fills.min(Semaphore::MAX_PERMITS))),
            quarantined,
            quarantine: config.quarantine,
            sick: Mutex::default(),
        })
    }

    /// The right to run one more fill, if that can be tried now.
    pub(super) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if self.is_sick() { None } else { self.permits.clone().try_acquire_owned().ok() }
    }

    /// For how long a blob is not asked for on behalf of `owner`, if it came wrong a moment ago.
    pub(super) fn quarantined(&self, owner: &Owner, digest: &Digest) -> Option<Duration> {
        let since = self.quarantined.get(&(owner.clone(), *digest))?;
        Some(self.quarantine.saturating_sub(since.elapsed()).max(Duration::from_secs(1)))
    }

    /// Runs a fill, and clears up behind it.
    pub(super) async fn fill(self: Arc<House>, fill: Arc<Fill>, lead: Lead, permit: OwnedSemaphorePermit) {
        // Whatever happens, its readers hear of it and it can be begun again.
        let ending = Ending { house: self.clone(), fill: fill.clone() };
        gauge!(names::BLOBS_FILLING).increment(1.0);
        let outcome = fill.run(&self, lead.upstream, lead.fetch).await;
        gauge!(names::BLOBS_FILLING).decrement(1.0);
        drop(permit);
        counter!(names::BLOBS_FILLS, "outcome" => outcome.map_or_else(label, |()| "complete")).increment(1);
        match outcome {
            Ok(()) => tokio::time::sleep(LINGER).await,
            Err(loss) => {
                self.lost(&fill, loss);
                // What is verified is there to be read, though it could not be published.
                if !fill.is_verified() {
                    fill.lose(loss);
                }
            }
        }
        drop(ending);
    }

    fn lost(&self, fill: &Fill, loss: Loss) {
        match loss {
            Loss::Wrong => {
                let registry = &fill.owner().registry;
                tracing::warn!(registry = registry.as_str(), "a blob came with a wrong size or digest");
                self.quarantined.insert((fill.owner().clone(), *fill.digest()), Instant::now());
            }
            Loss::Disk => self.disk_failed(),
            Loss::Refused | Loss::Upstream | Loss::TooLarge | Loss::Abandoned | Loss::Rotten => {}
        }
    }

    pub(super) fn fills(&self) -> MutexGuard<'_, Fills> {
        self.fills.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn disk_failed(&self) {
        counter!(names::BLOBS_DISK_FAILURES).increment(1);
        *self.sick.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }

    fn is_sick(&self) -> bool {
        let until = self.sick.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }
}

/// The end of a fill.
struct Ending {
    house: Arc<House>,
    fill: Arc<Fill>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.fill.lose(Loss::Upstream);
        let mut fills = self.house.fills();
        // Another may have been begun since this one was lost.
        let key = self.fill.key();
        if fills.get(&key).is_some_and(|fill| Arc::ptr_eq(fill, &self.fill)) {
            fills.remove(&key);
        }
    }
}

fn label(loss: Loss) -> &'static str {
    match loss {
        Loss::Refused => "refused",
        Loss::Upstream => "upstream",
        Loss::Wrong => "wrong",
        Loss::Disk | Loss::Rotten => "disk",
        Loss::TooLarge => "too-large",
        Loss::Abandoned => "abandoned",
    }
}
