//! The state of one registry: asked, left alone, or on trial. No I/O, and time is an argument.

use std::time::Duration;
use tokio::time::Instant;

/// When a registry is left alone, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// After so many failures in a row; 0 is never.
    pub(super) failures: u32,
    /// The first time for so long, and each time that the trial fails twice as long,
    pub(super) pause: Duration,
    /// up to this.
    pub(super) longest: Duration,
}

/// One registry.
#[derive(Debug)]
pub(super) struct Circuit(State);

#[derive(Debug)]
enum State {
    /// It is asked, and has failed in a row.
    Closed(Row),
    /// It is left alone until then, which is `pause` after it failed.
    Open { until: Instant, pause: Duration },
    /// One request is under way that decides, after a pause of so long.
    Trial(Duration),
}

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    failures: u32,
    /// Of what the first fault was.
    first: Option<u64>,
    /// Was there a failure, or a fault of something else? Of one thing alone anybody may find one that always fails.
    wide: bool,
}

/// What a request that was let through stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ticket {
    /// One of many.
    Plain,
    /// The one that decides.
    Trial,
}

/// What a request says of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It answers.
    Success,
    /// It is out of order.
    Failure,
    /// It answers that it cannot, in a request about this.
    Fault(u64),
    /// Nothing.
    Unknown,
}

/// What is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// From now on it is left alone, at first for so long.
    Opened(Duration),
    /// From now on it is asked.
    Closed,
}

/// When to come back while a trial is under way.
const SOON: Duration = Duration::from_secs(1);

impl Circuit {
    pub(super) fn new() -> Circuit {
        Circuit(State::Closed(Row::default()))
    }

    /// Lets a request through, or says when to come back.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, Duration> {
        match self.0 {
            State::Closed(_) => Ok(Ticket::Plain),
            State::Open { until, .. } if now < until => Err(until - now),
            State::Open { pause, .. } => {
                self.0 = State::Trial(pause);
                Ok(Ticket::Trial)
            }
            State::Trial(_) => Err(SOON),
        }
    }

    /// What became of a request. Of those that were sent before it was left alone nothing follows any more.
    pub(super) fn settle(
        &mut self,
        ticket: Ticket,
        outcome: Outcome,
        now: Instant,
        rule: &Rule,
    ) -> Option<Change> {
        match (&self.0, ticket, outcome) {
            (State::Closed(_), _, Outcome::Success) => {
                self.0 = State::Closed(Row::default());
                None
            }
            (State::Closed(row), _, Outcome::Failure | Outcome::Fault(_)) => {
                let row = row.and(outcome);
                if rule.failures == 0 || row.failures < rule.failures || !row.wide {
                    self.0 = State::Closed(row);
                    return None;
                }
                self.0 = State::Open { until: now + rule.pause, pause: rule.pause };
                Some(Change::Opened(rule.pause))
            }
            (State::Trial(_), Ticket::Trial, Outcome::Success) => {
                self.0 = State::Closed(Row::default());
                Some(Change::Closed)
            }
            // It answers again, if only this: half of the failures would open it anew.
            (State::Trial(_), Ticket::Trial, Outcome::Fault(of)) => {
                let failures = rule.failures / 2;
                self.0 = State::Closed(Row { failures, first: Some(of), wide: false });
                Some(Change::Closed)
            }
            (State::Trial(pause), Ticket::Trial, Outcome::Failure) => {
                let pause = (*pause * 2).min(rule.longest);
                self.0 = State::Open { until: now + pause, pause };
                None
            }
            // The next one decides.
            (State::Trial(pause), Ticket::Trial, Outcome::Unknown) => {
                self.0 = State::Open { until: now, pause: *pause };
                None
            }
            (State::Closed(_), _, Outcome::Unknown) | (State::Open { .. } | State::Trial(_), ..) => None,
        }
    }

    /// Is there nothing to remember?
    pub(super) fn is_sound(&self) -> bool {
        matches!(self.0, State::Closed(Row { failures: 0, .. }))
    }

    /// Is the registry left alone, or on trial?
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.0, State::Closed(_))
    }

    /// Would anything be lost that matters now? It is left alone, on trial, or due for one only since a moment.
    pub(super) fn is_needed(&self, now: Instant) -> bool {
        match self.0 {
            State::Closed(_) => false,
            State::Open { until, pause } => now < until + pause,
            State::Trial(_) => true,
        }
    }
}

