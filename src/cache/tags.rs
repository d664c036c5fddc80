//! Where tags point, for a short time.

use crate::auth::AccessId;
use crate::error::Error;
use crate::oci::{Digest, Host, Repository, Tag};
use crate::spool::shelf::Stale;
use std::time::Duration;

/// Tag to root digest. Concurrent look-ups of one tag share one request upstream, so that one pull, and all that
/// start within the time to live, see one snapshot.
#[derive(Clone)]
pub struct Tags(moka::future::Cache<(AccessId, Host, Repository, Tag), Resolved>);

/// Where a tag points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The digest of the index or manifest.
    pub digest: Digest,
    /// Since when nobody has confirmed it, when upstream is down.
    pub stale: Option<Stale>,
}

/// Entries are small and short-lived; this bounds a scan over all tags of a registry.
const MAX_TAGS: u64 = 100_000;

impl Tags {
    /// Believes a tag for `ttl`.
    pub fn new(ttl: Duration) -> Tags {
        Tags(moka::future::Cache::builder().max_capacity(MAX_TAGS).time_to_live(ttl).build())
    }

    /// What `tag` points to, asked of `resolve` unless it is known.
    pub async fn resolve(
        &self,
        access: &AccessId,
        registry: &Host,
        repository: &Repository,
        tag: &Tag,
        resolve: impl Future<Output = Result<Resolved, Error>>,
    ) -> Result<Resolved, Error> {
        let key = (access.clone(), registry.clone(), repository.clone(), tag.clone());
        self.0.try_get_with(key, resolve).await.map_err(|error| Error::clone(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Access;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_tag_is_asked_for_once() {
        let (tags, asked) = (Tags::new(Duration::from_secs(60)), AtomicU32::new(0));
        let (access, host) = (Access::anonymous(), Host::docker_hub());
        let (repository, tag) = ("a/b".parse().unwrap(), Tag::latest());
        let resolve = || {
            tags.resolve(access.id(), &host, &repository, &tag, async {
                asked.fetch_add(1, Ordering::Relaxed);
                Ok(Resolved { digest: Digest::sha256("x"), stale: None })
            })
        };
        assert_eq!(resolve().await.unwrap().digest, Digest::sha256("x"));
        assert_eq!(resolve().await.unwrap().digest, Digest::sha256("x"));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
