//! How many pulls in a time: one allowance for each account, and one for each address of callers without.

mod bucket;
mod layer;

pub use layer::{Rate, RateLayer};

use crate::auth::Caller;
use crate::config::{self, Quota};
use crate::error::Error;
use crate::net::network;
use crate::oci::{Code, Host, Reference, Repository};
use crate::pull::{Scoped, What};
use crate::telemetry::names;
use bucket::Bucket;
use metrics::counter;
use moka::future::Cache;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// The allowances of all callers, in bounded memory: the callers unheard of for the longest time are
/// forgotten first, and get a full allowance when they come again.
///
/// One pull is the first manifest request by a caller for an image within 60 seconds. At this height a tag
/// has no digest yet, so an image is known by its registry, repository and reference, and what is asked for
/// by digest within 60 seconds of a counted pull from the same repository passes as a part of that pull. Two
/// tags of one image hence count twice, and several images of one repository pulled by digest in one minute
/// count once.
#[derive(Clone)]
pub struct Rates {
    policy: config::Rate,
    buckets: Cache<Who, Arc<Mutex<Bucket>>>,
    /// When each image was last counted.
    counted: Cache<(Who, Host, Repository, Option<Reference>), Instant>,
}

/// Whose allowance is used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Account(Arc<str>),
    /// See [`network`].
    Address(IpAddr),
}

/// Manifest requests for the same image within this time are one pull.
const WINDOW: Duration = Duration::from_secs(60);
const CALLERS: u64 = 100_000;
const IMAGES: u64 = 200_000;

impl Rates {
    /// The allowances of the configuration.
    pub fn new(policy: &config::Rate) -> Rates {
        let longest =
            [policy.anonymous, policy.authenticated].into_iter().flatten().map(|quota| quota.per).max();
        Rates {
            policy: policy.clone(),
            // A bucket that was not used for its whole period is full: forgetting it changes nothing.
            buckets: Cache::builder()
                .max_capacity(CALLERS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(longest.unwrap_or(WINDOW))
                .build(),
            counted: Cache::builder()
                .max_capacity(IMAGES)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(WINDOW)
                .build(),
        }
    }

    /// The allowance and the reference that a request counts against; `None` for what is always free.
    fn concerns<'a>(&self, scoped: &'a Scoped) -> Option<(Quota, &'a Reference)> {
        let What::Manifest(reference) = &scoped.pull.wish else { return None };
        let quota = match scoped.pull.caller.credentials {
            Some(_) => self.policy.authenticated,
            None => self.policy.anonymous,
        };
        Some((quota?, reference))
    }

    /// Counts a request if it is the first of a pull; 429 `TOOMANYREQUESTS` with `Retry-After` when the
    /// caller's allowance is used up.
    async fn count(&self, scoped: &Scoped, quota: Quota, reference: &Reference) -> Result<(), Error> {
        let who = Who::of(&scoped.pull.caller);
        let grant = &scoped.grant;
        let image = |reference| (who.clone(), grant.registry.clone(), grant.repository.clone(), reference);
        let whole = image(None);
        if let Reference::Digest(_) = reference
            && self.counted.get(&whole).await.is_some_and(|at| at.elapsed() < WINDOW)
        {
            return Ok(());
        }
        let first = async |known: Option<moka::Entry<_, Instant>>| {
            if known.is_some_and(|known| known.into_value().elapsed() < WINDOW) {
                return Ok(Op::Nop);
            }
            self.take(&who, quota).await?;
            self.counted.insert(whole, Instant::now()).await;
            Ok::<_, Error>(Op::Put(Instant::now()))
        };
        self.counted.entry(image(Some(reference.clone()))).and_try_compute_with(first).await.map(drop)
    }

    async fn take(&self, who: &Who, quota: Quota) -> Result<(), Error> {
        let bucket =
            self.buckets.entry_by_ref(who).or_insert_with(async { Bucket::new(quota) }).await.into_value();
        let taken = bucket.lock().expect("no panic while locked").take(Instant::now());
        let outcome = if taken.is_ok() { "counted" } else { "limited" };
        counter!(names::PULLS, "caller" => who.as_str(), "outcome" => outcome).increment(1);
        taken.map_err(|wait| {
            Error::client(Code::TooManyRequests, "Request exceeded expected pull rate limit")
                .with_retry_after(wait)
        })
    }
}

impl Who {
    /// Credentials at this height are those of an account; the layer above took all others away.
    fn of(caller: &Caller) -> Who {
        if let Some(credentials) = &caller.credentials {
            return Who::Account(credentials.username.as_str().into());
        }
        Who::Address(network(caller.address))
    }

    fn as_str(&self) -> &'static str {
        match self {
            Who::Account(_) => "authenticated",
            Who::Address(_) => "anonymous",
        }
    }
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rates").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
