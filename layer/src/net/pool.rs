//! Idle connections, by origin.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::http::Origin;
use super::upload::Upload;

/// Idle connections kept for one origin.
const MAX_IDLE: usize = 64;

/// A server closes what has been idle for some time, S3 after about 20 s; a request on such a connection is lost.
const MAX_AGE: Duration = Duration::from_secs(15);

/// The next request of a connection can be sent once it has seen the end of the last answer. That takes no
/// round trip, so one that is not ready by then is still sending a body nobody wants.
const SETTLE: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Upload>,
    since: Instant,
}

/// The idle connections. The one used last is taken first, so the others grow old and go.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<HashMap<Origin, Vec<Idle>>>);

impl Pool {
    /// A connection that is ready, if there is one.
    pub(super) async fn take(&self, origin: &Origin) -> Option<SendRequest<Upload>> {
        loop {
            let mut idle = self.pop(origin)?;
            if idle.sender.is_closed() {
                continue;
            }
            if let Ok(Ok(())) = tokio::time::timeout(SETTLE, idle.sender.ready()).await {
                return Some(idle.sender);
            }
        }
    }

    fn pop(&self, origin: &Origin) -> Option<Idle> {
        let mut pool = self.0.lock().expect("no panic holds the lock");
        let idle = pool.get_mut(origin)?;
        idle.retain(|idle| idle.since.elapsed() < MAX_AGE);
        idle.pop()
    }

    /// Keeps a connection whose answer has been read to its end.
    pub(super) fn put(&self, origin: &Origin, sender: SendRequest<Upload>) {
        if sender.is_closed() {
            return;
        }
        let mut pool = self.0.lock().expect("no panic holds the lock");
        // Buckets have origins of their own: those that are no longer used must not hold connections.
        pool.retain(|_, idle| {
            idle.retain(|idle| idle.since.elapsed() < MAX_AGE && !idle.sender.is_closed());
            !idle.is_empty()
        });
        let idle = pool.entry(origin.clone()).or_default();
        if idle.len() < MAX_IDLE {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }
}
