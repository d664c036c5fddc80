//! How many connections to each host: whoever finds no place for one more waits until one is closed.

use super::idle::{Idle, Peer};
use crate::telemetry::names;
use metrics::{Counter, Gauge, counter, gauge};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The places of one pool. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    open: Gauge,
    refused: Counter,
    hosts: Mutex<HashMap<Peer, Arc<Host>>>,
}

#[derive(Debug)]
struct Host {
    free: Arc<Semaphore>,
    /// How many wait.
    waiting: AtomicUsize,
}

/// The right to one open connection.
#[derive(Debug)]
pub(crate) struct Place {
    host: Arc<Host>,
    open: Gauge,
    _permit: OwnedSemaphorePermit,
}

/// Hosts remembered before those without a connection are forgotten.
const REMEMBERED: usize = 256;

impl Places {
    /// `most` connections to each host. `label` is that of the metrics.
    pub(super) fn new(most: usize, label: &Arc<str>) -> Places {
        Places(Arc::new(Shared {
            most,
            open: gauge!(names::UPSTREAM_CONNECTIONS, "registry" => label.clone()),
            refused: counter!(names::UPSTREAM_CONNECTIONS_REFUSED, "registry" => label.clone()),
            hosts: Mutex::default(),
        }))
    }

    /// A place for one more connection to `peer`, for which one of `idle` is closed if need be; `None` when there is none
    /// in time.
    pub(super) async fn take(&self, peer: &Peer, idle: &Idle, limit: Duration) -> Option<Place> {
        let host = self.host(peer);
        let permit = match host.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_all_taken) => {
                // From here on none is put aside that could be closed; those that lie there are looked at after that.
                let waiting = Waiting::new(&host);
                drop(idle.take(peer));
                let permit = timeout(limit, host.free.clone().acquire_owned()).await;
                drop(waiting);
                let Ok(Ok(permit)) = permit else {
                    self.0.refused.increment(1);
                    return None;
                };
                permit
            }
        };
        self.0.open.increment(1.0);
        Some(Place { host, open: self.0.open.clone(), _permit: permit })
    }

    fn host(&self, peer: &Peer) -> Arc<Host> {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(peer) {
            return host.clone();
        }
        if hosts.len() >= REMEMBERED {
            // What has a connection, or waits for one, holds another reference.
            hosts.retain(|_, host| Arc::strong_count(host) > 1);
        }
        let host =
            Arc::new(Host { free: Arc::new(Semaphore::new(self.0.most)), waiting: AtomicUsize::new(0) });
        hosts.insert(peer.clone(), host.clone());
        host
    }
}

impl Place {
    /// Does somebody wait for a place at the same host?
    pub(super) fn is_wanted(&self) -> bool {
        self.host.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.decrement(1.0);
    }
}

struct Waiting<'a>(&'a Host);

impl Waiting<'_> {
    fn new(host: &Host) -> Waiting<'_> {
        host.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(host)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing;

    const LIMIT: Duration = Duration::from_secs(5);

    fn peer(name: &str) -> Peer {
        (true, name.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_waited_for() {
        let (recorder, metrics) = testing::recorder();
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let value = |name| testing::value(&metrics, name, &[("registry", "hub")]);
        let (places, idle, a) = (Places::new(1, &"hub".into()), Idle::new(LIMIT), peer("a.example"));
        let first = places.take(&a, &idle, LIMIT).await.unwrap();
        assert!(places.take(&peer("b.example"), &idle, LIMIT).await.is_some(), "another host");
        assert!(!first.is_wanted());
        assert!(places.take(&a, &idle, LIMIT).await.is_none());
        assert_eq!(
            (value(names::UPSTREAM_CONNECTIONS), value(names::UPSTREAM_CONNECTIONS_REFUSED)),
            (1.0, 1.0)
        );

        let leave = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(first.is_wanted());
            drop(first);
        };
        let (second, ()) = tokio::join!(places.take(&a, &idle, LIMIT), leave);
        assert!(second.is_some_and(|second| !second.is_wanted()));
        assert_eq!(value(names::UPSTREAM_CONNECTIONS), 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_without_a_connection_are_forgotten() {
        let (places, idle) = (Places::new(1, &"hub".into()), Idle::new(LIMIT));
        let held = places.take(&peer("held.example"), &idle, LIMIT).await.unwrap();
        for number in 0..2 * REMEMBERED {
            assert!(places.take(&peer(&format!("r{number}.example")), &idle, LIMIT).await.is_some());
        }
        assert!(places.0.hosts.lock().unwrap().len() <= REMEMBERED);
        assert!(places.take(&peer("held.example"), &idle, LIMIT).await.is_none());
        drop(held);
    }
}
