//! How many requests a bucket gets at once: as many as callers make, until it asks to slow down.
//!
//! Then as TCP does it: half as many at once, and one more for each round that goes well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Requests at once; callers bound themselves below this.
const MOST: f64 = 512.0;

/// Refusals within this time are answers to the same wave of requests.
const WAVE: Duration = Duration::from_secs(1);

/// Buckets with a state of their own. Those beyond share one.
const MAX_BUCKETS: usize = 1024;

/// The limits of all buckets.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<HashMap<Box<str>, Arc<Limit>>>);

impl Limits {
    pub(super) fn of(&self, bucket: &str) -> Arc<Limit> {
        let mut limits = self.0.lock().expect("no panic holds the lock");
        if let Some(limit) = limits.get(bucket) {
            return limit.clone();
        }
        let bucket = if limits.len() < MAX_BUCKETS { bucket } else { "" };
        limits.entry(bucket.into()).or_default().clone()
    }
}

/// The limit of one bucket.
#[derive(Debug, Default)]
pub(super) struct Limit {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    allowed: f64,
    running: u32,
    lowered: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        Self { allowed: MOST, running: 0, lowered: None }
    }
}

/// The right to have one request under way.
#[derive(Debug)]
pub(super) struct Permit(Arc<Limit>);

impl Limit {
    /// Waits until the bucket may get one more request.
    pub(super) async fn enter(self: &Arc<Self>) -> Permit {
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.state.lock().expect("no panic holds the lock");
                if f64::from(state.running) < state.allowed.max(1.0).floor() {
                    state.running += 1;
                    // Whoever woke us may have left room for more than one.
                    self.freed.notify_one();
                    return Permit(self.clone());
                }
            }
            freed.await;
        }
    }
}

impl Permit {
    /// The request was answered.
    pub(super) fn succeeded(&self) {
        let mut state = self.0.state.lock().expect("no panic holds the lock");
        state.allowed = (state.allowed + 1.0 / state.allowed.max(1.0)).min(MOST);
    }

    /// The server asked to slow down.
    pub(super) fn throttled(&self) {
        let mut state = self.0.state.lock().expect("no panic holds the lock");
        if state.lowered.is_some_and(|lowered| lowered.elapsed() < WAVE) {
            return;
        }
        state.lowered = Some(Instant::now());
        state.allowed = (state.allowed.min(f64::from(state.running)) / 2.0).max(1.0);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state.lock().expect("no panic holds the lock").running -= 1;
        // The one that is woken may find the limit lowered; the next that leaves wakes another.
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fits(limit: &Arc<Limit>) -> usize {
        let mut permits = Vec::new();
        while let Ok(permit) = tokio::time::timeout(Duration::from_millis(1), limit.enter()).await {
            permits.push(permit);
        }
        permits.len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_and_successes_add_one_a_round() {
        let limits = Limits::default();
        let limit = limits.of("b");
        let mut permits = Vec::new();
        for _ in 0..16 {
            permits.push(limit.enter().await);
        }
        // One wave of refusals counts once.
        permits.iter().for_each(Permit::throttled);
        drop(permits);
        assert_eq!(fits(&limit).await, 8);
        let permit = limit.enter().await;
        (0..9).for_each(|_| permit.succeeded());
        drop(permit);
        assert_eq!(fits(&limit).await, 9);
        assert_eq!(fits(&limits.of("other")).await, 512);
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_is_always_allowed_and_waiters_are_woken() {
        let limit = Limits::default().of("b");
        for _ in 0..8 {
            limit.enter().await.throttled();
            tokio::time::advance(WAVE).await;
        }
        let held = limit.enter().await;
        let waiting = {
            let limit = limit.clone();
            tokio::spawn(async move { drop(limit.enter().await) })
        };
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.expect("woken");
    }
}