impl Row {
    fn and(self, outcome: Outcome) -> Row {
        let failures = self.failures.saturating_add(1);
        match outcome {
            Outcome::Fault(of) => {
                let wide = self.wide || self.first.is_some_and(|first| first != of);
                Row { failures, first: self.first.or(Some(of)), wide }
            }
            _ => Row { failures, wide: true, ..self },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { failures: 3, pause: Duration::from_secs(1), longest: Duration::from_secs(5) };

    /// A circuit that has just been opened, and since when.
    fn opened() -> (Circuit, Instant) {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        for failure in 1..=3 {
            let ticket = circuit.admit(now).unwrap();
            let change = circuit.settle(ticket, Outcome::Failure, now, &RULE);
            assert_eq!(change, (failure == 3).then_some(Change::Opened(RULE.pause)));
        }
        (circuit, now)
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Success].repeat(5) {
            assert_eq!(circuit.settle(Ticket::Plain, outcome, now, &RULE), None);
        }
        assert!(circuit.is_sound());
        for _ in 0..100 {
            assert_eq!(circuit.settle(Ticket::Plain, Outcome::Unknown, now, &RULE), None);
        }
        assert!(circuit.is_sound());
        for _ in 0..100 {
            circuit.settle(Ticket::Plain, Outcome::Failure, now, &Rule { failures: 0, ..RULE });
        }
        assert!(circuit.admit(now).is_ok(), "0 is never");
    }

    #[test]
    fn what_one_thing_alone_answers_opens_nothing() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        for _ in 0..100 {
            assert_eq!(circuit.settle(Ticket::Plain, Outcome::Fault(1), now, &RULE), None);
        }
        assert!(circuit.admit(now).is_ok());
        let change = circuit.settle(Ticket::Plain, Outcome::Fault(2), now, &RULE);
        assert_eq!(change, Some(Change::Opened(RULE.pause)));
        // As a trial it closes it, half-way.
        let later = now + secs(1);
        let ticket = circuit.admit(later).unwrap();
        assert_eq!(circuit.settle(ticket, Outcome::Fault(1), later, &RULE), Some(Change::Closed));
        assert_eq!(circuit.settle(Ticket::Plain, Outcome::Fault(1), later, &RULE), None);
        let change = circuit.settle(Ticket::Plain, Outcome::Failure, later, &RULE);
        assert_eq!(change, Some(Change::Opened(RULE.pause)));
    }

    #[test]
    fn one_request_decides() {
        let (mut circuit, now) = opened();
        assert_eq!(circuit.admit(now), Err(secs(1)));
        assert_eq!(circuit.admit(now + secs(1)), Ok(Ticket::Trial));
        assert_eq!(circuit.admit(now + secs(1)), Err(SOON));
        let change = circuit.settle(Ticket::Trial, Outcome::Success, now, &RULE);
        assert_eq!((change, circuit.is_sound()), (Some(Change::Closed), true));
    }

    #[test]
    fn each_pause_is_twice_as_long_up_to_a_limit() {
        let (mut circuit, mut now) = opened();
        for pause in [1, 2, 4, 5, 5] {
            assert_eq!(circuit.admit(now), Err(secs(pause)));
            now += secs(pause);
            let ticket = circuit.admit(now).unwrap();
            assert_eq!(circuit.settle(ticket, Outcome::Failure, now, &RULE), None);
        }
    }

    #[test]
    fn late_answers_and_trials_that_tell_nothing_change_nothing() {
        let (mut circuit, now) = opened();
        for outcome in [Outcome::Success, Outcome::Failure, Outcome::Unknown] {
            assert_eq!(circuit.settle(Ticket::Plain, outcome, now, &RULE), None);
            assert_eq!(circuit.admit(now), Err(secs(1)), "{outcome:?}");
        }
        let later = now + secs(1);
        assert_eq!(circuit.admit(later), Ok(Ticket::Trial));
        circuit.settle(Ticket::Plain, Outcome::Success, later, &RULE);
        assert_eq!(circuit.admit(later), Err(SOON));
        circuit.settle(Ticket::Trial, Outcome::Unknown, later, &RULE);
        assert_eq!(circuit.admit(later), Ok(Ticket::Trial), "the next one decides");
    }
}
