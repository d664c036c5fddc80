//! What the driver has to reach, and what mountpoint-s3 1.24 reached elsewhere.

use crate::peers::Peer::{self, Rclone, S3fs};
use crate::scenarios::{Pace, Scenario};
use crate::work::Work;

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// How many times as fast as a peer in the same round.
    Times(Peer),
    /// How many times as fast as the best of the peers, mountpoint-s3 as quoted among them.
    TimesBest,
    /// How many times as fast as mountpoint-s3 as quoted, which was measured on another day: throughput is compared
    /// by way of s3fs, which was measured on both.
    TimesQuoted,
    /// CPU seconds of the driver for a GB.
    Cost,
    /// MiB at most.
    Memory,
    /// Seconds at most for all.
    Seconds,
    /// Milliseconds at most for one operation.
    Latency,
    /// Requests at most for one operation.
    Requests,
    /// Requests at most.
    RequestsInAll,
    /// How many times as many operations in a second as of one thread.
    Scale,
}

/// A bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) scenario: Scenario,
    pub(crate) what: What,
    pub(crate) bound: f64,
}

const fn free(work: Work, what: What, bound: f64) -> Goal {
    Goal { scenario: Scenario { work, pace: Pace::Free }, what, bound }
}

const fn paced(work: Work, what: What, bound: f64) -> Goal {
    Goal { scenario: Scenario { work, pace: Pace::S3 }, what, bound }
}

/// All that are judged by a run of a scenario.
pub(crate) const GOALS: &[Goal] = &[
    free(Work::Sequential, What::Times(S3fs), 2.0),
    free(Work::Sequential, What::Times(Rclone), 5.0),
    free(Work::Sequential, What::TimesQuoted, 1.3),
    free(Work::Sequential, What::Cost, 0.8),
    paced(Work::Sequential, What::Times(S3fs), 3.0),
    paced(Work::Sequential, What::Times(Rclone), 8.0),
    paced(Work::Sequential, What::TimesQuoted, 1.5),
    paced(Work::Sequential, What::Memory, 256.0),
    paced(Work::Random, What::Latency, 33.0),
    paced(Work::Random, What::Times(S3fs), 1.4),
    paced(Work::Random, What::Times(Rclone), 1.4),
    paced(Work::Random, What::TimesQuoted, 1.4),
    paced(Work::Random16, What::Scale, 12.0),
    paced(Work::List, What::Seconds, 0.5),
    paced(Work::List, What::RequestsInAll, 14.0),
    paced(Work::List, What::Times(S3fs), 30.0),
    paced(Work::List, What::TimesQuoted, 1.7),
    paced(Work::Find, What::Seconds, 1.0),
    paced(Work::Find, What::TimesBest, 4.0),
    paced(Work::Cat, What::Seconds, 2.5),
    paced(Work::Cat, What::TimesBest, 6.0),
    paced(Work::Create, What::Seconds, 6.5),
    paced(Work::Create, What::Requests, 2.1),
    paced(Work::Write, What::Times(S3fs), 3.0),
    paced(Work::Write, What::TimesQuoted, 3.0),
];

/// A figure of mountpoint-s3.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quoted {
    /// MB in a second, and those of s3fs beside it.
    Rate(f64, f64),
    /// Seconds for the work at full size.
    Seconds(f64),
}

/// What was measured at full size on another day, on a machine like the one of the tests. With a target of 512 MiB
/// for its memory, where it took 293 MiB.
pub(crate) fn mountpoint(scenario: Scenario) -> Option<Quoted> {
    Some(match (scenario.pace, scenario.work) {
        (Pace::Free, Work::Sequential) => Quoted::Rate(508.0, 316.0),
        (Pace::S3, Work::Sequential) => Quoted::Rate(451.0, 182.0),
        (Pace::S3, Work::Random) => Quoted::Seconds(10.003),
        (Pace::S3, Work::List) => Quoted::Seconds(0.856),
        (Pace::S3, Work::Find) => Quoted::Seconds(5.745),
        (Pace::S3, Work::Cat) => Quoted::Seconds(49.787),
        (Pace::S3, Work::Create) => Quoted::Seconds(16.318),
        (Pace::S3, Work::Write) => Quoted::Rate(200.0, 142.0),
        _ => return None,
    })
}
