//! A token bucket that is one point in time.

use crate::config::Quota;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// `count` at once, then one every `per / count` (the generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Bucket {
    /// When the bucket will be full again.
    full: Instant,
    /// For one token to come back.
    interval: Duration,
    /// For all of them.
    per: Duration,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(quota: Quota) -> Arc<Mutex<Bucket>> {
        let Quota { count, per } = quota;
        Arc::new(Mutex::new(Bucket { full: Instant::now(), interval: per / count.max(1), per }))
    }

    /// Takes a token, or says after which time there will be one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.reserve(now, Duration::ZERO).map(drop)
    }

    /// Takes a token that is there after the time that is given, which is at most `patience`; or says after which time
    /// there will be one. Who asks later waits longer.
    pub(crate) fn reserve(&mut self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        let full = self.full.max(now) + self.interval;
        let wait = full.saturating_duration_since(now + self.per);
        if wait > patience {
            return Err(wait);
        }
        self.full = full;
        Ok(wait)
    }

    /// Gives a token back that was taken.
    pub(crate) fn put_back(&mut self) {
        self.full -= self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_flow() {
        let bucket = Bucket::new(Quota { count: 3, per: Duration::from_secs(30) });
        let mut bucket = bucket.lock().unwrap();
        let start = bucket.full;
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert_eq!(bucket.take(at(0)), Ok(()));
        }
        assert_eq!(bucket.take(at(0)), Err(Duration::from_secs(10)));
        assert_eq!(bucket.take(at(9)), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(at(10)), Ok(()));
        assert_eq!(bucket.take(at(10)), Err(Duration::from_secs(10)));
        for _ in 0..3 {
            assert_eq!(bucket.take(at(100)), Ok(()));
        }
        assert!(bucket.take(at(100)).is_err());
        bucket.put_back();
        assert_eq!(bucket.take(at(100)), Ok(()));
        assert!(bucket.take(at(100)).is_err());
    }
}
