//! What one run of one driver came to.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use crate::support::s3::Entry;

/// Ticks in a second of /proc, on every kernel for people (`sysconf(_SC_CLK_TCK)`).
const TICKS: f64 = 100.0;

/// The figures of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// By the clock.
    pub(crate) seconds: f64,
    /// Bytes moved; 0 where operations count.
    pub(crate) bytes: u64,
    /// Operations; 0 where bytes count.
    pub(crate) operations: u64,
    /// CPU seconds of the driver, user and system.
    pub(crate) cpu: f64,
    /// Most memory of the driver that was resident, in MiB.
    pub(crate) memory: f64,
    /// Requests to the server by operation.
    pub(crate) requests: BTreeMap<String, u64>,
}

impl Figures {
    /// MB in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds
    }

    /// Milliseconds for one operation.
    pub(crate) fn latency(&self) -> f64 {
        self.seconds * 1e3 / self.operations.max(1) as f64
    }

    /// CPU seconds for a GB.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu * 1e9 / self.bytes as f64
    }

    /// Requests in all.
    pub(crate) fn asked(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Adds what the server was asked.
    pub(crate) fn count(&mut self, entries: &[Entry]) {
        for entry in entries {
            *self.requests.entry(format!("{:?}", entry.op)).or_default() += 1;
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.3} s", self.seconds)?;
        if self.bytes > 0 {
            write!(f, " {:>7.0} MB/s {:>6.2} CPU-s/GB", self.rate(), self.cost())?;
        } else {
            write!(f, " {:>7.2} ms each {:>6.2} CPU-s", self.latency(), self.cpu)?;
        }
        write!(f, " {:>7.1} MiB, {} requests:", self.memory, self.asked())?;
        self.requests.iter().try_for_each(|(op, count)| write!(f, " {op} {count}"))
    }
}

/// CPU time of a process, in seconds: the scheduler's account of the threads that live, in nanoseconds, or if it is
/// more the process's own in ticks, which has the threads that have ended.
pub(crate) fn cpu(pid: u32) -> f64 {
    let mut living = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        living += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program, which is the second field, may hold blanks; user and system time are 14 and 15.
    let (_, fields) = stat.rsplit_once(") ").unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    f64::max(living as f64 / 1e9, ticks.sum::<u64>() as f64 / TICKS)
}

/// A line of `/proc/PID/status`, in MiB.
pub(crate) fn memory(pid: u32, line: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let found = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    found.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// The middle one; of an even number, the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}
