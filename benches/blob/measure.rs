//! What a server has cost.

use super::process::Server;
use std::fmt;
use std::time::Duration;

/// What one run of one server came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// CPU seconds, user and system.
    pub(crate) cpu: f64,
    /// Seconds by the clock.
    pub(crate) wall: f64,
    /// What was done: bytes, or requests where `requests` says so.
    pub(crate) work: f64,
    pub(crate) requests: bool,
    /// Most memory that was resident, in MiB.
    pub(crate) memory: f64,
    /// From the start of the program to its first connection, in milliseconds.
    pub(crate) start: f64,
}

const GIB: f64 = (1u64 << 30) as f64;

impl Figures {
    /// CPU seconds for a GiB, or microseconds for a request.
    pub(crate) fn cost(&self) -> f64 {
        if self.requests { self.cpu * 1e6 / self.work } else { self.cpu * GIB / self.work }
    }

    /// GiB, or requests, in a second.
    pub(crate) fn rate(&self) -> f64 {
        if self.requests { self.work / self.wall } else { self.work / GIB / self.wall }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.work > 0.0 {
            let units = if self.requests { ("us/request", "/s") } else { ("s/GiB", "GiB/s") };
            write!(f, "{:>9.3} {} {:>10.2} {}", self.cost(), units.0, self.rate(), units.1)?;
        }
        if self.start > 0.0 {
            write!(f, " {:>7.1} ms to start", self.start)?;
        }
        write!(f, " {:>8.1} MiB", self.memory)
    }
}

/// CPU time of a server so far: the scheduler's account, in nanoseconds.
pub(crate) fn cpu(server: &Server) -> Duration {
    let mut total = 0;
    for pid in server.pids() {
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            total += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Duration::from_nanos(total)
}

/// A line of `/proc/PID/status`, of all processes of a server together, in MiB.
pub(crate) fn memory(server: &Server, line: &str) -> f64 {
    let one = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let found = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        found.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    server.pids().into_iter().map(one).sum::<f64>() / 1024.0
}
