//! One blob on its way from upstream to the disk.

use super::House;
use super::proof::Owner;
use super::seat::Seat;
use super::state::{Loss, Policy, State};
use super::writer::{Writer, broken};
use crate::body::Body;
use crate::error::Error;
use crate::oci::{Digest, Digester, Host};
use crate::pull::Fetch;
use crate::upstream::{Upstream, resumed};
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use std::fs::File;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};

/// Bytes that are written at once.
const BATCH: usize = 256 * 1024;
/// And frames: an upstream may send small ones.
const FRAMES: usize = 128;
/// What has come is written after this time, though it is less than a batch: somebody waits for it.
const FLUSH: Duration = Duration::from_millis(20);
/// A fill that nobody reads has to bring so many bytes in each idle time, or it is abandoned.
const LEAST: u64 = 1 << 20;

/// A blob that is being fetched, as its readers and its writer know it.
pub(super) struct Fill {
    digest: Digest,
    owner: Owner,
    policy: Policy,
    state: watch::Sender<State>,
    /// There as soon as upstream has answered.
    file: OnceLock<Arc<File>>,
    /// Why upstream refused.
    refusal: OnceLock<Error>,
    /// What there is of it, when no more will come.
    cut: OnceLock<Cut>,
}

/// The beginning of a blob that was written before the rest was lost.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Its bytes.
    pub(super) written: u64,
    /// With these bytes in it.
    pub(super) digester: Digester,
}

impl Fill {
    pub(super) fn new(digest: Digest, owner: Owner, policy: Policy) -> Fill {
        let (state, _) = watch::channel(State::asked());
        Fill {
            digest,
            owner,
            policy,
            state,
            file: OnceLock::new(),
            refusal: OnceLock::new(),
            cut: OnceLock::new(),
        }
    }

    /// Which blob.
    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Where it is found among the others.
    pub(super) fn key(&self) -> (Host, Digest) {
        (self.owner.registry.clone(), self.digest)
    }

    /// With whose credentials it is fetched.
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Is there no hope for it?
    pub(super) fn is_lost(&self) -> bool {
        self.state.borrow().loss().is_some()
    }

    /// Is all of it there, and right?
    pub(super) fn is_verified(&self) -> bool {
        self.state.borrow().is_verified()
    }

