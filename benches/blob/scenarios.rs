//! What is measured.

use super::client::{pull, stall};
use super::load::load;
use super::measure::{Figures, cpu, memory};
use super::peers::{Legs, Peer};
use super::rig::{BLOBS, Content, Rig};
use std::time::{Duration, Instant};

/// One measurement.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) servers: &'static [Peer],
    /// At most so many rounds: some take long and hardly vary.
    pub(crate) rounds: usize,
    legs: Legs,
    work: Work,
}

enum Work {
    /// Blob, connections, pulls of each.
    Pull(char, usize, usize),
    /// So many clients that read nothing.
    Stall(usize),
    /// The manifest of a changed image, over and over for so many seconds.
    Load(u64),
    /// Nothing but the start.
    Start,
}

use Peer::{
    Bare, Epoll, Haproxy, NginxDefault, NginxOff, NginxStatic, NginxTuned, Registry, Wave, WaveFrames,
    WaveFull,
};

const PLAIN: Legs = Legs { client: false, upstream: false, h2: false };
const DOWN: Legs = Legs { client: true, ..PLAIN };
const BOTH: Legs = Legs { upstream: true, ..DOWN };
const H2C: Legs = Legs { h2: true, ..PLAIN };
const H2_DOWN: Legs = Legs { h2: true, ..DOWN };
const ALL: &[Peer] = &[NginxTuned, NginxOff, NginxDefault, Haproxy, Wave];

const fn scenario(
    name: &'static str,
    about: &'static str,
    servers: &'static [Peer],
    legs: Legs,
    work: Work,
) -> Scenario {
    Scenario { name, about, servers, rounds: 9, legs, work }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("one4g", "a blob of 4 GiB over one connection", ALL, PLAIN, Work::Pull('a', 1, 1)),
    scenario("p64", "64 blobs of 256 MiB at once", ALL, PLAIN, Work::Pull('b', 64, 1)),
    scenario("m1", "blobs of 1 MiB over 16 connections", ALL, PLAIN, Work::Pull('c', 16, 200)),
    scenario("k16", "blobs of 16 KiB over 16 connections", ALL, PLAIN, Work::Pull('d', 16, 2000)),
    scenario(
        "cached",
        "against a blob on a registry's own disk",
        &[Registry, Wave],
        PLAIN,
        Work::Pull('b', 8, 2),
    ),
    scenario(
        "frames",
        "64 blobs of 256 MiB at once, read and written instead of spliced",
        &[NginxTuned, NginxOff, WaveFrames],
        PLAIN,
        Work::Pull('b', 64, 1),
    ),
    scenario("tls64", "TLS to clients, 64 blobs of 256 MiB", ALL, DOWN, Work::Pull('b', 64, 1)),
    scenario("tlstls", "TLS on both sides, 32 blobs of 256 MiB", ALL, BOTH, Work::Pull('b', 32, 1)),
    scenario("tls1", "TLS to a client, a blob of 4 GiB", ALL, DOWN, Work::Pull('a', 1, 1)),
    Scenario {
        rounds: 2,
        ..scenario(
            "stall",
            "1000 clients who do not read",
            &[NginxOff, NginxDefault, Haproxy, Wave],
            PLAIN,
            Work::Stall(1000),
        )
    },
    Scenario {
        rounds: 2,
        ..scenario(
            "tlsstall",
            "1000 clients who do not read, over TLS",
            &[NginxOff, Haproxy, Wave],
            DOWN,
            Work::Stall(1000),
        )
    },
    scenario(
        "rps-h1",
        "a manifest of 2 KiB that is in memory, over 64 connections",
        &[NginxStatic, Epoll, Wave],
        PLAIN,
        Work::Load(4),
    ),
    scenario("rps-tls", "the same over TLS", &[NginxStatic, Wave], DOWN, Work::Load(4)),
    scenario("rps-h2c", "the same over HTTP/2, 16 connections", &[NginxStatic, Wave], H2C, Work::Load(4)),
    scenario("rps-h2tls", "the same over HTTP/2 and TLS", &[NginxStatic, Wave], H2_DOWN, Work::Load(4)),
    scenario(
        "stack",
        "the same with accounts and a rate limit, beside hyper alone",
        &[Bare, WaveFull],
        PLAIN,
        Work::Load(4),
    ),
    scenario(
        "start",
        "from the start of the program to its first connection",
        &[NginxStatic, Haproxy, Registry, Wave],
        PLAIN,
        Work::Start,
    ),
];

/// Runs one server through one scenario.
pub(crate) fn run(rig: &Rig, scenario: &Scenario, peer: Peer) -> Figures {
    let content = match scenario.work {
        Work::Pull(letter, ..) => Content::Blob(letter),
        Work::Stall(_) => Content::Blob('b'),
        Work::Load(_) => Content::Manifest,
        Work::Start => Content::Blob('d'),
    };
    let (server, target) = rig.start(peer, scenario.legs, content);
    let start = server.listening(target.port).as_secs_f64() * 1e3;
    let size = BLOBS.iter().find(|(name, _)| content == Content::Blob(*name)).map_or(0, |(_, size)| *size);
    // Connections, buffers and pages are there before the clock runs.
    match scenario.work {
        Work::Pull(..) if peer != Peer::Registry => pull(&target, 1, 1, size),
        Work::Load(_) => _ = load(&target, scenario.legs, 1),
        _ => {}
    }
    let (before, begun) = (cpu(&server), Instant::now());
    let mut figures = Figures::default();
    match scenario.work {
        Work::Pull(_, connections, times) => {
            pull(&target, connections, times, size);
            figures.requests = size < 1 << 20;
            let count = (connections * times) as f64;
            figures.work = if figures.requests { count } else { count * size as f64 };
        }
        Work::Stall(connections) => {
            let held = stall(&target, connections);
            std::thread::sleep(Duration::from_secs(3));
            drop(held);
        }
        Work::Load(seconds) => {
            figures.requests = true;
            (figures.work, figures.wall) = load(&target, scenario.legs, seconds);
        }
        Work::Start => {
            std::thread::sleep(Duration::from_millis(500));
            figures.start = start;
        }
    }
    if figures.wall == 0.0 {
        figures.wall = begun.elapsed().as_secs_f64();
    }
    figures.cpu = (cpu(&server) - before).as_secs_f64();
    figures.memory = memory(&server, "VmHWM");
    figures
}
