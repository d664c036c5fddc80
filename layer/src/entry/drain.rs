//! The end of a driver: everything to S3, the mount away, and a word about what was lost.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use crate::driver::Driver;
use crate::notice;
use crate::sys::{Signal, Waiter};

/// After a SIGTERM somebody will send SIGKILL: usually after 30 seconds.
const HURRY: Duration = Duration::from_secs(25);
/// How often it is looked for a SIGTERM.
const LOOK: Duration = Duration::from_millis(50);

/// What became of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// S3 has all of them.
    Complete,
    /// S3 does not have some; they have been named.
    Lost,
}

/// Drains and stops a driver. `terminated` is when a SIGTERM came, if one did.
pub(crate) fn drain(driver: Driver, waiter: &Waiter, mut terminated: Option<Instant>) -> Drained {
    let (limit, begun) = (driver.shutdown_timeout(), Instant::now());
    let lost = driver.drain();
    let drained = loop {
        match lost.recv_timeout(LOOK) {
            Ok(lost) => break tell(&lost),
            Err(RecvTimeoutError::Disconnected) => {
                notice::say(format_args!("the driver failed at the end; files may be lost"));
                break Drained::Lost;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        while let Some(signal) = waiter.next_before(Instant::now()) {
            if signal == Signal::TERMINATE || signal == Signal::INTERRUPT {
                terminated.get_or_insert_with(Instant::now);
            }
        }
        if deadline(limit, begun, terminated).is_some_and(|deadline| Instant::now() >= deadline) {
            notice::say(format_args!(
                "no time was left to upload everything; files are lost \
                 (FUSION_STOP_SHUTDOWN_TIMEOUT, and the time between SIGTERM and SIGKILL, decide how much there is)"
            ));
            tell(&driver.unfinished());
            break Drained::Lost;
        }
    };
    if let Err(error) = driver.stop() {
        notice::say(format_args!("the mount could not be taken away: {error}"));
    }
    drained
}

/// When to give up. An explicit limit decides alone; without one there is none before a SIGTERM.
fn deadline(limit: Option<Duration>, begun: Instant, terminated: Option<Instant>) -> Option<Instant> {
    match limit {
        Some(limit) => begun.checked_add(limit),
        // The command may have used up the time until now, which says nothing of how long somebody waits for us.
        None => terminated.map(|at| at.max(begun) + HURRY),
    }
}

fn tell(lost: &[String]) -> Drained {
    for file in lost {
        notice::say(format_args!("lost: {file}"));
    }
    if lost.is_empty() { Drained::Complete } else { Drained::Lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explicit_limit_decides_alone() {
        let minute = Duration::from_secs(60);
        let before = Instant::now();
        let begun = before + minute;
        assert_eq!(deadline(None, begun, None), None);
        assert_eq!(deadline(None, begun, Some(before)), Some(begun + HURRY));
        assert_eq!(deadline(None, begun, Some(begun + minute)), Some(begun + minute + HURRY));
        for terminated in [None, Some(before), Some(begun + minute)] {
            assert_eq!(deadline(Some(minute * 2), begun, terminated), Some(begun + minute * 2));
        }
    }
}
