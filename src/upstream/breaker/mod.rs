//! A registry that has failed again and again is left alone for a while, so that those who ask for something of it are
//! told so at once, and it has time to recover.

mod circuit;
mod layer;

pub use layer::{Breaker, BreakerLayer};

use super::Registry;
use crate::config;
use crate::error::{Error, Side};
use crate::oci::{Code, Host};
use crate::telemetry::names;
use circuit::{Change, Circuit, Outcome, Rule, Ticket};
use metrics::{counter, gauge};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The circuits of all registries. Clones share them.
#[derive(Clone)]
pub(crate) struct Circuits(Arc<Shared>);

struct Shared {
    rule: Rule,
    /// Of registries that failed last; one that works has none.
    failing: Mutex<Failing>,
}

type Failing = HashMap<Host, (Arc<Registry>, Circuit)>;

/// A request that was let through. Unless it is told what became of it, it says nothing of the registry.
struct Passage {
    circuits: Circuits,
    registry: Arc<Registry>,
    ticket: Option<Ticket>,
}

/// Circuits of registries that are not listed. Callers name these, so there must not be as many as they think of: beyond
/// this number they are asked however often they fail.
const REMEMBERED: usize = 256;

impl Circuits {
    /// By `breaker-failures`, `breaker-pause` and `breaker-longest` of the configuration.
    pub(crate) fn new(config: &config::Upstream) -> Circuits {
        let rule = Rule {
            failures: config.breaker_failures,
            pause: config.breaker_pause,
            longest: config.breaker_longest,
        };
        Circuits(Arc::new(Shared { rule, failing: Mutex::default() }))
    }

    /// Lets a request to `registry` through, or refuses it: 503 `UNAVAILABLE` with `Retry-After`.
    fn admit(&self, registry: &Arc<Registry>) -> Result<Passage, Error> {
        let admitted = match self.lock().get_mut(&registry.host) {
            Some((_, circuit)) => circuit.admit(Instant::now()),
            None => Ok(Ticket::Plain),
        };
        match admitted {
            Ok(ticket) => {
                Ok(Passage { circuits: self.clone(), registry: registry.clone(), ticket: Some(ticket) })
            }
            Err(wait) => {
                counter!(names::UPSTREAM_BREAKER_REFUSED, "registry" => registry.alias.clone()).increment(1);
                let text =
                    format!("registry '{}' has failed again and again, and is not asked now", registry.host);
                Err(Error::new(Code::Unavailable, Side::Upstream, text).with_retry_after(wait).unasked())
            }
        }
    }

    fn settle(&self, registry: &Arc<Registry>, ticket: Ticket, outcome: Outcome) {
        let (rule, now) = (&self.0.rule, Instant::now());
        let change = {
            let mut failing = self.lock();
            if !failing.contains_key(&registry.host) {
                if !matches!(outcome, Outcome::Failure | Outcome::Fault(_))
                    || rule.failures == 0
                    || !make_room(&mut failing, registry, now)
                {
                    return;
                }
                failing.insert(registry.host.clone(), (registry.clone(), Circuit::new()));
            }
            let Some((_, circuit)) = failing.get_mut(&registry.host) else { return };
            let change = circuit.settle(ticket, outcome, now, rule);
            if circuit.is_sound() {
                failing.remove(&registry.host);
            }
            change
        };
        let open = gauge!(names::UPSTREAM_BREAKER_OPEN, "registry" => registry.alias.clone());
        let host = registry.host.as_str();
        match change {
            Some(Change::Opened(pause)) => {
                open.increment(1.0);
                tracing::warn!(registry = host, ?pause, "a registry fails again and again: it is left alone");
            }
            Some(Change::Closed) => {
                open.decrement(1.0);
                tracing::info!(registry = host, "a registry that was left alone answers again");
            }
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Failing> {
        self.0.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is there room for one more? Listed registries always have theirs. Of the others those go that are closed, or that
/// nobody has asked since they may be asked again.
fn make_room(failing: &mut Failing, registry: &Registry, now: Instant) -> bool {
    if registry.listed || failing.len() < REMEMBERED {
        return true;
    }
    failing.retain(|_, (registry, circuit)| {
        let stays = registry.listed || circuit.is_needed(now);
        if !stays && circuit.is_open() {
            gauge!(names::UPSTREAM_BREAKER_OPEN, "registry" => registry.alias.clone()).decrement(1.0);
        }
        stays
    });
    failing.len() < REMEMBERED
}

impl Passage {
    fn settle(mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            self.circuits.settle(&self.registry, ticket, outcome);
        }
    }
}

/// Whoever asked has left.
impl Drop for Passage {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.circuits.settle(&self.registry, ticket, Outcome::Unknown);
        }
    }
}

impl fmt::Debug for Circuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuits").field("rule", &self.0.rule).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
