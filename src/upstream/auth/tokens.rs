//! The tokens in hand, and one request for each that is not.

use super::token::Token;
use crate::auth::AccessId;
use crate::oci::{Host, Repository};
use crate::upstream::Failure;
use http::HeaderValue;
use moka::future::Cache;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

const CAPACITY: u64 = 10_000;
const UNUSED: Duration = Duration::from_secs(3600);

/// Whose token for what. A token is never shared by two accesses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) registry: Host,
    pub(crate) repository: Repository,
    pub(crate) access: AccessId,
    pub(crate) action: Action,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Pull,
}

/// Tokens by key. Whoever finds none asks for one while the others wait; they share the answer, good or bad.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(Cache<Key, Arc<Mutex<Slot>>>);

#[derive(Debug, Default)]
struct Slot {
    token: Option<(HeaderValue, Instant)>,
    /// The last refusal or failure; told to those who already waited when it happened.
    missed: Option<(Result<(), Failure>, Instant)>,
}

impl Tokens {
    pub(crate) fn new() -> Tokens {
        Tokens(Cache::builder().max_capacity(CAPACITY).time_to_idle(UNUSED).build())
    }

    /// The token for `key`, asked for by `fetch` when there is none that is both fresh and other than `stale`, the one
    /// that a registry has just refused. `None` when the token server refuses.
    pub(crate) async fn obtain(
        &self,
        key: Key,
        stale: Option<&HeaderValue>,
        fetch: impl Future<Output = Result<Option<Token>, Failure>>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let asked = Instant::now();
        let slot = self.0.get_with(key, async { Arc::default() }).await;
        // Held across the request: that is what makes the others wait. A leader that is dropped lets go, and the next
        // in line takes over.
        let mut slot = slot.lock().await;
        if let Some((header, until)) = &slot.token
            && Instant::now() < *until
            && Some(header) != stale
        {
            return Ok(Some(header.clone()));
        }
        if let Some((outcome, at)) = &slot.missed
            && asked < *at
        {
            return outcome.clone().map(|()| None);
        }
        let fetched = fetch.await;
        let outcome = if fetched.is_ok() { "ok" } else { "failed" };
        metrics::counter!(crate::telemetry::names::UPSTREAM_TOKENS, "outcome" => outcome).increment(1);
        match fetched {
            Ok(Some(Token { header, life })) => {
                *slot = Slot { token: Some((header.clone(), Instant::now() + life)), missed: None };
                Ok(Some(header))
            }
            Ok(None) => {
                *slot = Slot { token: None, missed: Some((Ok(()), Instant::now())) };
                Ok(None)
            }
            Err(failure) => {
                slot.missed = Some((Err(failure.clone()), Instant::now()));
                Err(failure)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Access;
    use crate::error::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn key() -> Key {
        Key {
            registry: Host::docker_hub(),
            repository: "library/x".parse().unwrap(),
            access: Access::anonymous().id().clone(),
            action: Action::Pull,
        }
    }

    /// Gives `Bearer 1`, `Bearer 2`, ... each after a second.
    async fn numbered(count: &AtomicUsize) -> Result<Option<Token>, Failure> {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let header = HeaderValue::try_from(format!("Bearer {number}")).unwrap();
        Ok(Some(Token { header, life: Duration::from_secs(60) }))
    }

    #[tokio::test(start_paused = true)]
    async fn many_wait_for_one() {
        let (tokens, count) = (Tokens::new(), AtomicUsize::new(0));
        let asks = (0..100).map(|_| tokens.obtain(key(), None, numbered(&count)));
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(answer.unwrap().unwrap(), "Bearer 1");
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_end_and_stale_ones_are_replaced_once() {
        let (tokens, count) = (Tokens::new(), AtomicUsize::new(0));
        let first = tokens.obtain(key(), None, numbered(&count)).await.unwrap();
        let asks = (0..10).map(|_| tokens.obtain(key(), first.as_ref(), numbered(&count)));
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(answer.unwrap().unwrap(), "Bearer 2");
        }
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(tokens.obtain(key(), None, numbered(&count)).await.unwrap().unwrap(), "Bearer 2");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(tokens.obtain(key(), None, numbered(&count)).await.unwrap().unwrap(), "Bearer 3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_shared_by_those_who_waited_and_by_no_one_else() {
        let (tokens, count) = (Tokens::new(), AtomicUsize::new(0));
        let fail = async || {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            Err(Failure::Transient(Error::bad_gateway("down")))
        };
        let asks = (0..10).map(|_| tokens.obtain(key(), None, fail()));
        assert!(futures_util::future::join_all(asks).await.iter().all(|answer| answer.is_err()));
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert!(tokens.obtain(key(), None, numbered(&count)).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_leaves_is_replaced() {
        let (tokens, count) = (Tokens::new(), AtomicUsize::new(0));
        let leader = tokens.obtain(key(), None, std::future::pending());
        let follower = tokens.obtain(key(), None, numbered(&count));
        assert!(tokio::time::timeout(Duration::from_secs(1), leader).await.is_err());
        assert_eq!(follower.await.unwrap().unwrap(), "Bearer 1");
    }
}
