//! Pools of permits.

use crate::body::{End, Watch};
use crate::error::Error;
use crate::oci::Host;
use crate::pull::Fetch;
use crate::telemetry::names;
use metrics::{Counter, Gauge, counter, gauge};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What hands out permits for requests of type `R`.
pub trait Admit<R> {
    /// A permit, or 503 `UNAVAILABLE` with `Retry-After` when there is none now.
    fn admit(&self, request: &R) -> Result<Permit, Error>;
}

/// A number of permits for everybody. Clones share them.
#[derive(Clone, Debug)]
pub struct Pool {
    permits: Arc<Semaphore>,
    size: usize,
    in_flight: Gauge,
    refused: Counter,
}

/// A number of permits for each registry, so that a slow one drowns alone.
pub struct PerRegistry {
    size: usize,
    pools: Mutex<HashMap<Host, Pool>>,
}

/// The right to have one request in flight. It rides on the response body and ends with it.
pub struct Permit {
    in_flight: Gauge,
    _permit: OwnedSemaphorePermit,
}

/// When to come back: permits are held for the time of one response.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Registries remembered before those without a request in flight are forgotten. Callers may name registries,
/// so the map must not grow with the names they think of.
const REMEMBERED: usize = 256;

impl Pool {
    /// `size` permits. `name` is the label in metrics: a word of ours, or a registry's alias.
    pub fn new(name: impl Into<Arc<str>>, size: usize) -> Pool {
        let name = name.into();
        Pool {
            permits: Arc::new(Semaphore::new(size)),
            size,
            in_flight: gauge!(names::ADMITTED, "pool" => name.clone()),
            refused: counter!(names::REFUSED, "pool" => name),
        }
    }

    /// A permit, unless all are taken.
    pub fn try_acquire(&self) -> Result<Permit, Error> {
        match self.permits.clone().try_acquire_owned() {
            Ok(permit) => {
                self.in_flight.increment(1.0);
                Ok(Permit { in_flight: self.in_flight.clone(), _permit: permit })
            }
            Err(_exhausted) => {
                self.refused.increment(1);
                Err(Error::overloaded("too many requests at once", RETRY_AFTER))
            }
        }
    }

    fn is_unused(&self) -> bool {
        self.permits.available_permits() == self.size
    }
}

impl PerRegistry {
    /// `size` permits for each registry.
    pub fn new(size: usize) -> PerRegistry {
        PerRegistry { size, pools: Mutex::new(HashMap::new()) }
    }
}

impl<R> Admit<R> for Pool {
    fn admit(&self, _: &R) -> Result<Permit, Error> {
        self.try_acquire()
    }
}

impl Admit<Fetch> for PerRegistry {
    fn admit(&self, fetch: &Fetch) -> Result<Permit, Error> {
        let registry = &fetch.registry;
        let mut pools = self.pools.lock().expect("no panic while locked");
        if let Some(pool) = pools.get(&registry.host) {
            return pool.try_acquire().map_err(Error::unasked);
        }
        if pools.len() >= REMEMBERED {
            pools.retain(|_, pool| !pool.is_unused());
        }
        let pool = Pool::new(registry.alias.clone(), self.size);
        let permit = pool.try_acquire().map_err(Error::unasked);
        pools.insert(registry.host.clone(), pool);
        permit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_flight.decrement(1.0);
    }
}

impl Watch for Permit {
    fn end(self: Box<Self>, _: End, _: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Access;
    use crate::config::Registries as Policy;
    use crate::pull::{Verb, What};
    use crate::telemetry::testing;
    use crate::upstream::{Redirects, Registries};
    use http::{HeaderMap, StatusCode};

    fn fetch(host: &str) -> Fetch {
        Fetch {
            registry: Registries::new(&Policy::default()).find(&host.parse().unwrap()).unwrap(),
            repository: "a/b".parse().unwrap(),
            what: What::Tags { n: None, last: None, more: vec![] },
            verb: Verb::Get,
            headers: HeaderMap::new(),
            access: Access::anonymous(),
            redirects: Redirects::Follow,
        }
    }

    #[test]
    fn a_slow_registry_drowns_alone() {
        let (recorder, metrics) = testing::recorder();
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let pools = PerRegistry::new(1);
        let held = pools.admit(&fetch("slow.example")).unwrap();
        let error = pools.admit(&fetch("slow.example")).err().expect("the pool is exhausted");
        assert_eq!(
            (error.status(), error.retry_after()),
            (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER))
        );
        assert!(error.is_unasked());
        let other = pools.admit(&fetch("quick.example")).unwrap();
        // Neither is configured, so no host becomes a label.
        assert_eq!(testing::value(&metrics, names::ADMITTED, &[("pool", "other")]), 2.0);
        assert_eq!(testing::value(&metrics, names::REFUSED, &[("pool", "other")]), 1.0);
        drop((held, other));
        assert_eq!(testing::value(&metrics, names::ADMITTED, &[]), 0.0);
        assert!(pools.admit(&fetch("slow.example")).is_ok());
    }

    #[test]
    fn unused_registries_are_forgotten() {
        let pools = PerRegistry::new(2);
        let held = pools.admit(&fetch("held.example")).unwrap();
        for number in 0..2 * REMEMBERED {
            assert!(pools.admit(&fetch(&format!("r{number}.example"))).is_ok());
        }
        let map = pools.pools.lock().unwrap();
        assert!(map.len() <= REMEMBERED, "{}", map.len());
        assert!(map.contains_key(&"held.example".parse().unwrap()));
        drop((map, held));
    }
}
