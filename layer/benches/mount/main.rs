//! What the mount costs, beside the drivers people use today (s3fs and rclone from Debian), over the S3 server of the
//! tests: as fast as the machine, and at the pace of S3 (30 ms to the first byte, 90 MB/s a connection).
//!
//! `cargo bench --bench mount` runs every scenario; `cargo bench --bench mount -- sequential list` those that are
//! named. Every round runs the drivers one after the other, each freshly mounted; what is printed is the median of
//! the rounds. The server shares the cores with the driver under test: ratios count, absolute figures less so.
//!
//! - `FUSION_BENCH_ROUNDS`: rounds, 3 if not given
//! - `FUSION_BENCH_DIVISOR`: sizes and counts are divided by it, 1 if not given; the goals are those of full size
//! - `FUSION_BENCH_PROGRAM`: the program under test; if not given `layer/static.sh` builds it

// It waits for other programs; its own runtime is the server's.
#![allow(clippy::disallowed_methods)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod goals;
mod measure;
mod peers;
mod program;
mod rig;
mod scenarios;
mod start;
mod table;
mod work;

use std::env;

use peers::Peer;
use scenarios::SCENARIOS;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == start::STAMP) {
        return start::stamp(&arguments[1..]);
    }
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| *word == name);
    let rounds = number("FUSION_BENCH_ROUNDS", 3);
    program::need(&[
        "s3fs",
        "rclone",
        "fusermount",
        "umount",
        "unshare",
        "chroot",
        "gzip",
        "tar",
        "ls",
        "find",
    ]);
    let rig = rig::Rig::new(program::ours(), number("FUSION_BENCH_DIVISOR", 1));
    let mut table = table::Table::default();
    for scenario in SCENARIOS.iter().filter(|scenario| is_wanted(scenario.work.name())) {
        eprintln!("{scenario}: {}", scenario.work.about());
        for round in 1..=rounds {
            for peer in Peer::ALL.into_iter().filter(|peer| scenario.includes(*peer)) {
                match scenarios::run(&rig, *scenario, peer) {
                    Ok(figures) => {
                        eprintln!("  {round} {:<7} {figures}", peer.name());
                        table.add(*scenario, peer, figures);
                    }
                    // A peer may not be able to; we have to be.
                    Err(error) if peer != Peer::Fusion => eprintln!("  {round} {:<7} {error}", peer.name()),
                    Err(error) => panic!("{scenario}: {error}"),
                }
            }
        }
    }
    let sizes = is_wanted("start").then(|| start::measure(&rig, rounds));
    table.print(sizes.as_ref(), rig.divisor);
}

/// A positive number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let Ok(text) = env::var(name) else { return default };
    let number = text.parse().ok().filter(|number| *number > 0);
    number.unwrap_or_else(|| panic!("{name}: {text:?} is not a positive number"))
}
