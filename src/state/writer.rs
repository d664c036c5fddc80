//! The one thread that changes the file. It takes all changes that wait and commits them together, so that a
//! burst of tokens costs one flush and not one each.

use super::Root;
use super::record::Key;
use super::store::Store;
use super::tables::{self, Counts};
use crate::error::Error;
use crate::grant::{Grant, Recipe};
use crate::oci::Digest;
use metrics::{Counter, Gauge};
use redb::Database;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Changes that may wait for the thread; more make their callers wait.
pub(super) const QUEUE: usize = 256;

/// Changes in one commit.
const BATCH: usize = 128;

/// What is to be changed. Times are milliseconds since 1970.
pub(super) enum Change {
    PutGrant(Key, Arc<Grant>),
    DeleteGrants(Vec<Key>),
    PutRoot { root: Box<Root>, recipe: Arc<Recipe>, digests: Vec<Digest>, now: u64 },
    Sweep { now: u64 },
}

/// A change, and who waits until it is on disk.
pub(super) struct Order {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Result<(), Error>>,
}

/// The thread's own things.
pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) max_roots: u64,
    pub(super) root_ttl: u64,
    pub(super) gauges: Gauges,
    /// May there be recipes that nobody needs? Whatever removes a grant or root says so.
    pub(super) orphans: Cell<bool>,
    /// Could the last change not be written? Then a sweep tries, with or without anything to sweep.
    pub(super) failing: Arc<AtomicBool>,
}

/// What is told to the operator.
pub(super) struct Gauges {
    grants: Gauge,
    roots: Gauge,
    commits: Counter,
    failures: Counter,
}

impl Gauges {
    pub(super) fn new() -> Gauges {
        Gauges {
            grants: metrics::gauge!("wave_state_grants"),
            roots: metrics::gauge!("wave_state_roots"),
            commits: metrics::counter!("wave_state_commits_total"),
            failures: metrics::counter!("wave_state_failures_total"),
        }
    }
}

impl Writer {
    /// Runs until nobody can send any more.
    pub(super) fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.orders.blocking_recv_many(&mut batch, BATCH) > 0 {
            let write = || self.store.with(|database| self.commit(database, &batch));
            let mut outcome = write();
            if matches!(outcome, Err(redb::Error::DatabaseClosed)) {
                self.store.reopen();
                outcome = write();
            }
            match outcome {
                // Nothing was written, which proves nothing.
                Ok(false) => {}
                Ok(true) => self.failing.store(false, Ordering::Relaxed),
                Err(_) => self.failing.store(true, Ordering::Relaxed),
            }
            if let Err(error) = &outcome {
                self.gauges.failures.increment(1);
                self.orphans.set(true);
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    changes = batch.len(),
                    "state not written"
                );
                self.store.reopen();
            }
            let shared = outcome.map(drop).map_err(|error| unavailable().with_source(error));
            for order in batch.drain(..) {
                // A caller that went away no longer cares.
                let _ = order.done.send(shared.clone());
            }
        }
    }

    /// Was there anything to write?
    fn commit(&self, database: &Database, batch: &[Order]) -> Result<bool, redb::Error> {
        let write = database.begin_write()?;
        let mut changed = false;
        for order in batch {
            changed |= self.apply(&write, &order.change)?;
        }
        if !changed {
            write.abort()?;
            return Ok(false);
        }
        let Counts { grants, roots } = tables::counts(&write)?;
        write.commit()?;
        self.gauges.commits.increment(1);
        self.gauges.grants.set(grants as f64);
        self.gauges.roots.set(roots as f64);
        Ok(true)
    }

    fn apply(&self, write: &redb::WriteTransaction, change: &Change) -> Result<bool, redb::Error> {
        match change {
            Change::PutGrant(key, grant) => tables::put_grant(write, key, grant).map(|()| true),
            Change::DeleteGrants(keys) => {
                tables::delete_grants(write, keys)?;
                self.orphans.set(true);
                Ok(!keys.is_empty())
            }
            Change::PutRoot { root, recipe, digests, now } => {
                // A root that is derived again and again is stamped anew a few times in its life.
                let new = tables::put_root(write, root, recipe, digests, *now, self.root_ttl / 8)?;
                if new && tables::trim_roots(write, 0, self.max_roots)? > 0 {
                    self.orphans.set(true);
                }
                Ok(new)
            }
            Change::Sweep { now } => {
                let before = now.saturating_sub(self.root_ttl);
                let roots = tables::trim_roots(write, before, self.max_roots)?;
                let recipes = if self.orphans.take() || roots > 0 { tables::trim_recipes(write)? } else { 0 };
                tracing::debug!(roots, recipes, "state swept");
                let probe = self.failing.load(Ordering::Relaxed);
                if probe {
                    tables::probe(write, *now)?;
                }
                Ok(probe || roots + recipes > 0)
            }
        }
    }
}

/// 503: what is written down cannot be told from what is not, so nothing is said to be unknown.
pub(super) fn unavailable() -> Error {
    Error::overloaded("the state of this registry cannot be reached", Duration::from_secs(5))
}
