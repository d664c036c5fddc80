//! What packing a layer costs beside the compressors of Debian, on about 128 MiB of this machine's own libraries and
//! documents. Every run is a process of its own, in turn, round by round:
//!
//! - `wave pack`: the release binary. Walks the folder, writes the tar, hashes it, deflates it with as many threads as
//!   there are cores, hashes the result, writes and syncs it, and writes `layer.json`.
//! - `pigz -p2 -6 -n -c`: reads the very tar that pack has written from a file, deflates it with two threads, and
//!   writes it to a file. No walk, no digests, no sync.
//! - `gzip -6 -n -c`: the same with one thread.
//!
//! CPU is user and system time of the process, wall is from its start to its end; both are compared within a round, as
//! absolute times are of no use on a shared machine. At the end the goals are judged by the medians of the ratios.

mod content;
mod cost;

use content::Content;
use cost::Cost;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

const ROUNDS: usize = 5;
/// CPU of `wave pack`, at most so many times that of pigz.
const CPU: f64 = 0.60;
/// Its wall time, on two cores.
const WALL: f64 = 0.55;

/// One way to make a gzip of the content: its name, where the result lands, and how it is run.
struct Contender {
    name: &'static str,
    output: &'static str,
    command: fn(&Path) -> Command,
}

/// Goals compare the first with the second.
const CONTENDERS: [Contender; 3] = [
    Contender { name: "wave pack", output: "pack/layers/layer.tar.gzip", command: wave },
    Contender { name: "pigz -p2 -6 -n", output: "pigz.gz", command: pigz },
    Contender { name: "gzip -6 -n", output: "gzip.gz", command: gzip },
];

fn wave(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wave"));
    command.arg("pack").arg(folder.join("tree")).arg("--output").arg(folder.join("pack"));
    command.stdout(Stdio::null());
    command
}

fn pigz(folder: &Path) -> Command {
    compressor("pigz", &["-p2", "-6", "-n", "-c"], folder)
}

fn gzip(folder: &Path) -> Command {
    compressor("gzip", &["-6", "-n", "-c"], folder)
}

fn compressor(name: &str, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(name);
    let output = File::create(folder.join(format!("{name}.gz"))).expect("a scratch folder takes it");
    command.args(arguments).arg(folder.join("tar")).stdout(output);
    command
}

fn main() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let folder = folder.path();
    let content = Content::copy(&folder.join("tree"));
    // The first run of pack warms the page cache, and its tar is what the others get.
    cost::of(&mut wave(folder));
    let tar = unpacked(&folder.join(CONTENDERS[0].output), &mut create(&folder.join("tar")));
    println!("{} files of {} MiB, a tar of {tar} bytes, {ROUNDS} rounds", content.files, content.bytes >> 20);

    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        let costs = CONTENDERS.map(|contender| cost::of(&mut (contender.command)(folder)));
        for (contender, Cost { cpu, wall }) in CONTENDERS.iter().zip(&costs) {
            println!("round {round}  {:<16} {cpu:>6.2} s CPU {wall:>6.2} s wall", contender.name);
        }
        rounds.push(costs);
    }
    let sizes = CONTENDERS.map(|contender| {
        let output = folder.join(contender.output);
        assert_eq!(unpacked(&output, &mut io::sink()), tar, "{} has packed the same", contender.name);
        output.metadata().expect("it is there").len()
    });
    judge(&rounds, sizes, tar);
}

/// Prints a line for each contender, with its ratios to pigz, and one for each goal.
fn judge(rounds: &[[Cost; 3]], sizes: [u64; 3], tar: u64) {
    println!(
        "\nmedian           {:>8} {:>8} {:>12} {:>12} {:>10} {:>7}",
        "CPU", "wall", "CPU/pigz", "wall/pigz", "bytes", "of tar"
    );
    let over = |who: usize, what: fn(&Cost) -> f64| {
        let ratios = rounds.iter().map(|round| what(&round[who]) / what(&round[1]));
        cost::median(ratios.collect())
    };
    let of = |who: usize, what: fn(&Cost) -> f64| {
        cost::median(rounds.iter().map(|round| what(&round[who])).collect())
    };
    let (cpu, wall) = (|cost: &Cost| cost.cpu, |cost: &Cost| cost.wall);
    for (who, contender) in CONTENDERS.iter().enumerate() {
        println!(
            "{:<16} {:>6.2} s {:>6.2} s {:>12.2} {:>12.2} {:>10} {:>7.4}",
            contender.name,
            of(who, cpu),
            of(who, wall),
            over(who, cpu),
            over(who, wall),
            sizes[who],
            sizes[who] as f64 / tar as f64,
        );
    }
    println!();
    for (goal, ratio, limit) in [("L1  CPU", over(0, cpu), CPU), ("L2  wall", over(0, wall), WALL)] {
        let mark = if ratio <= limit { "pass" } else { "MISS" };
        println!("{goal:<8} of wave pack / pigz -p2: {ratio:.2}, goal <= {limit:.2}: {mark}");
    }
}

/// Writes what is in the gzip file `from` to `to` and returns how long that is.
fn unpacked(from: &Path, to: &mut impl io::Write) -> u64 {
    let file = File::open(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    let mut decoder = flate2::read::GzDecoder::new(io::BufReader::new(file));
    io::copy(&mut decoder, to).expect("a whole gzip member")
}

fn create(path: &Path) -> File {
    File::create(path).expect("a scratch folder takes it")
}
