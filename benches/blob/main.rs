//! What blobs and manifests cost, beside the proxies people run today (nginx, haproxy and docker-registry from Debian)
//! and beside the least that a server can do, in the same run.
//!
//! `cargo bench --bench blob` runs every scenario; `cargo bench --bench blob -- p64 k16` those that are named. Two
//! cores: the server under test has the second one to itself, upstream and client share the first. Every round runs
//! the servers one after the other in the same order, each in a fresh process, and every figure is a ratio to
//! another server of the same round; what is printed is the median of the rounds (`WAVE_BENCH_ROUNDS`, 5). Loopback
//! hides what a network card shows: wake-ups dominate, and segments are never small.

// It is one thread that waits for other programs; there is no runtime.
#![allow(clippy::disallowed_methods)]

mod client;
mod image;
mod load;
mod measure;
mod nginx;
mod peers;
mod pki;
mod process;
mod respond;
mod rig;
mod scenarios;
mod table;
mod wave;

use scenarios::SCENARIOS;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, kind, port, file] = &*arguments
        && flag == "--respond"
    {
        return respond::serve(kind, port, file);
    }
    let wanted: Vec<String> = arguments.into_iter().filter(|word| !word.starts_with('-')).collect();
    let rounds = std::env::var("WAVE_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    process::need(&["nginx", "haproxy", "docker-registry", "taskset", "wrk", "h2load"]);
    process::pin_to_first_core();
    let rig = rig::Rig::new();
    let mut table = table::Table::default();
    for scenario in SCENARIOS.iter().filter(|s| wanted.is_empty() || wanted.iter().any(|name| name == s.name))
    {
        eprintln!("{}: {}", scenario.name, scenario.about);
        for round in 1..=rounds.min(scenario.rounds) {
            for server in scenario.servers {
                let figures = scenarios::run(&rig, scenario, *server);
                eprintln!("  {round} {:<16} {figures}", server.name());
                table.add(scenario.name, *server, figures);
            }
        }
    }
    table.print();
}
