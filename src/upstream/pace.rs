//! How many requests in a time: one allowance for each registry, retries and tokens included.

use super::Registry;
use crate::config::{self, Quota};
use crate::error::{Error, Side};
use crate::oci::{Code, Host};
use crate::rate::Bucket;
use crate::telemetry::names;
use metrics::counter;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The allowances of all registries.
pub(super) struct Pace {
    rate: Option<Quota>,
    patience: Duration,
    buckets: Cache<Host, Arc<Mutex<Bucket>>>,
}

/// Registries whose use is remembered; the one unheard of for the longest time is forgotten first.
const REGISTRIES: u64 = 10_000;

impl Pace {
    /// By `rate` and `rate-wait` of the configuration.
    pub(super) fn new(config: &config::Upstream) -> Pace {
        let buckets =
            Cache::builder().max_capacity(REGISTRIES).eviction_policy(EvictionPolicy::lru()).build();
        Pace { rate: config.rate, patience: config.rate_wait, buckets }
    }

    /// Waits for the turn of a request to `registry`; 429 `TOOMANYREQUESTS` with `Retry-After` when that would take
    /// longer than `rate-wait`.
    pub(super) async fn turn(&self, registry: &Registry) -> Result<(), Error> {
        let Some(quota) = registry.policy.rate.unwrap_or(self.rate) else { return Ok(()) };
        let bucket = self.buckets.get_with_by_ref(&registry.host, || Bucket::new(quota));
        let reserved =
            bucket.lock().unwrap_or_else(PoisonError::into_inner).reserve(Instant::now(), self.patience);
        let count = |outcome| {
            counter!(names::UPSTREAM_RATE, "registry" => registry.alias.clone(), "outcome" => outcome)
                .increment(1);
        };
        match reserved {
            Ok(Duration::ZERO) => Ok(()),
            Ok(wait) => {
                count("delayed");
                let mut reserved = Reserved(Some(bucket));
                sleep(wait).await;
                reserved.0 = None;
                Ok(())
            }
            Err(wait) => {
                count("refused");
                let text = format!("registry '{}' is asked as often as it may be", registry.host);
                let error = Error::new(Code::TooManyRequests, Side::Proxy, text);
                Err(error.with_retry_after(wait).unasked())
            }
        }
    }
}

/// A turn that is waited for. Whoever leaves gives it back.
struct Reserved(Option<Arc<Mutex<Bucket>>>);

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(bucket) = self.0.take() {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).put_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing;
    use crate::upstream::script::{hub, limits, listed, only};

    fn pace() -> Pace {
        let rate = Some(Quota { count: 2, per: Duration::from_secs(4) });
        Pace::new(&config::Upstream { rate, rate_wait: Duration::from_secs(5), ..limits() })
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_the_rate_waits_its_turn_or_is_refused() {
        let (recorder, metrics) = testing::recorder();
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let (pace, hub, begun) = (pace(), hub(), Instant::now());
        // Two at once, then one every two seconds: the fifth would have to wait for six.
        let turns = (0..5).map(|_| pace.turn(&hub));
        let turns = futures_util::future::join_all(turns).await;
        assert!(turns[..4].iter().all(Result::is_ok) && begun.elapsed().as_secs() == 4);
        let refused = turns[4].as_ref().unwrap_err();
        assert_eq!((refused.code(), refused.status().as_u16()), (Code::TooManyRequests, 429));
        assert_eq!((refused.retry_after(), refused.is_unasked()), (Some(Duration::from_secs(6)), true));
        let counted = |outcome| {
            testing::value(&metrics, names::UPSTREAM_RATE, &[("registry", "other"), ("outcome", outcome)])
        };
        assert_eq!((counted("delayed"), counted("refused")), (2.0, 1.0));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_gives_his_turn_back() {
        let (pace, hub) = (pace(), hub());
        for _ in 0..2 {
            pace.turn(&hub).await.unwrap();
        }
        for _ in 0..10 {
            let left = tokio::time::timeout(Duration::from_millis(1), pace.turn(&hub)).await;
            assert!(left.is_err());
        }
        let begun = Instant::now();
        pace.turn(&hub).await.unwrap();
        assert!(begun.elapsed() <= Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn each_registry_has_its_own() {
        let pace = pace();
        let policy = |rate| config::Registry { rate, ..config::Registry::default() };
        let free = only(&listed("free.example", policy(Some(None))));
        let slow = Some(Some(Quota { count: 1, per: Duration::from_secs(60) }));
        let slow = only(&listed("slow.example", policy(slow)));
        let begun = Instant::now();
        for _ in 0..100 {
            pace.turn(&free).await.unwrap();
        }
        pace.turn(&slow).await.unwrap();
        assert_eq!(pace.turn(&slow).await.unwrap_err().retry_after(), Some(Duration::from_secs(60)));
        pace.turn(&hub()).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
