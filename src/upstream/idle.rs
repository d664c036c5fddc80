//! Connections without a request, kept for the next one.

use super::wire::Wire;
use crate::telemetry::names;
use metrics::gauge;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Most idle connections to one peer.
const PER_PEER: usize = 32;

/// Idle connections by peer. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Idle(Arc<Shared>);

/// Scheme, host and port of a URL.
pub(super) type Peer = (bool, http::uri::Authority);

#[derive(Debug)]
struct Shared {
    /// How long one is kept.
    keep: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The newest last.
    peers: HashMap<Peer, Vec<(Instant, Wire)>>,
    /// Does a task wait to close what is too old?
    swept: bool,
}

impl Idle {
    /// Connections are kept for `keep`.
    pub(super) fn new(keep: Duration) -> Idle {
        Idle(Arc::new(Shared { keep, kept: Mutex::default() }))
    }

    /// A connection to `peer` that is still open, as far as can be seen.
    pub(super) fn take(&self, peer: &Peer) -> Option<Wire> {
        loop {
            let (since, mut wire) = {
                let mut kept = self.0.lock();
                let Entry::Occupied(mut entry) = kept.peers.entry(peer.clone()) else { return None };
                let newest = entry.get_mut().pop();
                if entry.get().is_empty() {
                    entry.remove();
                }
                newest?
            };
            count(-1.0);
            if since.elapsed() < self.0.keep && wire.is_quiet() {
                return Some(wire);
            }
        }
    }

    /// Keeps a connection that nothing is under way on, unless its place is wanted for another.
    pub(super) fn put(&self, peer: Peer, wire: Wire) {
        let mut kept = self.0.lock();
        // Asked under the lock: whoever begins to wait looks here after that.
        if self.0.keep.is_zero() || wire.place().is_wanted() {
            return;
        }
        let wires = kept.peers.entry(peer).or_default();
        if wires.len() >= PER_PEER {
            return;
        }
        wires.push((Instant::now(), wire));
        count(1.0);
        // Whoever gives connections back runs in the runtime; at its end there is nothing left to sweep.
        if !kept.swept
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            kept.swept = true;
            runtime.spawn(sweep(Arc::downgrade(&self.0), self.0.keep));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        count(-(kept.peers.values().map(Vec::len).sum::<usize>() as f64));
    }
}

/// Closes what is too old, until nothing is kept.
async fn sweep(shared: std::sync::Weak<Shared>, keep: Duration) {
    loop {
        tokio::time::sleep(keep).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut kept = shared.lock();
        let mut closed = 0;
        kept.peers.retain(|_, wires| {
            let before = wires.len();
            wires.retain(|(since, _)| since.elapsed() < keep);
            closed += before - wires.len();
            !wires.is_empty()
        });
        count(-(closed as f64));
        if kept.peers.is_empty() {
            kept.swept = false;
            return;
        }
    }
}

fn count(change: f64) {
    gauge!(names::UPSTREAM_IDLE).increment(change);
}
