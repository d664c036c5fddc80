//! The goals, judged by the medians of this run.

use std::collections::BTreeMap;

use crate::goals::{GOALS, Goal, Quoted, What, mountpoint};
use crate::measure::{Figures, median};
use crate::peers::Peer;
use crate::scenarios::{Pace, SCENARIOS, Scenario};
use crate::start::Sizes;
use crate::work::Work;

/// All figures of a run, one for each round.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<(Scenario, Peer), Vec<Figures>>);

impl Table {
    pub(crate) fn add(&mut self, scenario: Scenario, peer: Peer, figures: Figures) {
        self.0.entry((scenario, peer)).or_default().push(figures);
    }

    /// All medians, then a line for each goal whose scenario was run.
    pub(crate) fn print(&self, sizes: Option<&Sizes>, divisor: u64) {
        self.print_medians(divisor);
        println!("\n{:<20} {:<44} {:>10} {:>9}", "scenario", "what", "goal", "median");
        for goal in GOALS {
            let Some((text, value)) = self.judge(goal, divisor) else { continue };
            line(&goal.scenario.to_string(), &text, goal.bound, value, goal.what.is_least());
        }
        if let Some(sizes) = sizes {
            line("start", "ms to the command's first line", 5.0, sizes.start, false);
            line("idle", "MiB resident", 10.0, sizes.idle, false);
            line("program", "MB", 4.0, sizes.program, false);
            line("layer", "MB, tar and gzip -9", 2.0, sizes.layer, false);
        }
        if divisor > 1 {
            println!("sizes and counts were divided by {divisor}; the goals are those of full size");
        }
    }

    fn print_medians(&self, divisor: u64) {
        println!(
            "\n{:<20} {:<16} {:>9} {:>9} {:>9} {:>11} {:>9} {:>9}",
            "scenario", "driver", "s", "MB/s", "ms each", "CPU-s(/GB)", "peak MiB", "requests"
        );
        for ((scenario, peer), runs) in &self.0 {
            let of = |figure: &dyn Fn(&Figures) -> f64| median(runs.iter().map(figure).collect());
            let (streams, first) = (runs[0].bytes > 0, &runs[0]);
            println!(
                "{:<20} {:<16} {:>9.3} {:>9.0} {:>9.2} {:>11.3} {:>9.1} {:>9.0}",
                scenario.to_string(),
                peer.name(),
                of(&|run| run.seconds),
                if streams { of(&Figures::rate) } else { f64::NAN },
                if streams { f64::NAN } else { of(&Figures::latency) },
                if streams { of(&Figures::cost) } else { of(&|run| run.cpu) },
                of(&|run| run.memory),
                first.asked(),
            );
        }
        for scenario in SCENARIOS.iter().filter(|scenario| self.0.contains_key(&(**scenario, Peer::Fusion))) {
            let (seconds, rate) = match mountpoint(*scenario) {
                Some(Quoted::Seconds(seconds)) if divisor == 1 => (seconds, f64::NAN),
                Some(Quoted::Rate(rate, _)) => (f64::NAN, rate),
                _ => continue,
            };
            println!("{:<20} {:<16} {seconds:>9.3} {rate:>9.0}", scenario.to_string(), "mount-s3, quoted");
        }
    }

    fn runs(&self, scenario: Scenario, peer: Peer) -> Option<&Vec<Figures>> {
        self.0.get(&(scenario, peer))
    }

    fn median_of(&self, scenario: Scenario, peer: Peer, figure: impl Fn(&Figures) -> f64) -> Option<f64> {
        Some(median(self.runs(scenario, peer)?.iter().map(figure).collect()))
    }

    fn judge(&self, goal: &Goal, divisor: u64) -> Option<(String, f64)> {
        let ours = |figure: fn(&Figures) -> f64| self.median_of(goal.scenario, Peer::Fusion, figure);
        let scenario = goal.scenario;
        Some(match goal.what {
            What::Times(peer) => (format!("times as fast as {}", peer.name()), self.times(scenario, peer)?),
            What::TimesQuoted => {
                ("times as fast as mount-s3 (quoted)".into(), self.times_quoted(scenario, divisor)?)
            }
            What::TimesBest => {
                let peers =
                    [Peer::S3fs, Peer::Rclone].into_iter().filter_map(|peer| self.times(scenario, peer));
                let all = peers.chain(self.times_quoted(scenario, divisor));
                ("times as fast as the best peer".into(), all.reduce(f64::min)?)
            }
            What::Cost => ("CPU-s/GB".into(), ours(Figures::cost)?),
            What::Memory => ("peak MiB resident".into(), ours(|run| run.memory)?),
            What::Seconds => ("seconds".into(), ours(|run| run.seconds)?),
            What::Latency => ("ms for one".into(), ours(Figures::latency)?),
            What::Requests => {
                ("requests for one".into(), ours(|run| run.asked() as f64 / run.operations as f64)?)
            }
            What::RequestsInAll => ("requests".into(), ours(|run| run.asked() as f64)?),
            What::Scale => {
                let one = Scenario { work: Work::Random, pace: Pace::S3 };
                let one = self.median_of(one, Peer::Fusion, Figures::latency)?;
                ("times as many as of one thread".into(), one / ours(Figures::latency)?)
            }
        })
    }

    /// The median of the ratios to a peer, round by round.
    fn times(&self, scenario: Scenario, peer: Peer) -> Option<f64> {
        let (ours, theirs) = (self.runs(scenario, Peer::Fusion)?, self.runs(scenario, peer)?);
        Some(median(ours.iter().zip(theirs).map(|(ours, theirs)| theirs.seconds / ours.seconds).collect()))
    }

    fn times_quoted(&self, scenario: Scenario, divisor: u64) -> Option<f64> {
        match mountpoint(scenario)? {
            Quoted::Rate(mountpoint, s3fs) => Some(self.times(scenario, Peer::S3fs)? / (mountpoint / s3fs)),
            Quoted::Seconds(seconds) => {
                let ours = self.median_of(scenario, Peer::Fusion, |run| run.seconds)?;
                (divisor == 1).then_some(seconds / ours)
            }
        }
    }
}

impl What {
    /// Whether the bound is the least, or else the most.
    fn is_least(self) -> bool {
        matches!(self, Self::Times(_) | Self::TimesBest | Self::TimesQuoted | Self::Scale)
    }
}

fn line(scenario: &str, what: &str, bound: f64, value: f64, is_least: bool) {
    let (relation, holds) = if is_least { (">=", value >= bound) } else { ("<=", value <= bound) };
    let mark = if holds { "pass" } else { "MISS" };
    println!("{scenario:<20} {what:<44} {relation} {bound:>7.2} {value:>9.2} {mark}");
}
