//! The goals, judged by the medians of this run's ratios.

use super::measure::Figures;
use super::peers::Peer;
use std::collections::BTreeMap;

/// All figures of a run, by scenario and server, one for each round.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<(&'static str, Peer), Vec<Figures>>);

/// One goal: in this scenario our figure is at most so many times that of a peer, or at most so much.
struct Goal {
    name: &'static str,
    scenario: &'static str,
    what: What,
    most: f64,
}

enum What {
    /// CPU for the same work.
    Cost(Peer),
    /// Most memory resident, in MiB.
    Memory,
    /// Milliseconds to the first connection.
    Start,
    /// The same beside a peer.
    StartOf(Peer),
}

use Peer::{Haproxy, NginxDefault, NginxOff, NginxStatic, NginxTuned, Registry};
use What::{Cost, Memory, Start, StartOf};

const fn goal(name: &'static str, scenario: &'static str, what: What, most: f64) -> Goal {
    Goal { name, scenario, what, most }
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
    goal("T1", "tls64", Cost(NginxTuned), 0.85),
    goal("T1", "tls64", Cost(NginxOff), 0.65),
    goal("T1", "tls64", Cost(Haproxy), 0.75),
    goal("T2", "tlstls", Cost(NginxTuned), 0.65),
    goal("T2", "tlstls", Cost(Haproxy), 0.65),
    goal("T3", "tls1", Cost(NginxTuned), 1.0),
    goal("T3", "tls1", Cost(NginxOff), 0.75),
    goal("M1", "stall", Memory, 48.0),
    goal("M2", "tlsstall", Memory, 160.0),
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
            let Some(ours) = self.0.get(&(goal.scenario, Peer::Wave)) else { continue };
            let Some((text, value)) = self.judge(goal, ours) else { continue };
            let holds = value <= goal.most;
            let mark = if holds { "pass" } else { "MISS" };
            println!(
                "{:<5} {:<10} {text:<34} {:>10.2} {value:>10.3} {mark}",
                goal.name, goal.scenario, goal.most
            );
        }
    }

    fn judge(&self, goal: &Goal, ours: &[Figures]) -> Option<(String, f64)> {
        let ratio = |peer: Peer, of: fn(&Figures) -> f64| {
            let theirs = self.0.get(&(goal.scenario, peer))?;
            Some(median(ours.iter().zip(theirs).map(|(ours, theirs)| of(ours) / of(theirs)).collect()))
        };
        Some(match goal.what {
            Cost(peer) => (format!("CPU, times {}", peer.name()), ratio(peer, Figures::cost)?),
            Memory => ("MiB resident".into(), median(ours.iter().map(|ours| ours.memory).collect())),
            Start => ("ms to start".into(), median(ours.iter().map(|ours| ours.start).collect())),
            StartOf(peer) => {
                (format!("ms to start, times {}", peer.name()), ratio(peer, |figures| figures.start)?)
            }
        })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
