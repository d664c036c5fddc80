//! The spool as those who serve blobs see it.

use super::disk::Disk;
use super::file::is_same;
use super::fill::Fill;
use super::house::House;
use super::proof::{Owner, Proofs};
use super::readers::{Reader, Spare};
use super::scrub::{scrub, wrong};
use super::seat::Seat;
use super::shelf::Shelf;
use super::state::Loss;
use crate::body::Body;
use crate::config;
use crate::error::Error;
use crate::oci::{Digest, Host};
use crate::pull::Fetch;
use crate::telemetry::names;
use crate::upstream::Upstream;
use metrics::counter;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Blobs on disk and on their way there. A clone is the same one.
#[derive(Clone)]
pub struct Spool(Arc<House>);

/// A blob that is there.
#[derive(Clone, Debug)]
pub struct Held {
    file: Arc<File>,
    size: u64,
}

/// A place among the readers of a fill.
pub struct Place {
    spool: Spool,
    seat: Seat,
    leads: bool,
}

/// With what a fill is begun: whom to ask for what, for whom.
pub struct Lead {
    /// Whom.
    pub upstream: Upstream,
    /// For what.
    pub fetch: Fetch,
    /// For whom.
    pub owner: Owner,
}

impl Spool {
    /// Opens the folder of `config`, and removes what an earlier process left unfinished; `None` when no folder is
    /// configured.
    pub fn open(config: &config::BlobCache, upstream: &config::Upstream) -> io::Result<Option<Spool>> {
        let Some(dir) = &config.dir else { return Ok(None) };
        House::open(dir, config, upstream).map(|house| Some(Spool(Arc::new(house))))
    }

    /// Keeps the folder in order for as long as the process runs.
    pub async fn keep(self) {
        let shelf = async {
            if let Some(shelf) = self.0.shelf.clone() {
                shelf.keep().await;
            }
        };
        tokio::join!(self.0.disk.clone().keep(), scrub(&self, self.0.scrub_rate), shelf);
    }

    /// Who may read what.
    pub fn proofs(&self) -> &Proofs {
        &self.0.proofs
    }

    /// How long upstream may be silent within a blob.
    pub fn idle(&self) -> Duration {
        self.0.idle
    }

    /// Documents for when upstream is down, where these are kept.
    pub fn shelf(&self) -> Option<&Shelf> {
        self.0.shelf.as_ref()
    }

    /// Is what is read whole to be hashed?
    pub fn verifies(&self) -> bool {
        self.0.verify_reads
    }

    /// The blob, if it is there and `registry` has sent it. A disk that cannot say has none.
    pub async fn find(&self, digest: &Digest, registry: &Host) -> Option<Held> {
        let (disk, digest, registry) = (self.0.disk.clone(), *digest, registry.clone());
        let find = move || disk.find(&digest, &registry);
        let found = spawn_blocking(find).await.map_err(io::Error::other).flatten();
        match found {
            Ok(found) => found.map(|found| Held { file: Arc::new(found.file), size: found.size }),
            Err(error) => {
                tracing::warn!(%error, "a blob cannot be looked for on disk");
                self.0.disk_failed();
                None
            }
        }
    }

    /// Why this blob is not asked for on behalf of `owner`, if it came wrong a moment ago.
    pub fn refusal(&self, owner: &Owner, digest: &Digest) -> Option<Error> {
        let left = self.0.quarantined(owner, digest)?;
        counter!(names::BLOBS_QUARANTINED).increment(1);
        Some(came_wrong().with_retry_after(left))
    }

    /// Is the blob on its way from this registry? And of which size, if that is known?
    pub fn filling(&self, registry: &Host, digest: &Digest) -> Option<Option<u64>> {
        let fills = self.0.fills();
        fills.get(&(registry.clone(), *digest)).filter(|fill| !fill.is_lost()).map(|fill| fill.total())
    }

