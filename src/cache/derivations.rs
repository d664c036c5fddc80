//! Derivations in memory, and which of them holds a digest.

use crate::auth::AccessId;
use crate::error::Error;
use crate::grant::RecipeId;
use crate::oci::{Digest, Host, Repository};
use crate::pull::{Demand, Image};
use crate::rewrite::{Derivation, provenance};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Everything a derivation depends on, and who may read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    registry: Host,
    repository: Repository,
    root: Digest,
    recipe: RecipeId,
    access: AccessId,
    /// The derivation is the same, but what is written down about it is not.
    demand: Demand,
}

/// A document as somebody asks for it.
type Place = (AccessId, Host, Repository, Digest);

/// A bounded store of derivations. Eviction is harmless: a derivation is computed again, to the same bytes.
#[derive(Clone)]
pub struct Derivations {
    by_image: moka::future::Cache<Key, Arc<Derivation>>,
    /// Holds no derivation alive: an entry whose derivation was evicted is a miss.
    by_digest: moka::future::Cache<Place, Weak<Derivation>>,
}

/// How a look-up went; the label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was there, or another request was computing it.
    Hit,
    /// This request computed it.
    Leader,
}

impl Key {
    /// The key of an image.
    pub fn of(image: &Image) -> Key {
        Key {
            registry: image.registry.host.clone(),
            repository: image.repository.clone(),
            root: image.root,
            recipe: image.recipe.id(),
            access: image.access.id().clone(),
            demand: image.demand,
        }
    }
}

impl Derivations {
    /// A store of at most `max_bytes`, keys and index included, that keeps a derivation for `ttl`. An image in use is
    /// then derived again, and its root written again, before the root is forgotten.
    pub fn new(max_bytes: u64, ttl: Duration) -> Derivations {
        let by_image = moka::future::Cache::builder()
            .time_to_live(ttl)
            .max_capacity(max_bytes)
            .weigher(|_: &Key, derivation: &Arc<Derivation>| {
                u32::try_from(derivation.weight() + 256).unwrap_or(u32::MAX)
            })
            .build();
        // Two entries to a platform, about 500 bytes each beside documents of some kilobytes.
        let by_digest = moka::future::Cache::builder().max_capacity((max_bytes / 2048).max(1024)).build();
        Derivations { by_image, by_digest }
    }

    /// The derivation under `key`, if it is there.
    pub async fn get(&self, key: &Key) -> Option<Arc<Derivation>> {
        self.by_image.get(key).await
    }

    /// The derivation under `key`, computed by `compute` unless it is there. Concurrent callers wait for one
    /// computation and share its failure, which is not kept.
    pub async fn get_or_compute(
        &self,
        key: Key,
        compute: impl Future<Output = Result<Arc<Derivation>, Error>>,
    ) -> Result<(Arc<Derivation>, Outcome), Error> {
        let place =
            |digest: Digest| (key.access.clone(), key.registry.clone(), key.repository.clone(), digest);
        let entry = self.by_image.entry(key.clone()).or_try_insert_with(compute).await;
        let entry = entry.map_err(|error| Error::clone(&error))?;
        let outcome = if entry.is_fresh() { Outcome::Leader } else { Outcome::Hit };
        let derivation = entry.into_value();
        if outcome == Outcome::Leader {
            // Everybody has the empty config: it is no sign of this image.
            let empty = provenance::empty().digest;
            for digest in derivation.documents.keys().filter(|digest| **digest != empty) {
                self.by_digest.insert(place(*digest), Arc::downgrade(&derivation)).await;
            }
        }
        Ok((derivation, outcome))
    }

    /// The derivation in which `digest` is a document, among those fetched with this access from this repository.
    pub async fn find(
        &self,
        access: &AccessId,
        registry: &Host,
        repository: &Repository,
        digest: &Digest,
    ) -> Option<Arc<Derivation>> {
        let place = (access.clone(), registry.clone(), repository.clone(), *digest);
        self.by_digest.get(&place).await?.upgrade()
    }

    /// Bytes held.
    pub fn weight(&self) -> u64 {
        self.by_image.weighted_size()
    }
}

impl Outcome {
    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Hit => "hit",
            Outcome::Leader => "leader",
        }
    }
}
