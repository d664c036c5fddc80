//! A blob as a body: from the file of a fill or of a blob that is there, and from upstream when that fails.

use super::fill::Cut;
use super::prefix::hashed;
use super::proof::Owner;
use super::seat::Seat;
use super::state::Loss;
use super::store::Spool;
use crate::body::{Body, Broken, Cause, Expect, Part, Parts};
use crate::error::BoxError;
use crate::oci::{Digest, Digester};
use crate::pull::Fetch;
use crate::telemetry::names;
use crate::upstream::{Patience, Upstream, rest};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::{counter, gauge};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Bytes of one frame: a reader holds no more, however slow he is.
const PIECE: u64 = 32 * 1024;
/// Tries without progress to get the rest from upstream.
const TRIES: u32 = 2;

/// Where a reader gets the rest when the disk fails.
pub struct Spare {
    /// Whom to ask.
    pub upstream: Upstream,
    /// For the blob, without a range.
    pub fetch: Fetch,
    /// For whom.
    pub owner: Owner,
    /// The blob.
    pub digest: Digest,
    /// Is what cannot be verified any more to break off?
    pub verify: bool,
}

/// Reads a range of one blob.
pub struct Reader {
    source: Source,
    at: u64,
    /// One behind the last byte, once that is known.
    end: Option<u64>,
    /// Size of the blob, once that is known.
    total: Option<u64>,
    /// All of the blob is read.
    whole: bool,
    reading: Option<Reading>,
    spare: Spare,
    spool: Spool,
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// From where.
enum Source {
    Fill(Seat),
    File(Arc<File>),
    Cut(Arc<File>, Cut),
    Turning(Turning),
    Upstream(Body),
}

/// To upstream, with what is known by then of what was read from disk.
type Turning = Pin<Box<dyn Future<Output = Result<Body, BoxError>> + Send>>;

impl Reader {
    /// Reads along with a fill: `range`, or all of a blob whose size nobody knows yet.
    pub(super) fn along(spool: Spool, seat: Seat, range: Option<Range<u64>>, spare: Spare) -> Reader {
        let total = seat.total();
        let range = range.or_else(|| total.map(|total| 0..total));
        Reader::new(spool, Source::Fill(seat), range, total, spare)
    }

    /// Reads `range` of a blob that is there.
    pub(super) fn of(spool: Spool, file: Arc<File>, range: Range<u64>, total: u64, spare: Spare) -> Reader {
        Reader::new(spool, Source::File(file), Some(range), Some(total), spare)
    }

    fn new(
        spool: Spool,
        source: Source,
        range: Option<Range<u64>>,
        total: Option<u64>,
        spare: Spare,
    ) -> Reader {
        gauge!(names::BLOBS_READERS).increment(1.0);
        let (at, end) = range.map_or((0, None), |range| (range.start, Some(range.end)));
        let whole = at == 0 && (end.is_none() || end == total);
        Reader { source, at, end, total, whole, reading: None, spare, spool }
    }

    /// The fill is lost: by the disk, which is no reason to stop, or otherwise.
    fn lose(&mut self, loss: Loss, own: bool) -> Result<(), BoxError> {
        match loss {
            Loss::Wrong => {
                Err(Broken::new(Cause::Digest, "upstream content does not have its digest").into())
            }
            Loss::Disk | Loss::TooLarge | Loss::Rotten => self.fall_back(),
            // What upstream denies to another's credentials it may allow to these.
            Loss::Refused | Loss::Upstream | Loss::Abandoned if !own => self.fall_back(),
            Loss::Refused | Loss::Upstream | Loss::Abandoned => {
                Err(Broken::new(Cause::Connection, "the connection to upstream broke").into())
            }
        }
    }

    /// Goes on from upstream, behind what can still be read here. What is read whole has its digest in the end, for as
    /// long as what was read can be hashed.
    fn fall_back(&mut self) -> Result<(), BoxError> {
        let verify = self.spare.verify;
        if verify && !self.whole {
            return Err(unreadable());
        }
        counter!(names::BLOBS_FALLBACKS).increment(1);
        let digester = self.spare.digest.digester().filter(|_| self.whole);
        let (file, filled) = match &self.source {
            Source::Fill(seat) => match (seat.file().cloned(), seat.cut()) {
                (Some(file), Some(cut)) => return self.go_on(file, cut),
                (file, _) => (file, true),
            },
            Source::File(file) => (Some(file.clone()), false),
            Source::Cut(file, _) => (Some(file.clone()), true),
            Source::Turning(_) | Source::Upstream(_) => return Err(unreadable()),
        };
        self.source = match (file, digester) {
            (Some(file), Some(digester)) if self.at > 0 => {
                let (hashed, body) = (hashed(file, self.at, digester, self.spool.hashes()), self.rest(None));
                let (expect, at) = (self.expected(), self.at);
                Source::Turning(Box::pin(async move {
                    match hashed.await {
                        Ok(digester) => Ok(body.expecting_rest(expect, digester, at)),
                        // Of a fill nobody has verified the beginning either.
                        Err(_) if verify || filled => Err(unreadable()),
                        Err(_) => Ok(body),
                    }
                }))
            }
            (_, digester) => Source::Upstream(self.rest(digester)),
        };
        Ok(())
    }

