//! A registry that asks to be left alone for a while with 429 is: for that long, for the same credentials, and for what it
//! counts, since pulls have a quota where looking at tags and fetching blobs have none.

mod layer;

pub use layer::{Hold, HoldLayer};

use super::Failure;
use crate::auth::AccessId;
use crate::body::Body;
use crate::error::{Error, Side};
use crate::oci::{Code, Host};
use crate::pull::{Fetch, Verb, What};
use crate::upstream::fault;
use http::{Response, StatusCode};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::time::Duration;
use tokio::time::Instant;

/// Until when what is not asked for. Clones share it.
#[derive(Clone, Debug)]
struct Holds(Cache<Key, Instant>);

type Key = (Host, AccessId, Kind);

/// What a registry may count apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Manifest,
    Tag,
    Blob,
    List,
}

/// Callers have credentials of their own, so the holds must not be as many; the oldest goes first.
const HOLDS: u64 = 10_000;
/// A registry may be asked again after this, whatever it says.
const LONGEST: Duration = Duration::from_secs(3600);

impl Holds {
    fn new() -> Holds {
        let holds = Cache::builder().max_capacity(HOLDS).eviction_policy(EvictionPolicy::lru());
        Holds(holds.time_to_live(LONGEST).build())
    }

    /// Fails while `key` is not to be asked for: 429 `TOOMANYREQUESTS` with the `Retry-After` that is left.
    fn check(&self, key: &Key) -> Result<(), Error> {
        let Some(until) = self.0.get(key) else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let text = format!("registry '{}' wants to be asked later, as it said a moment ago", key.0);
        Err(Error::new(Code::TooManyRequests, Side::Upstream, text).with_retry_after(left).unasked())
    }

    /// Notes when an answer says so.
    fn note(&self, key: Key, answer: &Result<Response<Body>, Failure>) {
        let after = match answer {
            Ok(response) if response.status() == StatusCode::TOO_MANY_REQUESTS => {
                fault::retry_after(response.headers())
            }
            // Of its token server, which tells no time that it was not told. Our own limits keep count themselves.
            Err(failure) if failure.error().code() == Code::TooManyRequests => {
                failure.error().retry_after().filter(|_| !failure.error().is_unasked())
            }
            _ => None,
        };
        if let Some(after) = after.filter(|after| !after.is_zero()) {
            self.0.insert(key, Instant::now() + after.min(LONGEST));
        }
    }
}

fn key(fetch: &Fetch) -> Key {
    let kind = match (&fetch.what, fetch.verb) {
        (What::Manifest(_), Verb::Get) => Kind::Manifest,
        (What::Manifest(_), Verb::Head) => Kind::Tag,
        (What::Blob(_), _) => Kind::Blob,
        (What::Tags { .. } | What::Referrers { .. }, _) => Kind::List,
    };
    (fetch.registry.host.clone(), fetch.access.id().clone(), kind)
}

#[cfg(test)]
mod tests;
