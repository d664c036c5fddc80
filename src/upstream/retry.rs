//! When a request is tried again, and how often.
//!
//! Everything we send is a GET or HEAD, and a retry happens before the first byte of the answer has been handed on.

use super::{Failure, fault};
use crate::body::Body;
use crate::config;
use crate::pull::Fetch;
use http::{Request, Response};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Sleep;
use tower::retry::budget::{Budget as _, TpsBudget};

/// The longest `Retry-After` that is waited for here; what asks for more is told to the client.
const PATIENCE: Duration = Duration::from_secs(5);
const GROWTH: f64 = 1.75;
/// Delays are longer or shorter by at most this part.
const JITTER: f64 = 0.25;

/// tower's retry policy: tries again after failures of the connection and after 429, 500, 502, 503 and 504. A budget
/// shared by all requests to one registry keeps an outage from multiplying them.
#[derive(Clone, Debug)]
pub struct Again {
    left: u32,
    delay: Duration,
    budgets: Budgets,
}

/// A request whose retries count against the budget of a peer.
pub trait Charged: Clone {
    /// The peer: one of few names, never one that a request made up.
    fn peer(&self) -> &str;
}

/// Each listed registry has a budget of its own; the others share one.
impl Charged for Fetch {
    fn peer(&self) -> &str {
        if self.registry.listed { self.registry.host.as_str() } else { "other" }
    }
}

/// Layers that are named by a URL share one budget.
impl<B: Clone> Charged for Request<B> {
    fn peer(&self) -> &str {
        "layers"
    }
}

/// One retry in five requests and ten a second, for each peer.
#[derive(Clone, Debug, Default)]
struct Budgets(Arc<Mutex<HashMap<String, Arc<TpsBudget>>>>);

impl Budgets {
    fn of(&self, peer: &str) -> Arc<TpsBudget> {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = budgets.get(peer) {
            return budget.clone();
        }
        let budget = Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 0.2));
        budgets.insert(peer.to_string(), budget.clone());
        budget
    }
}

impl Again {
    /// `attempts` and `retry-delay` of the configuration.
    pub fn new(config: &config::Upstream) -> Again {
        let budgets = Budgets::default();
        Again { left: config.attempts.saturating_sub(1), delay: config.retry_delay, budgets }
    }

    /// How long to wait before the next try; `None` when there is none.
    fn decide(&mut self, peer: &str, verdict: Verdict) -> Option<Duration> {
        let asked = match verdict {
            Verdict::Settled => {
                self.budgets.of(peer).deposit();
                return None;
            }
            Verdict::Hopeless => return None,
            Verdict::Promising(asked) => asked,
        };
        if asked.is_some_and(|asked| asked > PATIENCE) || self.left == 0 || !self.budgets.of(peer).withdraw()
        {
            return None;
        }
        self.left -= 1;
        // Never sooner than asked for, and not all who were told the same time at that time.
        let least = self.delay.mul_f64(1.0 - JITTER).max(asked.unwrap_or_default());
        let delay = least + self.delay.mul_f64(2.0 * JITTER * fraction());
        self.delay = self.delay.mul_f64(GROWTH);
        Some(delay)
    }
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// There is an answer.
    Settled,
    /// Another try may help, not before the time the upstream asked for.
    Promising(Option<Duration>),
    /// It will not.
    Hopeless,
}

fn verdict(result: &Result<Response<Body>, Failure>) -> Verdict {
    match result {
        Ok(response) => match response.status().as_u16() {
            429 | 500 | 502 | 503 | 504 => Verdict::Promising(fault::retry_after(response.headers())),
            _ => Verdict::Settled,
        },
        Err(Failure::Transient(error)) => Verdict::Promising(error.retry_after()),
        Err(Failure::Final(_)) => Verdict::Hopeless,
    }
}

impl<R: Charged> tower::retry::Policy<R, Response<Body>, Failure> for Again {
    type Future = Sleep;

    fn retry(&mut self, request: &mut R, result: &mut Result<Response<Body>, Failure>) -> Option<Sleep> {
        let delay = self.decide(request.peer(), verdict(result))?;
        match result {
            Ok(response) => tracing::debug!(status = response.status().as_u16(), ?delay, "trying again"),
            Err(failure) => tracing::debug!(error = failure.error().message(), ?delay, "trying again"),
        }
        Some(tokio::time::sleep(delay))
    }

    fn clone_request(&mut self, request: &R) -> Option<R> {
        Some(request.clone())
    }
}

/// A number from 0 to 1. Without randomness it is one half: worse, not wrong.
fn fraction() -> f64 {
    let mut random = [0; 4];
    match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests;
