//! Who may read which blob where.
//!
//! A blob is on disk once, whoever fetched it. To read it there, somebody must have shown, with the credentials his
//! request uses, that upstream lets him read it in that repository; to know its digest is not enough.

use crate::auth::AccessId;
use crate::error::Error;
use crate::oci::{Digest, Host, Repository};
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

/// What upstream has said lately, with the size of the blob where it told that. Bounded, and forgotten in time.
#[derive(Clone, Debug)]
pub struct Proofs(Cache<(Owner, Digest), Option<u64>>);

impl Proofs {
    /// At most `most` proofs, each for `ttl`.
    pub(super) fn new(most: usize, ttl: Duration) -> Proofs {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        Proofs(Cache::builder().max_capacity(most).time_to_live(ttl).build())
    }

    /// Upstream has just let `owner` read the blob.
    pub async fn grant(&self, owner: &Owner, digest: &Digest, size: Option<u64>) {
        self.0.insert((owner.clone(), *digest), size).await;
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
        if let Some(size) = self.0.get(&key).await {
            counter!(names::BLOBS_PROOFS, "outcome" => "known").increment(1);
            return Ok(size);
        }
        let asked = self.0.try_get_with(key, ask).await;
        let outcome = if asked.is_ok() { "granted" } else { "refused" };
        counter!(names::BLOBS_PROOFS, "outcome" => outcome).increment(1);
        asked.map_err(|error| Error::clone(&error))
    }
}

#[cfg(test)]
mod tests;
