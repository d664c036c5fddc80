//! The goals, judged by the medians of this run's ratios.

use super::measure::Figures;
use super::peers::Peer;
use std::collections::BTreeMap;

/// All figures of a run, by scenario and server, one for each round.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<(&'static str, Peer), Vec<Figures>>);

/// One goal: how our figure in this scenario, or its ratio to that of a peer, stands to a bound.
struct Goal {
    name: &'static str,
    scenario: &'static str,
    what: What,
    bound: f64,
}

enum What {
    /// CPU for the same work.
    Cost(Peer),
    /// Microseconds of CPU for a request beyond those of a peer.
    Beyond(Peer),
    /// Requests in a second; the bound is the least.
    Rate(Peer),
    /// Most memory resident, in MiB.
    Memory,
    /// Milliseconds to the first connection.
    Start,
    /// The same beside a peer.
    StartOf(Peer),
}

use Peer::{Bare, Epoll, Haproxy, NginxDefault, NginxOff, NginxStatic, NginxTuned, Registry};
use What::{Beyond, Cost, Memory, Rate, Start, StartOf};

const fn goal(name: &'static str, scenario: &'static str, what: What, bound: f64) -> Goal {
    Goal { name, scenario, what, bound }
}

const GOALS: &[Goal] = &[
    goal("B1", "one4g", Cost(NginxTuned), 0.65),
    goal("B1b", "one4g", Cost(NginxDefault), 0.35),
    goal("B1b", "one4g", Cost(Haproxy), 0.90),
    goal("B2", "p64", Cost(NginxTuned), 0.65),
    goal("B2", "p64", Cost(NginxOff), 0.45),
    goal("B2", "p64", Cost(Haproxy), 0.70),
    goal("B2", "p64", Cost(NginxDefault), 0.25),
    goal("B3", "m1", Cost(NginxTuned), 0.70),
    goal("B3", "m1", Cost(Haproxy), 0.70),
    goal("B3", "m1", Cost(NginxOff), 1.05),
    goal("B4", "k16", Cost(NginxTuned), 1.0),
    goal("B5", "cached", Cost(Registry), 0.70),
    goal("B6", "frames", Cost(NginxTuned), 1.10),
    goal("B6", "frames", Cost(NginxOff), 1.0),
    goal("T1", "tls64", Cost(NginxTuned), 0.85),
    goal("T1", "tls64", Cost(NginxOff), 0.65),
    goal("T1", "tls64", Cost(Haproxy), 0.75),
    goal("T2", "tlstls", Cost(NginxTuned), 0.65),
    goal("T2", "tlstls", Cost(Haproxy), 0.65),
    goal("T3", "tls1", Cost(NginxTuned), 1.0),
    goal("T3", "tls1", Cost(NginxOff), 0.75),
    goal("M1", "stall", Memory, 48.0),
    goal("M2", "tlsstall", Memory, 160.0),
    goal("R1", "rps-h1", Rate(NginxStatic), 1.20),
    goal("R1", "rps-h1", Cost(NginxStatic), 0.80),
    goal("R1b", "rps-h1", Cost(Epoll), 1.15),
    goal("R2", "rps-tls", Rate(NginxStatic), 1.15),
    goal("R2", "rps-h2c", Rate(NginxStatic), 1.20),
    goal("R2", "rps-h2tls", Rate(NginxStatic), 1.0),
    goal("R3", "stack", Beyond(Bare), 1.0),
    goal("S1", "start", Start, 15.0),
    goal("S1", "start", StartOf(NginxStatic), 1.0),
    goal("S2", "start", Memory, 16.0),
];

impl Table {
    pub(crate) fn add(&mut self, scenario: &'static str, peer: Peer, figures: Figures) {
        self.0.entry((scenario, peer)).or_default().push(figures);
    }

    /// A line for each goal whose scenario was run.
    pub(crate) fn print(&self) {
        println!("\n{:<5} {:<10} {:<34} {:>10} {:>10}", "goal", "scenario", "what", "gate", "median");
        for goal in GOALS {
            let ours = self.0.iter().find(|((name, peer), _)| *name == goal.scenario && peer.is_ours());
            let Some((_, ours)) = ours else { continue };
            let Some((text, value)) = self.judge(goal, ours) else { continue };
            let (relation, holds) = match goal.what {
                Rate(_) => (">=", value >= goal.bound),
                _ => ("<=", value <= goal.bound),
            };
            let mark = if holds { "pass" } else { "MISS" };
            println!(
                "{:<5} {:<10} {text:<34} {relation} {:>7.2} {value:>10.3} {mark}",
                goal.name, goal.scenario, goal.bound
            );
        }
    }

    fn judge(&self, goal: &Goal, ours: &[Figures]) -> Option<(String, f64)> {
        let paired = |peer: Peer, of: fn(&Figures, &Figures) -> f64| {
            let theirs = self.0.get(&(goal.scenario, peer))?;
            Some(median(ours.iter().zip(theirs).map(|(ours, theirs)| of(ours, theirs)).collect()))
        };
        let named = |what: &str, peer: Peer| format!("{what} {}", peer.name());
        Some(match goal.what {
            Cost(peer) => {
                (named("CPU, times", peer), paired(peer, |ours, theirs| ours.cost() / theirs.cost())?)
            }
            Beyond(peer) => (
                named("us a request beyond", peer),
                paired(peer, |ours, theirs| ours.cost() - theirs.cost())?,
            ),
            Rate(peer) => {
                (named("requests/s, times", peer), paired(peer, |ours, theirs| ours.rate() / theirs.rate())?)
            }
            Memory => ("MiB resident".into(), median(ours.iter().map(|ours| ours.memory).collect())),
            Start => ("ms to start".into(), median(ours.iter().map(|ours| ours.start).collect())),
            StartOf(peer) => {
                (named("ms to start, times", peer), paired(peer, |ours, theirs| ours.start / theirs.start)?)
            }
        })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}
