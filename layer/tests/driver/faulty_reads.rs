//! Connections that fail in the middle of an object: what is read is right all the same.

use std::time::Duration;

use crate::mounted::{BUCKET, Mounted};
use crate::support::s3::{Action, Object, Op, When, generated};

const SIZE: u64 = 24 << 20;

/// Reads an object whose GETs fail by these actions, one after the other.
#[track_caller]
fn survives(actions: Vec<Action>) {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "file", Object::generated(9, SIZE));
    let faults = actions.len();
    for (n, action) in actions.into_iter().enumerate() {
        mounted.server.faults().add(When::op(Op::GetObject).skip(n % 3), action);
    }
    let content = std::fs::read(mounted.path("file")).unwrap();
    assert!(content == generated(9, 0..SIZE).concat(), "the content is right");
    assert_eq!(mounted.server.faults().fired(), faults);
}

#[test]
fn resets_are_resumed() {
    survives(vec![
        Action::Reset,
        Action::ResetAt { at: 0 },
        Action::ResetAt { at: 100_000 },
        Action::ResetAt { at: 1_000_001 },
    ]);
}

#[test]
fn truncated_bodies_are_resumed() {
    survives(vec![Action::Truncate { at: 0 }, Action::Truncate { at: 777_777 }, Action::Close]);
}

#[test]
fn a_stalled_body_is_resumed() {
    survives(vec![Action::StallAt { at: 300_000 }]);
}

#[test]
fn server_errors_are_retried() {
    survives(vec![
        Action::Error { status: 500, code: "InternalError" },
        Action::Error { status: 503, code: "SlowDown" },
        Action::Delay(Duration::from_millis(300)),
    ]);
}

#[test]
fn a_slow_body_is_waited_for() {
    survives(vec![Action::Drip { bytes: 65_536, every: Duration::from_millis(50) }]);
}
