//! Waiting for children: the command, and the orphans that became ours.

use std::time::{Duration, Instant};

use crate::notice::Trace;
use crate::sys::{self, Group, Pid, Reaped, Signal, Status, Waiter};

/// How long processes that outlive the command have between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long a killed process may take to be gone; one that hangs in the kernel must not keep us.
const KILLED: Duration = Duration::from_secs(1);

/// Waits for children and picks out the command.
pub(crate) struct Reaper {
    command: Group,
    childless: bool,
    trace: Trace,
}

impl Reaper {
    /// A reaper for a command that has been started.
    pub(crate) fn of(command: Group, trace: Trace) -> Self {
        Self { command, childless: false, trace }
    }

    /// Waits for all children that have ended: SIGCHLD comes once for many. Returns the command's status if it is
    /// among them.
    pub(crate) fn collect(&mut self) -> Option<Status> {
        let mut status = None;
        loop {
            match sys::reap_one() {
                Reaped::Ended(pid, ended) if pid == self.command.leader() => status = Some(ended),
                Reaped::Ended(pid, _) => self.trace.step(format_args!("reaped orphan {pid}")),
                Reaped::NoneEnded => return status,
                Reaped::NoChildren => {
                    self.childless = true;
                    return status;
                }
            }
        }
    }
}

/// Ends what has outlived the command: SIGTERM, and SIGKILL after two seconds. Returns when no child is left, and
/// after three seconds at the latest; with the time of the first SIGTERM that came for us meanwhile.
pub(crate) fn end_the_rest(reaper: &mut Reaper, waiter: &Waiter, trace: Trace) -> Option<Instant> {
    let mut terminated = None;
    for (signal, time) in [(Signal::TERMINATE, GRACE), (Signal::KILL, KILLED)] {
        if reaper.childless {
            break;
        }
        trace.step(format_args!("sending signal {signal} to what is left"));
        let mut told = Vec::new();
        tell_the_rest(signal, &mut told);
        let deadline = Instant::now() + time;
        while !reaper.childless {
            let Some(signal_in) = waiter.next_before(deadline) else { break };
            if signal_in == Signal::CHILD {
                reaper.collect();
                tell_the_rest(signal, &mut told);
            } else if signal_in == Signal::TERMINATE {
                terminated.get_or_insert_with(Instant::now);
            }
        }
    }
    terminated
}

/// As PID 1 everybody in the namespace but us. Else our children, those already told excepted: each is ours to
/// wait for, so its PID cannot have been given to somebody else. Their orphans become our children in turn.
fn tell_the_rest(signal: Signal, told: &mut Vec<Pid>) {
    if std::process::id() == 1 {
        if told.is_empty() {
            told.push(Pid::INIT);
            send(signal, sys::signal_all);
        }
        return;
    }
    for child in children() {
        if !told.contains(&child) {
            told.push(child);
            send(signal, |signal| sys::signal_process(child, signal));
        }
    }
}

/// A stopped process acts on SIGTERM only when it goes on. Errors mean that nobody is left.
fn send(signal: Signal, to: impl Fn(Signal) -> std::io::Result<()>) {
    let _ = to(signal);
    if signal == Signal::TERMINATE {
        let _ = to(Signal::CONTINUE);
    }
}

/// Our children, as the kernel lists them; none if no `/proc` is mounted.
fn children() -> Vec<Pid> {
    let list = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_ascii_whitespace().filter_map(Pid::parse).collect()
}
