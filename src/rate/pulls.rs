//! What a caller has pulled within the last minute.

use super::Who;
use super::bucket::Bucket;
use crate::error::Error;
use crate::oci::{Digest, Host, Reference, Repository};
use crate::telemetry::names;
use metrics::counter;
use moka::future::Cache;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Manifest requests for the same image within this time are one pull.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// References remembered; the ones unheard of for the longest time are forgotten first, and count again.
const REFERENCES: u64 = 200_000;
/// Manifests of an index that go with it. Images have some dozens; a longer index must not fill the memory.
const CHILDREN: usize = 256;

/// A reference as one caller asks for it.
pub(super) type Asked = (Who, Host, Repository, Reference);

/// Which pull each reference belongs to: tags and digests of counted images, and what an index holds that was handed
/// out.
#[derive(Clone)]
pub(super) struct Pulls(Cache<Asked, Arc<Pull>>);

/// One pull: a token taken from the caller's bucket, and the image it was taken for.
pub(super) struct Pull {
    who: Who,
    at: Instant,
    bucket: Arc<Mutex<Bucket>>,
    stage: Mutex<Stage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The image is being asked for.
    Asking,
    /// This is it: the digest of its root.
    Counted(Digest),
    /// There is none, or it was counted already.
    GivenBack,
}

impl Pulls {
    pub(super) fn new() -> Pulls {
        let cache = Cache::builder().max_capacity(REFERENCES).time_to_live(WINDOW);
        Pulls(cache.eviction_policy(EvictionPolicy::lru()).build())
    }

    /// The pull that `asked` belongs to: a running one, else a new one.
    pub(super) async fn of(
        &self,
        asked: &Asked,
        begin: impl AsyncFnOnce() -> Result<Arc<Pull>, Error>,
    ) -> Result<Arc<Pull>, Error> {
        // Nearly always there is one. Whoever finds none is asked again below, where only one at a time may begin.
        if let Some(known) = self.0.get(asked).await.filter(|known| known.runs()) {
            return Ok(known);
        }
        let choose = async |known: Option<moka::Entry<Asked, Arc<Pull>>>| match known {
            Some(known) if known.value().runs() => Ok(Op::Nop),
            _ => begin().await.map(Op::Put),
        };
        match self.0.entry_by_ref(asked).and_try_compute_with(choose).await? {
            CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) | CompResult::Unchanged(entry) => {
                Ok(entry.into_value())
            }
            CompResult::StillNone(_) | CompResult::Removed(_) => unreachable!("one is found or put"),
        }
    }

    /// Says that `asked` is the image `root` with these children. The pull it turns out to belong to is the one that
    /// `root` was counted by, if there is one; `pull`, if it was begun for this; else `begin` makes one.
    pub(super) async fn settle(
        &self,
        asked: &Asked,
        pull: Arc<Pull>,
        root: Digest,
        children: Vec<Digest>,
        begin: impl AsyncFnOnce() -> Result<Arc<Pull>, Error>,
    ) -> Result<(), Error> {
        let (who, registry, repository, _) = asked.clone();
        let of = |digest| (who.clone(), registry.clone(), repository.clone(), Reference::Digest(digest));
        let own = async || if pull.runs() && pull.is_of(root) { Ok(pull.clone()) } else { begin().await };
        let counted = self.of(&of(root), own).await?;
        // One that was begun for this digest, or for a tag just now; that of a parent stays the parent's.
        counted.is_of(root);
        if !Arc::ptr_eq(&counted, &pull) {
            pull.give_back();
            self.0.insert(asked.clone(), counted.clone()).await;
        }
        for child in children.into_iter().take(CHILDREN) {
            self.0.insert(of(child), counted.clone()).await;
        }
        Ok(())
    }

    /// Says that there was no image. Nothing was pulled then, unless by somebody else's request for the same.
    pub(super) async fn fail(&self, asked: &Asked, pull: &Arc<Pull>) {
        if pull.give_back() {
            let ours = async |known: Option<moka::Entry<Asked, Arc<Pull>>>| match known {
                Some(known) if Arc::ptr_eq(known.value(), pull) => Op::Remove,
                _ => Op::Nop,
            };
            self.0.entry_by_ref(asked).and_compute_with(ours).await;
        }
    }
}

impl Pull {
    /// For a token that was just taken from `bucket`.
    pub(super) fn new(who: Who, bucket: Arc<Mutex<Bucket>>) -> Arc<Pull> {
        Arc::new(Pull { who, at: Instant::now(), bucket, stage: Mutex::new(Stage::Asking) })
    }

    fn runs(&self) -> bool {
        self.at.elapsed() < WINDOW && *self.stage() != Stage::GivenBack
    }

    /// Is this the pull of `root`, or can it become that? Not when a tag has moved since it was begun.
    fn is_of(&self, root: Digest) -> bool {
        let mut stage = self.stage();
        if *stage == Stage::Asking {
            *stage = Stage::Counted(root);
            counter!(names::PULLS, "caller" => self.who.as_str(), "outcome" => "counted").increment(1);
        }
        *stage == Stage::Counted(root)
    }

    /// Gives the token back, unless it was for something. Did it?
    fn give_back(&self) -> bool {
        let mut stage = self.stage();
        let back = *stage == Stage::Asking;
        if back {
            *stage = Stage::GivenBack;
            self.bucket.lock().expect("no panic while locked").put_back();
        }
        back
    }

    fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.stage.lock().expect("no panic while locked")
    }
}