    /// A place at the fill of the blob from `lead`'s registry, which is begun with `lead` if there is none. `None` when
    /// it cannot be begun now, and the blob has to pass through.
    pub fn join(&self, digest: &Digest, lead: Lead) -> Option<Place> {
        let mut fills = self.0.fills();
        let place = |seat, leads| Some(Place { spool: self.clone(), seat, leads });
        let key = (lead.owner.registry.clone(), *digest);
        if let Some(seat) = fills.get(&key).and_then(|fill| fill.join()) {
            return place(seat, false);
        }
        let permit = self.0.permit()?;
        let fill = Arc::new(Fill::new(*digest, lead.owner.clone(), self.0.policy));
        let seat = fill.first();
        fills.insert(key, fill.clone());
        tokio::spawn(self.0.clone().fill(fill, lead, permit));
        place(seat, true)
    }

    /// The file that was found under this digest is not it.
    pub fn forget(&self, digest: Digest, wrong: Arc<File>) {
        counter!(names::BLOBS_CORRUPT).increment(1);
        tracing::warn!("a blob on disk is corrupt, and is removed");
        // A fill that has just been published may have the same file.
        let fills: Vec<_> =
            self.0.fills().values().filter(|fill| *fill.digest() == digest).cloned().collect();
        let disk = self.0.disk.clone();
        spawn_blocking(move || {
            let same = |fill: &&Arc<Fill>| fill.file().is_some_and(|file| is_same(file, &wrong));
            fills.iter().filter(same).for_each(|fill| fill.lose(Loss::Rotten));
            match disk.remove(&digest, &wrong) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, "a corrupt blob cannot be removed");
                }
                _ => {}
            }
        });
    }

    /// What is on disk under this digest may not be it: it is looked at, one such blob at a time.
    pub fn doubt(&self, digest: Digest) {
        let Ok(permit) = self.0.doubts.clone().try_acquire_owned() else { return };
        let (spool, path) = (self.clone(), self.0.disk.path(&digest));
        tokio::spawn(async move {
            if let Some(path) = path
                && let Ok(Some(wrong)) = wrong(path, digest, u64::MAX).await
            {
                spool.forget(digest, Arc::new(wrong));
            }
            drop(permit);
        });
    }

    pub(super) fn reads(&self) -> Arc<Semaphore> {
        self.0.reads.clone()
    }

    pub(super) fn hashes(&self) -> Arc<Semaphore> {
        self.0.hashes.clone()
    }

    pub(super) fn disk(&self) -> &Arc<Disk> {
        &self.0.disk
    }
}

impl Held {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is read of it, to be [forgotten](Spool::forget) if it turns out not to be the blob.
    pub fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Its bytes in `range` as a body.
    pub fn read(self, spool: &Spool, range: Range<u64>, spare: Spare) -> Body {
        Body::parts(Reader::of(spool.clone(), self.file, range, self.size, spare))
    }
}

impl Place {
    /// Did this place's request begin the fill?
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// With whose credentials the blob is fetched.
    pub fn owner(&self) -> &Owner {
        self.seat.owner()
    }

    /// Waits for upstream's answer: the size, if it told it. `Err` has what is wrong with the answer, if that is why
    /// there is none.
    pub async fn answered(&mut self) -> Result<Option<u64>, Option<Error>> {
        let lost = |(loss, refusal): (Loss, Option<Error>)| match loss {
            Loss::Wrong => Some(came_wrong()),
            _ => refusal,
        };
        self.seat.answered().await.map_err(lost)
    }

    /// The bytes in `range` as a body, or all when the size is not known.
    pub fn read(self, range: Option<Range<u64>>, spare: Spare) -> Body {
        Body::parts(Reader::along(self.spool, self.seat, range, spare))
    }
}

fn came_wrong() -> Error {
    Error::bad_gateway("upstream sent this blob with a wrong size or digest a moment ago")
}
