//! How many pulls in a time: one allowance for each account, and one for each address of callers without.

mod bucket;
mod layer;
mod pulls;

pub(crate) use bucket::Bucket;
pub use layer::{Rate, RateLayer};

use crate::auth::Caller;
use crate::config::{self, Quota};
use crate::error::Error;
use crate::net::network;
use crate::oci::{Code, Digest};
use crate::pull::{Scoped, What};
use crate::telemetry::names;
use metrics::counter;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use pulls::{Asked, Pull, Pulls, WINDOW};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// The allowances of all callers, in bounded memory: the callers unheard of for the longest time are
/// forgotten first, and get a full allowance when they come again.
///
/// One pull is the first manifest request by a caller for a root digest within 60 seconds, by tag or by digest. HEAD
/// and GET of an image, its second tag, and the manifests of an index that was handed to this caller are free within
/// that time, and what does not exist is no pull. The root of a tag is known when it has been answered, so a request
/// holds a token while it is under way, which is given back when the image turns out to be counted already. Hence a
/// caller without a token left is refused before anything is asked for him, unless he repeats a reference that is
/// counted: another tag of such an image is refused too.
#[derive(Clone)]
pub struct Rates {
    policy: config::Rate,
    buckets: Cache<Who, Arc<Mutex<Bucket>>>,
    pulls: Pulls,
}

/// A request that counts, under which quota, and the pull it is thought to belong to.
struct Ticket {
    asked: Asked,
    quota: Quota,
    pull: Arc<Pull>,
}

/// Whose allowance is used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Account(Arc<str>),
    /// See [`network`].
    Address(IpAddr),
}

const CALLERS: u64 = 100_000;

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
            pulls: Pulls::new(),
        }
    }

    /// The allowance that a request counts against; `None` for what is always free.
    fn concerns(&self, scoped: &Scoped) -> Option<(Asked, Quota)> {
        let What::Manifest(reference) = &scoped.pull.wish else { return None };
        let caller = &scoped.pull.caller;
        let quota = match caller.credentials {
            Some(_) => self.policy.authenticated,
            None => self.policy.anonymous,
        };
        let grant = &scoped.grant;
        let asked = (Who::of(caller), grant.registry.clone(), grant.repository.clone(), reference.clone());
        Some((asked, quota?))
    }

    /// Lets a request in that belongs to a pull or begins one; 429 `TOOMANYREQUESTS` with `Retry-After` when the
    /// caller's allowance is used up.
    async fn admit(&self, asked: Asked, quota: Quota) -> Result<Ticket, Error> {
        let pull = self.pulls.of(&asked, async || self.begin(&asked.0, quota).await).await?;
        Ok(Ticket { asked, quota, pull })
    }

    /// The request was answered with the image `root`. 429 when it is not the one that the pull was for, since the tag
    /// has moved, and there is no token for another.
    async fn settle(&self, ticket: Ticket, root: Digest, children: Vec<Digest>) -> Result<(), Error> {
        let Ticket { asked, quota, pull } = ticket;
        let begin = async || self.begin(&asked.0, quota).await;
        self.pulls.settle(&asked, pull, root, children, begin).await
    }

    /// The request came to nothing.
    async fn fail(&self, ticket: Ticket) {
        self.pulls.fail(&ticket.asked, &ticket.pull).await;
    }

    async fn begin(&self, who: &Who, quota: Quota) -> Result<Arc<Pull>, Error> {
        let bucket =
            self.buckets.entry_by_ref(who).or_insert_with(async { Bucket::new(quota) }).await.into_value();
        let taken = bucket.lock().expect("no panic while locked").take(Instant::now());
        match taken {
            Ok(()) => Ok(Pull::new(who.clone(), bucket)),
            Err(wait) => {
                counter!(names::PULLS, "caller" => who.as_str(), "outcome" => "limited").increment(1);
                let error = Error::client(Code::TooManyRequests, "Request exceeded expected pull rate limit");
                Err(error.with_retry_after(wait))
            }
        }
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
