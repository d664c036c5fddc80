//! What is run: every work at both paces.

use std::fmt;
use std::time::Instant;

use crate::measure::{self, Figures};
use crate::peers::{Mounted, Peer};
use crate::rig::Rig;
use crate::support::s3::Shape;
use crate::work::{self, Work};

/// The pace of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pace {
    /// As fast as the machine.
    Free,
    /// 30 ms to the first byte, 90 MB/s a connection.
    S3,
}

/// A work at a pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scenario {
    pub(crate) work: Work,
    pub(crate) pace: Pace,
}

const fn at(pace: Pace, work: Work) -> Scenario {
    Scenario { work, pace }
}

/// All of them.
pub(crate) const SCENARIOS: [Scenario; 16] = [
    at(Pace::Free, Work::Sequential),
    at(Pace::S3, Work::Sequential),
    at(Pace::Free, Work::Random),
    at(Pace::S3, Work::Random),
    at(Pace::Free, Work::Random16),
    at(Pace::S3, Work::Random16),
    at(Pace::Free, Work::List),
    at(Pace::S3, Work::List),
    at(Pace::Free, Work::Find),
    at(Pace::S3, Work::Find),
    at(Pace::Free, Work::Cat),
    at(Pace::S3, Work::Cat),
    at(Pace::Free, Work::Create),
    at(Pace::S3, Work::Create),
    at(Pace::Free, Work::Write),
    at(Pace::S3, Work::Write),
];

impl Scenario {
    /// Whether a driver takes part: how random reads scale is asked of ours alone.
    pub(crate) fn includes(self, peer: Peer) -> bool {
        peer == Peer::Fusion || self.work != Work::Random16
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pace = if self.pace == Pace::S3 { "like S3" } else { "unshaped" };
        write!(f, "{} {pace}", self.work.name())
    }
}

/// One run of one driver, freshly mounted.
pub(crate) fn run(rig: &Rig, scenario: Scenario, peer: Peer) -> Result<Figures, String> {
    work::clean(rig);
    rig.server.shape(if scenario.pace == Pace::S3 { Shape::s3_like() } else { Shape::none() });
    let mounted = Mounted::new(rig, peer)?;
    rig.server.log().clear();
    let (cpu, begin) = (measure::cpu(mounted.pid()), Instant::now());
    let mut figures = work::run(rig, scenario.work, &mounted.bucket)?;
    figures.seconds = begin.elapsed().as_secs_f64();
    figures.cpu = measure::cpu(mounted.pid()) - cpu;
    figures.memory = measure::memory(mounted.pid(), "VmHWM");
    figures.count(&rig.server.log().take());
    // What is on the server now is what was there when close(2) returned.
    work::verify(rig, scenario.work)?;
    Ok(figures)
}
