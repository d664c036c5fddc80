//! How often, when, and until when a request is sent again.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

/// Attempts for one request, the first included.
const ATTEMPTS: u32 = 10;

/// All attempts together.
const DEADLINE: Duration = Duration::from_secs(300);

/// The longest pause before the first repetition; it doubles from one to the next.
const FIRST: Duration = Duration::from_millis(50);

/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(20);

/// A number from 0 up to but not including 1.
pub(super) fn random() -> f64 {
    let mut bytes = [0; 4];
    // A machine without random numbers waits for the shortest time. TLS would have failed there before.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return 0.0;
    }
    f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

/// Why no further attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Attempts,
    Deadline,
}

/// The attempts of one request.
#[derive(Debug)]
pub(super) struct Retry {
    end: Instant,
    failed: u32,
}

impl Retry {
    pub(super) fn new() -> Self {
        Self { end: Instant::now() + DEADLINE, failed: 0 }
    }

    /// The time an attempt may take.
    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Waits for the next attempt after one that failed: any time up to a bound that doubles ("full jitter"), and
    /// no less than the server asks for.
    pub(super) async fn pause(&mut self, asked: Option<Duration>) -> Result<(), Stop> {
        self.failed += 1;
        if self.failed >= ATTEMPTS {
            return Err(Stop::Attempts);
        }
        let pause = bound(self.failed).mul_f64(random()).max(asked.unwrap_or_default().min(LONGEST));
        if pause >= self.left() {
            return Err(Stop::Deadline);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

fn bound(failed: u32) -> Duration {
    FIRST.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_longest() {
        let bounds: Vec<u128> = (1..=10).map(|failed| bound(failed).as_millis()).collect();
        assert_eq!(bounds, [50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 20_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_attempts_within_the_sum_of_all_bounds() {
        let begun = Instant::now();
        let mut retry = Retry::new();
        let mut attempts = 1;
        while retry.pause(None).await.is_ok() {
            attempts += 1;
        }
        assert_eq!(attempts, ATTEMPTS);
        assert!(begun.elapsed() <= Duration::from_millis(25_600), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_given_the_time_it_asks_for_but_not_beyond_the_deadline() {
        let mut retry = Retry::new();
        let begun = Instant::now();
        retry.pause(Some(Duration::from_secs(7))).await.expect("there is time");
        assert!(begun.elapsed() >= Duration::from_secs(7));
        tokio::time::advance(Duration::from_secs(290)).await;
        assert_eq!(retry.pause(Some(Duration::from_secs(7))).await, Err(Stop::Deadline));
    }
}