    /// Behind what a fill had written before its rest was lost.
    fn go_on(&mut self, file: Arc<File>, cut: Cut) -> Result<(), BoxError> {
        // There may have been more to come than was told, and then this is all that is promised.
        let all = self.whole && self.end == Some(cut.written);
        if all && cut.digester.clone().finish() != self.spare.digest {
            return Err(Broken::new(Cause::Digest, "upstream content does not have its digest").into());
        }
        self.source = Source::Cut(file, cut);
        Ok(())
    }

    /// Is there more than the source it had?
    fn goes_on(&self) -> bool {
        match self.source {
            Source::Turning(_) | Source::Upstream(_) => true,
            Source::Cut(..) => self.end != Some(self.at),
            Source::Fill(_) | Source::File(_) => false,
        }
    }

    /// What upstream has behind what was read, which is in `digester` where it is to be verified.
    fn rest(&self, digester: Option<Digester>) -> Body {
        let (upstream, fetch) = (self.spare.upstream.clone(), self.spare.fetch.clone());
        let patience = Patience { tries: TRIES, wait: self.spool.idle() };
        let body = rest(upstream, fetch, unreadable(), (self.at, self.end, self.total), patience);
        match digester.filter(|_| self.whole) {
            Some(digester) => body.expecting_rest(self.expected(), digester, self.at),
            None => body,
        }
    }

    fn expected(&self) -> Expect {
        Expect { digest: self.spare.digest, size: self.total }
    }

    /// A read has failed.
    fn unreadable(&mut self, error: &io::Error) -> Result<(), BoxError> {
        tracing::warn!(%error, "a blob cannot be read from disk");
        if let Source::File(file) = &self.source {
            self.spool.forget(self.spare.digest, file.clone());
        }
        self.fall_back()
    }
}

fn unreadable() -> BoxError {
    Broken::new(Cause::File, "a blob cannot be read from disk").into()
}

/// Reads the beginning of `part` where waiting for the disk holds nobody up, and so many at once as `reads` has room for.
fn read(part: Part, reads: Arc<Semaphore>) -> Reading {
    let Part { file, bytes } = part;
    let length = PIECE.min(bytes.end - bytes.start) as usize;
    Box::pin(async move {
        let permit = reads.acquire_owned().await.map_err(io::Error::other)?;
        let read = move || {
            let _permit = permit;
            let mut chunk = vec![0; length];
            file.read_exact_at(&mut chunk, bytes.start).map(|()| Bytes::from(chunk))
        };
        spawn_blocking(read).await.map_err(io::Error::other).flatten()
    })
}

impl Parts for Reader {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, BoxError>> {
        // What is being read is a frame already.
        if self.end == Some(self.at) || self.reading.is_some() {
            return Poll::Ready(Ok(None));
        }
        let part = match &mut self.source {
            Source::Turning(_) | Source::Upstream(_) => None,
            Source::File(file) => {
                let end = self.end.unwrap_or(self.at);
                Some(Part { file: file.clone(), bytes: self.at..end })
            }
            Source::Cut(file, cut) if self.at < cut.written => {
                let end = self.end.map_or(cut.written, |end| end.min(cut.written));
                Some(Part { file: file.clone(), bytes: self.at..end })
            }
            Source::Cut(_, cut) => {
                let digester = cut.digester.clone();
                self.source = Source::Upstream(self.rest(Some(digester)));
                None
            }
            Source::Fill(seat) => match ready!(seat.poll_part(self.at, cx)) {
                Ok(Some(Part { file, bytes })) => {
                    let end = self.end.map_or(bytes.end, |end| end.min(bytes.end));
                    Some(Part { file, bytes: self.at..end })
                }
                Ok(None) => {
                    self.end = Some(self.at);
                    None
                }
                Err(loss) => {
                    let own = *seat.owner() == self.spare.owner;
                    self.lose(loss, own)?;
                    None
                }
            },
        };
        Poll::Ready(Ok(part))
    }

    fn taken(&mut self, count: u64) {
        self.at += count;
    }
}

impl HttpBody for Reader {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if let Source::Turning(turning) = &mut this.source {
                this.source = Source::Upstream(ready!(turning.as_mut().poll(cx))?);
            }
            if let Source::Upstream(body) = &mut this.source {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                if let Some(Ok(frame)) = &frame {
                    this.at += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                return Poll::Ready(frame);
            }
            if let Some(reading) = &mut this.reading {
                let read = ready!(reading.as_mut().poll(cx));
                this.reading = None;
                match read {
                    Ok(bytes) => {
                        this.taken(bytes.len() as u64);
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                    Err(error) => this.unreadable(&error)?,
                }
                continue;
            }
            match ready!(this.poll_part(cx))? {
                Some(part) => this.reading = Some(read(part, this.spool.reads())),
                None if this.goes_on() => {}
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Upstream(body) => body.is_end_stream(),
            Source::Fill(_) | Source::File(_) | Source::Cut(..) | Source::Turning(_) => {
                self.end == Some(self.at)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.source, self.end) {
            (Source::Upstream(body), _) => body.size_hint(),
            (_, Some(end)) => SizeHint::with_exact(end.saturating_sub(self.at)),
            (_, None) => SizeHint::default(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        gauge!(names::BLOBS_READERS).decrement(1.0);
    }
}