    /// The size, once it is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.state.borrow().total()
    }

    /// A place among its readers, unless it is lost.
    pub(super) fn join(self: &Arc<Fill>) -> Option<Seat> {
        let mut joined = false;
        self.state.send_if_modified(|state| {
            joined = state.join();
            false
        });
        joined.then(|| Seat::new(self))
    }

    /// The place of who asked for it.
    pub(super) fn first(self: &Arc<Fill>) -> Seat {
        Seat::new(self)
    }

    /// A reader leaves.
    pub(super) fn leave(&self) {
        self.state.send_if_modified(|state| {
            state.leave(self.policy);
            state.loss().is_some()
        });
    }

    /// What is known of it, now and later.
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The file, as soon as upstream has answered.
    pub(super) fn file(&self) -> Option<&Arc<File>> {
        self.file.get()
    }

    /// What there is of it, if the rest was lost on its way.
    pub(super) fn cut(&self) -> Option<&Cut> {
        self.cut.get()
    }

    /// Leaves what was written to the readers, if the disk has it: what was hashed on its way there is to be what they
    /// read.
    fn leave_off(&self, writer: &Writer) {
        if writer.sync().is_ok() {
            _ = self.cut.set(writer.cut());
        }
    }

    /// Why upstream refused, if it did.
    pub(super) fn refusal(&self) -> Option<Error> {
        self.refusal.get().cloned()
    }

    /// No more will come.
    pub(super) fn lose(&self, loss: Loss) {
        self.state.send_modify(|state| state.lost(loss));
    }

    /// Fetches it with `fetch` to its end, verifies and publishes it. What became of it is in the state.
    pub(super) async fn run(
        self: &Arc<Fill>,
        house: &House,
        upstream: Upstream,
        fetch: Fetch,
    ) -> Result<(), Loss> {
        // By its readers, or by the disk while upstream has nothing to say.
        let mut abandoned = self.state.subscribe();
        tokio::select! {
            biased;
            lost = abandoned.wait_for(|state| state.loss().is_some()) => {
                Err(lost.ok().and_then(|state| state.loss()).unwrap_or(Loss::Abandoned))
            }
            poured = self.pour(house, upstream, fetch) => poured,
        }
    }

    async fn pour(self: &Arc<Fill>, house: &House, upstream: Upstream, fetch: Fetch) -> Result<(), Loss> {
        let (body, size) = self.ask(house, upstream, fetch).await?;
        let mut writer = self.open(house, size).await?;
        let mut pouring = Pouring { body, batch: Vec::new(), bytes: 0 };
        let mut mark = (Instant::now(), 0);
        let mut poured = 0;
        loop {
            let (batch, last) = match pouring.next().await {
                Ok(next) => next,
                Err(loss) => {
                    let (fill, writer) = (self.clone(), joined(writer).await?);
                    _ = spawn_blocking(move || fill.leave_off(&writer)).await;
                    return Err(loss);
                }
            };
            poured += batch.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
            // One batch is written while the next one comes.
            writer = self.write(writer, batch).await?;
            if last {
                break;
            }
            if self.state.borrow().readers() > 0 {
                mark = (Instant::now(), poured);
            } else if mark.0.elapsed() >= house.idle {
                if poured - mark.1 < LEAST && self.state.send_if_modified(State::abandon) {
                    return Err(Loss::Abandoned);
                }
                mark = (Instant::now(), poured);
            }
        }
        let writer = joined(writer).await?;
        if !writer.is(&self.digest, size) {
            return Err(Loss::Wrong);
        }
        self.state.send_modify(State::verified);
        let path = house.disk.path(&self.digest).ok_or(Loss::Disk)?;
        let (fill, disk) = (self.clone(), house.disk.clone());
        let publish = move || {
            // What the disk did not take cannot be relied on to be read again. Until that is known it is in memory, and
            // nobody waits for a disk to have the end of a blob whose digest is right.
            writer.sync().inspect_err(|loss| fill.lose(*loss))?;
            // Who finds the blob finds this too.
            disk.sent(&fill.digest, &fill.owner.registry).map_err(broken)?;
            writer.publish(&path)
        };
        spawn_blocking(publish).await.map_err(|_| Loss::Disk)?
    }

    /// The content, and its size if upstream tells it.
    async fn ask(
        &self,
        house: &House,
        upstream: Upstream,
        fetch: Fetch,
    ) -> Result<(Body, Option<u64>), Loss> {
        use tower::ServiceExt as _;
        let refuse = |error| {
            _ = self.refusal.set(error);
            Loss::Refused
        };
        let response = upstream.clone().oneshot(fetch.clone()).await.map_err(refuse)?;
        let (parts, body) = response.into_parts();
        if parts.status != StatusCode::OK {
            return Err(refuse(Error::bad_gateway("upstream sent a part of a blob, or none of it")));
        }
        let length = parts.headers.get(header::CONTENT_LENGTH);
        let size = length.and_then(|length| length.to_str().ok()?.parse().ok());
        // There is nothing of it to hold back.
        if size == Some(0) && self.digest.matches(&[]) == Some(false) {
            return Err(Loss::Wrong);
        }
        // It let the owner read it: that is his proof.
        house.proofs.grant(&self.owner, &self.digest, size).await;
        Ok((resumed(upstream, fetch, &parts, body, house.patience), size))
    }

    /// Makes the file, and tells the readers that upstream has answered.
    async fn open(&self, house: &House, size: Option<u64>) -> Result<JoinHandle<Result<Writer, Loss>>, Loss> {
        let room = house.disk.room(size.unwrap_or(0)).ok_or(Loss::TooLarge)?;
        let digester = self.digest.digester().ok_or(Loss::Disk)?;
        let disk = house.disk.clone();
        let create = move || Writer::create(disk.filling(), digester, room).map_err(broken);
        let writer = spawn_blocking(create).await.map_err(|_| Loss::Disk)??;
        _ = self.file.set(writer.temporary().file().clone());
        self.state.send_modify(|state| state.answered(size));
        Ok(spawn_blocking(move || Ok(writer)))
    }

    /// Begins to write `batch` when what was begun before is done.
    async fn write(
        self: &Arc<Fill>,
        before: JoinHandle<Result<Writer, Loss>>,
        batch: Vec<Bytes>,
    ) -> Result<JoinHandle<Result<Writer, Loss>>, Loss> {
        let (mut writer, fill) = (joined(before).await?, self.clone());
        Ok(spawn_blocking(move || {
            let count = writer.append(&batch).inspect_err(|loss| {
                // Readers who hear of the loss look for it.
                fill.leave_off(&writer);
                fill.lose(*loss);
            });
            let count = count?;
            fill.state.send_modify(|state| state.wrote(count));
            Ok(writer)
        }))
    }
}

async fn joined(writing: JoinHandle<Result<Writer, Loss>>) -> Result<Writer, Loss> {
    writing.await.map_err(|_| Loss::Disk)?
}

/// Frames on their way to the disk.
struct Pouring {
    body: Body,
    batch: Vec<Bytes>,
    bytes: usize,
}

impl Pouring {
    /// What is to be written next, and whether it is the last. It is large, or nothing more comes right now.
    async fn next(&mut self) -> Result<(Vec<Bytes>, bool), Loss> {
        loop {
            let frame = match self.batch.is_empty() {
                true => self.body.frame().await,
                false => match timeout(FLUSH, self.body.frame()).await {
                    Ok(frame) => frame,
                    Err(_) => return Ok((self.take(), false)),
                },
            };
            match frame {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.bytes += data.len();
                    self.batch.push(data);
                    if self.bytes >= BATCH || self.batch.len() >= FRAMES {
                        return Ok((self.take(), false));
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "a fill broke off");
                    return Err(Loss::Upstream);
                }
                None => return Ok((self.take(), true)),
            }
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.batch)
    }
}
