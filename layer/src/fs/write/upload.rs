//! An upload in parts that is under way.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::condition::{is_unknown, refused};
use super::parts::MOST_PARTS;
use super::uploads::{UnderWay, Uploads};
use crate::fs::copy::stale;
use crate::fs::errno::Errno;
use crate::fs::key::Place;
use crate::fs::read::pool::Charge;
use crate::s3::{Client, Condition, Error, Etag, Kind, Part, Put, Source, UploadId};

/// Parts of one file that are under way at a time.
const FLIGHTS: usize = 16;
/// Servers note times in whole seconds, each by its own clock.
const SLACK: Duration = Duration::from_secs(5);

/// Why an upload is not an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the caller is told.
    pub errno: Errno,
    /// All parts are there, and finishing it again may succeed.
    pub passes: bool,
}

/// One multipart upload, finished by [`Upload::finish`] or ended by [`Upload::abort`].
#[derive(Debug)]
pub struct Upload {
    client: Client,
    target: Arc<Target>,
    next: u16,
    sent: u64,
    done: Vec<Part>,
    /// When it was first to be finished.
    begun: Option<SystemTime>,
    _under_way: UnderWay,
    flights: JoinSet<Result<Part, Errno>>,
}

#[derive(Debug)]
struct Target {
    place: Place,
    id: UploadId,
}

impl Upload {
    /// Begins an upload to `place`, which is among `uploads` until it ends.
    ///
    /// # Errors
    /// What S3 said.
    pub async fn begin(
        client: &Client,
        uploads: &Arc<Uploads>,
        place: Place,
        metadata: &[(&str, &str)],
    ) -> Result<Self, Errno> {
        let put = Put { metadata, ..Put::default() };
        let id = client.create_upload(&place.bucket, &place.key, put).await?;
        let under_way = uploads.begun(&place, &id);
        let target = Arc::new(Target { place, id });
        Ok(Self {
            client: client.clone(),
            target,
            next: 1,
            sent: 0,
            done: Vec::new(),
            begun: None,
            _under_way: under_way,
            flights: JoinSet::new(),
        })
    }

    /// Bytes of the parts so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The number of the next part.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next.into()
    }

    /// Sends the next part; waits only until it may start. `memory` is that of its bytes.
    ///
    /// # Errors
    /// Why an earlier part could not be sent; the upload is of no use then.
    pub async fn send(&mut self, body: Vec<Bytes>, memory: Option<Charge>) -> Result<(), Errno> {
        let number = self.number().await?;
        self.sent += body.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        let (client, target) = (self.client.clone(), self.target.clone());
        self.flights.spawn(async move {
            let _memory = memory;
            let Target { place, id } = &*target;
            Ok(client.upload_part(&place.bucket, &place.key, id, number, body).await?)
        });
        Ok(())
    }

    /// Lets the server copy the next part from `range` of the object that is at this place now, if that is still the
    /// version `etag`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn keep(&mut self, etag: Etag, range: Range<u64>) -> Result<(), Errno> {
        let from = self.target.place.clone();
        self.copy(from, etag, range).await
    }

    /// Lets the server copy the next part from `range` of an object, if that is still the version `etag`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn copy(&mut self, from: Place, etag: Etag, range: Range<u64>) -> Result<(), Errno> {
        let number = self.number().await?;
        self.sent += range.end - range.start;
        let (client, target) = (self.client.clone(), self.target.clone());
        self.flights.spawn(async move {
            let Target { place, id } = &*target;
            let source =
                Source { bucket: &from.bucket, key: &from.key, range: Some(range), if_match: Some(&etag) };
            let copied = client.upload_part_copy(&place.bucket, &place.key, id, number, source).await;
            copied.map_err(|error| stale(&error))
        });
        Ok(())
    }

    /// Waits for all parts and makes them the object. After that, or after a failure that passes, no part may follow.
    ///
    /// # Errors
    /// Why a part could not be sent, or the object not be made. The object is the old one then, or none.
    pub async fn finish(&mut self, condition: Condition<'_>) -> Result<Etag, Failure> {
        self.finish_parts().await.map_err(|errno| Failure { errno, passes: false })?;
        let first = *self.begun.get_or_insert_with(SystemTime::now);
        let error = match self.complete(condition).await {
            Ok(etag) => return Ok(etag),
            Err(error) => error,
        };
        // An earlier attempt, of which nobody heard, may have been the one.
        if matches!(error.kind(), Kind::NoSuchUpload | Kind::Precondition)
            && let Some(etag) = self.completed_since(first).await
        {
            return Ok(etag);
        }
        let passes = matches!(
            error.kind(),
            Kind::Throttled | Kind::Timeout | Kind::Unreachable | Kind::Interrupted | Kind::Remote
        );
        Err(Failure { errno: refused(&error, condition), passes })
    }

    async fn complete(&self, condition: Condition<'_>) -> Result<Etag, Error> {
        let Target { place, id } = &*self.target;
        let complete =
            |condition| self.client.complete_upload(&place.bucket, &place.key, id, &self.done, condition);
        match complete(condition).await {
            Err(error) if is_unknown(&error, condition) => complete(Condition::None).await,
            completed => completed,
        }
    }

    /// The object at this place, if it is of as many parts and bytes as this upload and not older.
    async fn completed_since(&self, first: SystemTime) -> Option<Etag> {
        let Place { bucket, key } = &self.target.place;
        let meta = self.client.head(bucket, key).await.ok()?;
        let parts = format!("-{}", self.done.len());
        let is_it = meta.size == self.sent
            && meta.etag.as_str().trim_matches('"').ends_with(&parts)
            && meta.modified + SLACK >= first;
        is_it.then_some(meta.etag)
    }

    /// Whether it was to be finished, and could not be: no part may follow.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.begun.is_some()
    }

    /// Ends the upload; nothing of it remains. A server that cannot be told now will drop it by its own rules.
    pub async fn abort(mut self) {
        self.flights.shutdown().await;
        let Target { place, id } = &*self.target;
        let _ = self.client.abort_upload(&place.bucket, &place.key, id).await;
    }

    /// Waits until a part has ended, whose memory is free then. False if none is under way.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn wait(&mut self) -> Result<bool, Errno> {
        match self.flights.join_next().await {
            Some(landed) => {
                self.done.push(landed_part(landed)?);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn finish_parts(&mut self) -> Result<(), Errno> {
        while let Some(landed) = self.flights.join_next().await {
            self.done.push(landed_part(landed)?);
        }
        Ok(())
    }

    async fn number(&mut self) -> Result<u16, Errno> {
        while let Some(landed) = self.flights.try_join_next() {
            self.done.push(landed_part(landed)?);
        }
        while self.flights.len() >= FLIGHTS
            && let Some(landed) = self.flights.join_next().await
        {
            self.done.push(landed_part(landed)?);
        }
        if self.next_number() > MOST_PARTS {
            return Err(Errno::EFBIG);
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

/// The parts' tasks are never cancelled while the upload is used, so one that did not end has panicked.
fn landed_part(landed: Result<Result<Part, Errno>, tokio::task::JoinError>) -> Result<Part, Errno> {
    match landed {
        Ok(part) => part,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => unreachable!("a part of an upload in use was cancelled"),
        },
    }
}
