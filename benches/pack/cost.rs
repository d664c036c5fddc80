//! What a process takes.

use std::process::Command;
use std::time::Instant;

/// Of one run, in seconds.
pub(crate) struct Cost {
    /// User and system time of all its threads.
    pub(crate) cpu: f64,
    /// From its start to its end.
    pub(crate) wall: f64,
}

/// Runs `command` to its end, which has to be a good one.
pub(crate) fn of(command: &mut Command) -> Cost {
    let (before, start) = (children(), Instant::now());
    let status = command.status().unwrap_or_else(|error| {
        panic!(
            "{} does not start ({error}); `sh tests/install.sh benches` installs it",
            command.get_program().display()
        )
    });
    let wall = start.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?}: {status}");
    Cost { cpu: children() - before, wall }
}

/// Seconds of CPU of all children that have ended: fields 16 and 17 of /proc/self/stat (proc_pid_stat(5)). The kernel
/// sums them up in nanoseconds and shows them in ticks.
fn children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc is mounted");
    // The name of the program, which is the second field, may hold blanks.
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    let ticks = fields.split(' ').skip(13).take(2).map(|field| field.parse::<u64>().expect("a number"));
    ticks.sum::<u64>() as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// The middle one; of an even number, the upper middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
