//! Who may read which blob where.
//!
//! A blob is on disk once, whoever fetched it. To read it there, somebody must have shown, with the credentials his
//! request uses, that upstream lets him read it in that repository; to know its digest is not enough.

use super::shelf::{Lesson, Shelf, Subject};
use crate::auth::AccessId;
use crate::error::Error;
use crate::oci::{Digest, Host, Repository};
use crate::pull::Fetch;
use crate::telemetry::names;
use metrics::counter;
use moka::future::Cache;
use std::time::Duration;

/// With whose credentials a blob is read, and in which repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Whose credentials.
    pub access: AccessId,
    /// Of which registry.
    pub registry: Host,
    /// In which repository.
    pub repository: Repository,
}

impl Owner {
    /// For whom `fetch` is.
    pub fn of(fetch: &Fetch) -> Owner {
        Owner {
            access: fetch.access.id().clone(),
            registry: fetch.registry.host.clone(),
            repository: fetch.repository.clone(),
        }
    }
}

/// What upstream has said lately, with the size of the blob where it told that. Bounded, and forgotten in time. While
/// upstream is down, what the shelf knows of it is believed too.
#[derive(Clone, Debug)]
pub struct Proofs {
    lately: Cache<(Owner, Digest), Option<u64>>,
    shelf: Option<Shelf>,
}

impl Proofs {
    /// At most `most` proofs, each for `ttl`.
    pub(super) fn new(most: usize, ttl: Duration, shelf: Option<Shelf>) -> Proofs {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        Proofs { lately: Cache::builder().max_capacity(most).time_to_live(ttl).build(), shelf }
    }

    /// Upstream has just let `owner` read the blob.
    pub async fn grant(&self, owner: &Owner, digest: &Digest, size: Option<u64>) {
        self.lately.insert((owner.clone(), *digest), size).await;
        self.learn(owner, digest, size);
    }

    /// Fails unless upstream lets `owner` read the blob: as it has said lately, or as it says when it is asked with
    /// `ask`, once for all who want to know. The size, where upstream told it.
    pub async fn prove(
        &self,
        owner: &Owner,
        digest: &Digest,
        ask: impl Future<Output = Result<Option<u64>, Error>>,
    ) -> Result<Option<u64>, Error> {
        let key = (owner.clone(), *digest);
        if let Some(size) = self.lately.get(&key).await {
            counter!(names::BLOBS_PROOFS, "outcome" => "known").increment(1);
            return Ok(size);
        }
        if let Some(shelf) = &self.shelf
            && shelf.is_failing(owner)
            && let Some(size) = kept(shelf, owner, digest).await
        {
            return Ok(size);
        }
        // What comes of it is written down once for all who wait.
        let ask = async {
            let asked = ask.await;
            match &asked {
                Ok(size) => self.learn(owner, digest, *size),
                // What is refused has been heeded by then.
                Err(error) if error.is_outage() => self.heed(owner, digest, error).await,
                Err(_) => {}
            }
            asked
        };
        let asked = self.lately.try_get_with(key, ask).await;
        let outcome = if asked.is_ok() { "granted" } else { "refused" };
        counter!(names::BLOBS_PROOFS, "outcome" => outcome).increment(1);
        let error = match asked {
            Ok(size) => return Ok(size),
            Err(error) => Error::clone(&error),
        };
        if error.is_outage()
            && let Some(shelf) = &self.shelf
            && let Some(size) = kept(shelf, owner, digest).await
        {
            return Ok(size);
        }
        Err(error)
    }

    async fn heed(&self, owner: &Owner, digest: &Digest, error: &Error) {
        if let Some(shelf) = &self.shelf {
            shelf.heed(owner, &Subject::Blob(*digest), error).await;
        }
    }

    fn learn(&self, owner: &Owner, digest: &Digest, size: Option<u64>) {
        if let Some(shelf) = &self.shelf {
            let (subject, digest) = (Subject::Blob(*digest), *digest);
            shelf.learn(owner, Lesson { subject, digest, media: None, size, content: None });
        }
    }
}

/// What upstream has said before it was down.
async fn kept(shelf: &Shelf, owner: &Owner, digest: &Digest) -> Option<Option<u64>> {
    let size = shelf.proof(owner, digest).await?;
    counter!(names::STALE, "kind" => "blob").increment(1);
    Some(size)
}

#[cfg(test)]
mod tests;
