//! What rewriting costs, by size of the document, in one group per document:
//!
//! - `floor`: copy the document and hash it; no rewrite that states a digest can do with less.
//! - `output`: the same with the result, which is longer.
//! - `splice`: ours, with its checks and the hash.
//! - `visitor`: the same rewrite, members found by a `serde_json` visitor over borrowed slices.
//! - `hash`: the hash of the result alone, to take off those two.
//! - `value`: the same edit through `serde_json::Value`, without a hash; which reorders members and rounds numbers.
//! - `typed`: the same edit through the types of `oci-spec`, without a hash; which drops what they do not know.
//!
//! The last two check less: they take names twice, look for no name that only resembles a known one, and edit an index
//! at a place they are told, where ours looks for the entries to change.
//!
//! At the end the goals are judged, by rounds of their own: see `goals`. Absolute times are of no use on a shared
//! machine; for instruction counts see `counts.sh` beside this file, which calls `--count GROUP FUNCTION TIMES`.

mod documents;
mod goals;
mod groups;

use criterion::{BenchmarkId, Criterion, Throughput};
use groups::{Group, groups};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, group, function, times] = &arguments[..]
        && flag == "--count"
    {
        return count(group, function, times.parse().expect("TIMES is a number"));
    }
    let mut criterion = Criterion::default().configure_from_args();
    for Group { name, document, functions } in groups() {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(document.len() as u64));
        for (function, work) in functions {
            group.bench_function(BenchmarkId::new(function, document.len()), |b| b.iter(&work));
        }
        group.finish();
    }
    criterion.final_summary();
    // `cargo bench` says `--bench` always, also in front of a flag by which nothing is measured.
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--bench") && !has("--test") && !has("--list") {
        goals::judge(&groups());
    }
}

/// Runs one function some times, under a tool that counts.
fn count(group: &str, function: &str, times: usize) {
    let found = groups().into_iter().find(|found| found.name == group).expect("GROUP is one of the groups");
    let (_, work) =
        found.functions.into_iter().find(|(name, _)| *name == function).expect("FUNCTION is in the group");
    (0..times).for_each(|_| work());
}
