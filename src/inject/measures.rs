//! What has been measured: each file and each digest once, however many ask.

use super::measure::{self, Measured};
use super::refusal::Refusal;
use crate::oci::Digest;
use moka::future::Cache;
use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A verdict on content: what it is, or why it is no layer.
pub type Verdict = Result<Measured, Refusal>;

/// All verdicts. A clone shares them.
#[derive(Clone, Debug)]
pub struct Measures {
    /// By device, number, length and time of change: a file keeps its verdict under every name it has.
    files: Cache<(u64, u64, u64, SystemTime), Verdict>,
    /// By digest: a fact about content that was seen to have it, wherever it came from.
    contents: Cache<Digest, Verdict>,
    /// What is being measured while it streams.
    streaming: Arc<Mutex<HashSet<Digest>>>,
    /// Measuring holds a thread; so many streams may be measured at once.
    permits: Arc<Semaphore>,
    /// Inline layers take turns.
    turns: Arc<Semaphore>,
}

/// The right to decode and measure an inline layer. It is shared with the threads that do it: they go on when whoever
/// waits for them leaves.
pub(super) type Turn = Arc<OwnedSemaphorePermit>;

/// The right to measure a stream; nobody else measures the same digest until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    digest: Digest,
    streaming: Arc<Mutex<HashSet<Digest>>>,
    _permit: OwnedSemaphorePermit,
}

const ENTRIES: u64 = 10_000;
const STREAMS: usize = 32;
/// Inline layers that are decoded and measured at once: each takes a processor, and up to 64 MiB.
const TURNS: usize = 2;

impl Measures {
    /// Nothing measured yet.
    pub fn new() -> Measures {
        Measures {
            files: Cache::new(ENTRIES),
            contents: Cache::new(ENTRIES),
            streaming: Arc::default(),
            permits: Arc::new(Semaphore::new(STREAMS)),
            turns: Arc::new(Semaphore::new(TURNS)),
        }
    }

    /// Measures the file at `path`, unless it was and has not changed since. The outer error is that of reading.
    pub async fn file(&self, path: &Path) -> io::Result<Verdict> {
        let metadata = tokio::fs::metadata(path).await?;
        let key = (metadata.dev(), metadata.ino(), metadata.len(), metadata.modified()?);
        let path = path.to_path_buf();
        let work = async { blocking(move || measure::file(&path)).await? };
        self.files.try_get_with(key, work).await.map_err(again)
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn {
        Arc::new(self.turns.clone().acquire_owned().await.expect("it is never closed"))
    }

    /// Measures an inline layer whose digest is known to be `digest`, unless it was. That it inflates to too much is
    /// not remembered: the same layer may come from elsewhere, where more is allowed.
    pub(super) async fn inline(
        &self,
        digest: Digest,
        content: bytes::Bytes,
        turn: Turn,
    ) -> io::Result<Verdict> {
        let measure = move || {
            let _turn = turn;
            measure::bytes(&content)
        };
        let work = async {
            match blocking(measure).await.map_err(Unsettled::Io)? {
                Err(refusal @ Refusal::TooLarge(_)) => Err(Unsettled::TooLarge(refusal)),
                verdict => Ok(verdict),
            }
        };
        match self.contents.try_get_with(digest, work).await {
            Ok(verdict) => Ok(verdict),
            Err(unsettled) => match &*unsettled {
                Unsettled::TooLarge(refusal) => Ok(Err(refusal.clone())),
                Unsettled::Io(error) => Err(io::Error::new(error.kind(), error.to_string())),
            },
        }
    }

    /// The verdict on the content with this digest, when there is one.
    pub(super) async fn known(&self, digest: &Digest) -> Option<Verdict> {
        self.contents.get(digest).await
    }

    /// Remembers a verdict. The content must have been seen to have this digest.
    pub(super) async fn record(&self, digest: Digest, verdict: Verdict) {
        self.contents.insert(digest, verdict).await;
    }

    /// The right to measure the stream of `digest`; `None` while another stream is being measured for it, or too
    /// many are.
    pub(super) fn claim(&self, digest: Digest) -> Option<Claim> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        let fresh = self.streaming.lock().expect("nothing panics while it is held").insert(digest);
        fresh.then(|| Claim { digest, streaming: self.streaming.clone(), _permit: permit })
    }
}

/// Why there is no verdict to remember.
enum Unsettled {
    TooLarge(Refusal),
    Io(io::Error),
}

impl Default for Measures {
    fn default() -> Measures {
        Measures::new()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.streaming.lock().expect("nothing panics while it is held").remove(&self.digest);
    }
}

/// Runs what would block on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

fn again(error: Arc<io::Error>) -> io::Error {
    io::Error::new(error.kind(), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::testing::{layer_of, tar_of, zstd};
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn a_file_is_measured_again_when_it_has_changed() {
        let scratch = Scratch::new();
        let (content, layer) = layer_of("a", b"hello");
        let path = scratch.write("layer", &content);
        let measures = Measures::new();
        measures.file(&path).await.unwrap().unwrap().keeps(&layer).unwrap();
        // Same length, same time: nothing that is looked at has changed.
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, vec![b'x'; content.len()]).unwrap();
        std::fs::File::open(&path).unwrap().set_modified(modified).unwrap();
        measures.file(&path).await.unwrap().unwrap().keeps(&layer).unwrap();
        let other = scratch.path().join("other");
        std::fs::rename(&path, &other).unwrap();
        measures.file(&other).await.unwrap().unwrap().keeps(&layer).unwrap();
        std::fs::write(&path, b"x").unwrap();
        assert_eq!(measures.file(&path).await.unwrap(), Err(Refusal::NotTar));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(measures.file(&path).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn too_much_for_an_inline_layer_is_no_verdict_on_the_layer() {
        let measures = Measures::new();
        let bomb = bytes::Bytes::from(zstd(&tar_of("zeros", &vec![0; 80 << 20])));
        let digest = Digest::sha256(&bomb);
        let verdict = measures.inline(digest, bomb.clone(), measures.turn().await).await.unwrap();
        assert_eq!(verdict, Err(Refusal::TooLarge((64 << 20) + 200 * bomb.len() as u64)));
        assert_eq!(measures.known(&digest).await, None);
        let junk = bytes::Bytes::from("junk");
        let digest = Digest::sha256(&junk);
        assert_eq!(measures.inline(digest, junk, measures.turn().await).await.unwrap(), Err(Refusal::NotTar));
        assert_eq!(measures.known(&digest).await, Some(Err(Refusal::NotTar)));
    }

    #[tokio::test]
    async fn a_stream_is_claimed_once() {
        let measures = Measures::new();
        let digest = Digest::sha256("x");
        let claim = measures.claim(digest).unwrap();
        assert!(measures.claim(digest).is_none());
        assert!(measures.claim(Digest::sha256("y")).is_some());
        drop(claim);
        assert!(measures.claim(digest).is_some());
    }
}
