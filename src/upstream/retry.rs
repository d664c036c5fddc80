//! When a request is tried again, and how often.
//!
//! Everything we send is a GET or HEAD, and a retry happens before the first byte of the answer has been handed on.

use super::{Failure, fault};
use crate::body::Body;
use crate::config;
use http::Response;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Sleep;
use tower::retry::budget::{Budget as _, TpsBudget};

/// The longest `Retry-After` that is waited for here; what asks for more is told to the client.
const PATIENCE: Duration = Duration::from_secs(5);
const GROWTH: f64 = 1.75;
const JITTER: f64 = 0.25;

/// tower's retry policy: tries again after failures of the connection and after 429, 500, 502, 503 and 504. A budget
/// shared by all requests keeps an outage from multiplying them.
#[derive(Clone, Debug)]
pub struct Again {
    left: u32,
    delay: Duration,
    budget: Arc<TpsBudget>,
}

impl Again {
    /// `attempts` and `retry-delay` of the configuration, and a budget of one retry in five requests and ten a second.
    pub fn new(config: &config::Upstream) -> Again {
        let budget = Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 0.2));
        Again { left: config.attempts.saturating_sub(1), delay: config.retry_delay, budget }
    }

    /// How long to wait before the next try; `None` when there is none.
    fn decide(&mut self, verdict: Verdict) -> Option<Duration> {
        let asked = match verdict {
            Verdict::Settled => {
                self.budget.deposit();
                return None;
            }
            Verdict::Hopeless => return None,
            Verdict::Promising(asked) => asked,
        };
        if asked.is_some_and(|asked| asked > PATIENCE) || self.left == 0 || !self.budget.withdraw() {
            return None;
        }
        self.left -= 1;
        let delay = asked.unwrap_or(Duration::ZERO).max(jittered(self.delay));
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

impl<R: Clone> tower::retry::Policy<R, Response<Body>, Failure> for Again {
    type Future = Sleep;

    fn retry(&mut self, _: &mut R, result: &mut Result<Response<Body>, Failure>) -> Option<Sleep> {
        let delay = self.decide(verdict(result))?;
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

/// `delay`, a quarter more or less. Without randomness it is the delay itself: worse, not wrong.
fn jittered(delay: Duration) -> Duration {
    let mut random = [0; 4];
    let fraction = match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    };
    delay.mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction)
}

#[cfg(test)]
mod tests;
