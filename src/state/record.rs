//! Grants and roots as they are written.

use super::Root;
use crate::auth::AccessId;
use crate::grant::{Grant, Recipe};
use crate::oci::{Digest, Host, Reference, Repository};
use crate::pull::Demand;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// SHA-256: what everything is filed under. A grant is filed under the hash of its token.
pub type Key = [u8; 32];

/// A grant without its recipe, which is kept once for all that share it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantRecord {
    registry: Host,
    repository: Repository,
    reference: Option<Reference>,
    explicit: bool,
    access: Option<AccessId>,
    /// Milliseconds since 1970.
    expires: Option<u64>,
    owner: Option<String>,
}

impl GrantRecord {
    pub(super) fn new(grant: &Grant) -> GrantRecord {
        GrantRecord {
            registry: grant.registry.clone(),
            repository: grant.repository.clone(),
            reference: grant.reference.clone(),
            explicit: grant.demand == Demand::Explicit,
            access: grant.access.clone(),
            expires: grant.expires.map(millis),
            owner: grant.owner.clone(),
        }
    }

    pub(super) fn grant(self, recipe: Arc<Recipe>) -> Grant {
        Grant {
            registry: self.registry,
            repository: self.repository,
            reference: self.reference,
            recipe,
            demand: demand(self.explicit),
            access: self.access,
            expires: self.expires.map(time),
            owner: self.owner,
        }
    }
}

/// A root and the digests that lead to it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootRecord {
    registry: Host,
    repository: Repository,
    base: Digest,
    access: AccessId,
    explicit: bool,
    pub(super) digests: Vec<Digest>,
}

impl RootRecord {
    pub(super) fn new(root: &Root, mut digests: Vec<Digest>) -> RootRecord {
        digests.sort_unstable();
        digests.dedup();
        RootRecord {
            registry: root.registry.clone(),
            repository: root.repository.clone(),
            base: root.base,
            access: root.access.clone(),
            explicit: root.demand == Demand::Explicit,
            digests,
        }
    }

    pub(super) fn root(self, recipe: &Recipe) -> Root {
        Root {
            registry: self.registry,
            repository: self.repository,
            base: self.base,
            recipe: recipe.id(),
            access: self.access,
            demand: demand(self.explicit),
        }
    }

    /// Under which key one of its digests is found.
    pub(super) fn place(&self, digest: &Digest) -> Key {
        place(&self.access, &self.registry, &self.repository, digest)
    }
}

/// The key of a served digest: everything that must be equal for two callers to mean the same object.
pub(super) fn place(access: &AccessId, registry: &Host, repository: &Repository, digest: &Digest) -> Key {
    // No part contains a line break, so the text is unambiguous.
    let mut text = Vec::with_capacity(256);
    for part in [access.as_str(), registry.as_str(), repository.as_str()] {
        text.extend_from_slice(part.as_bytes());
        text.push(b'\n');
    }
    digest.write(&mut text);
    hash(text)
}

/// SHA-256 of `text`.
pub(super) fn hash(text: impl AsRef<[u8]>) -> Key {
    Digest::sha256(text).raw().try_into().expect("sha256 has 32 bytes")
}

/// Milliseconds since 1970.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}

fn demand(explicit: bool) -> Demand {
    if explicit { Demand::Explicit } else { Demand::Default }
}
