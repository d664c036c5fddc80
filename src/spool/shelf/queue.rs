//! Writes to the shelf, one after the other, behind the backs of those who serve.

use crate::telemetry::names;
use metrics::counter;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

/// KiB of documents that wait to be written; each job counts as one at least.
const WAITING: u32 = 32 * 1024;
/// Removals that wait.
const REMOVALS: usize = 10_000;
/// How long somebody waits for a removal.
const PATIENCE: Duration = Duration::from_secs(1);
/// Jobs done at a time.
const BATCH: usize = 64;
/// How long a disk that refused is spared.
const REST: Duration = Duration::from_secs(10);

/// Jobs in the order in which they came, so that what is forgotten stays forgotten.
#[derive(Debug)]
pub(super) struct Queue {
    sender: UnboundedSender<Job>,
    /// Taken by whoever does the jobs.
    receiver: Mutex<Option<UnboundedReceiver<Job>>>,
    /// Bounds what waits.
    room: Arc<Semaphore>,
    /// And what is to be gone.
    removals: Arc<Semaphore>,
}

type Work = Box<dyn FnOnce() -> io::Result<()> + Send>;

enum Job {
    /// May be left out.
    Write(Work, #[expect(dead_code, reason = "given back with the job")] OwnedSemaphorePermit),
    /// Has somebody who waits for it.
    Remove(
        Work,
        oneshot::Sender<()>,
        #[expect(dead_code, reason = "given back with the job")] OwnedSemaphorePermit,
    ),
}

impl Queue {
    pub(super) fn new() -> Queue {
        let (sender, receiver) = unbounded_channel();
        let room = Arc::new(Semaphore::new(WAITING as usize));
        let removals = Arc::new(Semaphore::new(REMOVALS));
        Queue { sender, receiver: Mutex::new(Some(receiver)), room, removals }
    }

    /// Has `work` done some time, if there is room for the `bytes` it holds.
    pub(super) fn add(&self, bytes: usize, work: impl FnOnce() -> io::Result<()> + Send + 'static) {
        let weight = u32::try_from(bytes / 1024).unwrap_or(WAITING).clamp(1, WAITING);
        if let Ok(permit) = self.room.clone().try_acquire_many_owned(weight) {
            // Nobody does it when the process is going down.
            _ = self.sender.send(Job::Write(Box::new(work), permit));
        }
    }

    /// Has `work` done, if not too much of this waits, and waits for that, but not for a disk that hangs.
    pub(super) async fn wait(&self, work: impl FnOnce() -> io::Result<()> + Send + 'static) {
        let Ok(permit) = self.removals.clone().try_acquire_owned() else { return };
        let (done, wait) = oneshot::channel();
        _ = self.sender.send(Job::Remove(Box::new(work), done, permit));
        _ = timeout(PATIENCE, wait).await;
    }

    /// Does the jobs, for as long as the process runs.
    pub(super) async fn run(&self) {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = receiver else { return };
        let mut rested = Instant::now();
        let mut jobs = Vec::with_capacity(BATCH);
        while receiver.recv_many(&mut jobs, BATCH).await > 0 {
            let batch = std::mem::replace(&mut jobs, Vec::with_capacity(BATCH));
            let sick = Instant::now() < rested;
            match spawn_blocking(move || done(batch, sick)).await {
                Ok(None) => {}
                Ok(Some(error)) => {
                    counter!(names::BLOBS_DISK_FAILURES).increment(1);
                    tracing::warn!(%error, "documents cannot be kept");
                    rested = Instant::now() + REST;
                }
                Err(error) => tracing::error!(%error, "a document was not kept"),
            }
        }
    }
}

/// Does these jobs; the last thing that went wrong, after which nothing is written.
fn done(batch: Vec<Job>, sick: bool) -> Option<io::Error> {
    let mut wrong = None;
    for job in batch {
        if let Err(error) = job.done(sick || wrong.is_some()) {
            wrong = Some(error);
        }
    }
    wrong
}

impl Job {
    /// Does it; a write is left out while the disk is spared.
    fn done(self, sick: bool) -> io::Result<()> {
        match self {
            Job::Write(..) if sick => Ok(()),
            Job::Write(work, _) => work(),
            Job::Remove(work, done, _) => {
                let removed = work();
                // Who waited may have left.
                _ = done.send(());
                removed
            }
        }
    }
}
