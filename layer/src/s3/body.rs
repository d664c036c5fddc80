//! The body of an object, which is cut off when it stands still, and may go on from another connection.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::client::Client;
use super::error::{Error, Kind};
use super::object::{Etag, Get};
use super::retry::Retry;
use crate::net::http::Download;

/// How long the end of a body may be behind its last byte.
const TAIL: Duration = Duration::from_millis(100);

/// The bytes of an object, in order. Dropped before its end, it closes its connection.
#[derive(Debug)]
pub struct Body {
    source: Option<Download>,
    at: u64,
    end: u64,
    stall: Duration,
    subject: String,
    resume: Option<Box<Resume>>,
}

/// What it takes to go on.
#[derive(Debug)]
struct Resume {
    client: Client,
    bucket: Box<str>,
    key: Box<str>,
    etag: Etag,
    /// Attempts since the last byte.
    retry: Option<Retry>,
    failure: Option<Error>,
}

impl Body {
    pub(super) fn new(source: Option<Download>, range: Range<u64>, stall: Duration, subject: String) -> Self {
        Self { source, at: range.start, end: range.end, stall, subject, resume: None }
    }

    /// Makes it go on by itself.
    pub(super) fn resumed(mut self, client: &Client, bucket: &str, key: &str, etag: Etag) -> Self {
        let resume = Resume {
            client: client.clone(),
            bucket: bucket.into(),
            key: key.into(),
            etag,
            retry: None,
            failure: None,
        };
        self.resume = Some(Box::new(resume));
        self
    }

    /// Bytes still to come.
    pub fn left(&self) -> u64 {
        self.end - self.at
    }

    /// The next bytes, never empty; `None` after the last one. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Kind::Interrupted`] if the body broke off or nothing came for five seconds. A body that resumes by itself
    /// fails as a new request does, with [`Kind::Precondition`] if the object is another one by now.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            if self.at == self.end {
                return None;
            }
            let error = match self.piece().await {
                Ok(bytes) => {
                    if let Some(resume) = &mut self.resume {
                        (resume.retry, resume.failure) = (None, None);
                    }
                    return Some(Ok(bytes));
                }
                Err(error) => error,
            };
            self.source = None;
            if self.resume.is_none() {
                self.end = self.at;
                return Some(Err(error));
            }
            if let Err(error) = self.reopen(error).await {
                self.end = self.at;
                return Some(Err(error));
            }
        }
    }

    /// The next bytes of the connection there is.
    async fn piece(&mut self) -> Result<Bytes, Error> {
        let broken = |reason: String| Error::new(Kind::Interrupted, self.subject.clone(), reason);
        // Without a connection, a future that was dropped has left us between two of them.
        let Some(source) = &mut self.source else { return Err(broken("the body broke off".to_owned())) };
        let at = self.at;
        match timeout(self.stall, source.next()).await {
            Err(_) => Err(broken(format!("nothing came for {} s at byte {at}", self.stall.as_secs_f32()))),
            Ok(None) => Err(broken(format!("the body ended at byte {at} of {}", self.end))),
            Ok(Some(Err(reason))) => Err(broken(format!("{reason} at byte {at}"))),
            Ok(Some(Ok(mut bytes))) => {
                let left = usize::try_from(self.end - at).unwrap_or(usize::MAX);
                bytes.truncate(left);
                self.at += bytes.len() as u64;
                if self.at == self.end {
                    self.finish();
                }
                Ok(bytes)
            }
        }
    }

    /// Lets the connection see the end of the body, which gives it back to the pool.
    fn finish(&mut self) {
        if let Some(mut source) = self.source.take()
            && !source.is_finished()
        {
            // Only bodies in chunks have something behind their last byte. The caller has it and need not wait.
            tokio::spawn(async move { timeout(TAIL, source.next()).await });
        }
    }

    /// Asks for the rest on another connection.
    async fn reopen(&mut self, error: Error) -> Result<(), Error> {
        let Some(resume) = &mut self.resume else { return Err(error) };
        match &mut resume.retry {
            // The first time, at once.
            retry @ None => *retry = Some(Retry::new()),
            Some(retry) => {
                if retry.pause(None).await.is_err() {
                    return Err(resume.failure.take().unwrap_or(error));
                }
            }
        }
        resume.failure = Some(error);
        let get = Get { range: Some(self.at..self.end), if_match: Some(&resume.etag) };
        let object = resume.client.get(&resume.bucket, &resume.key, get).await?;
        if object.range != (self.at..self.end) {
            return Err(Error::new(
                Kind::Remote,
                self.subject.clone(),
                "the server has sent other bytes than asked for",
            ));
        }
        self.source = object.body.source;
        Ok(())
    }
}
