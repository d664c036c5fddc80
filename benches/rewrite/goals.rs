//! The goals for rewriting, judged by rounds in which every function takes its turn: what else the machine does then is
//! the same for all of them. The order changes from round to round, so that each follows each other one equally often:
//! a function finds the caches as the one before it left them.

use crate::groups::Group;
use std::time::{Duration, Instant};

/// At most so many times what it takes to copy and hash the document, and the same with the result.
const FLOOR: f64 = 1.8;
/// Without the hash, so many times as fast as `serde_json::Value`.
const VALUE: f64 = 6.0;
/// And as a visitor over borrowed slices.
const VISITOR: f64 = 1.1;

/// What takes turns.
const TURNS: [&str; 7] = ["floor", "output", "hash", "splice", "visitor", "value", "typed"];
/// How often each function takes its turn; the median of the rounds counts.
const ROUNDS: usize = 201;
/// How long a turn of the floor takes: short enough that few turns are interrupted.
const TURN: Duration = Duration::from_micros(200);

/// Measures all groups, and prints a line for each.
pub(crate) fn judge(groups: &[Group]) {
    println!(
        "\n{:<12} {:>22} {:>22} {:>22} {:>22}",
        "document", "with digest / floor", "with digest / output", "Value / ours", "visitor / ours"
    );
    println!(
        "{:<12} {:>22} {:>22} {:>22} {:>22}",
        "goal",
        format!("<= {FLOOR}"),
        format!("<= {FLOOR}"),
        format!(">= {VALUE}"),
        format!(">= {VISITOR}")
    );
    groups.iter().for_each(|group| println!("{}", row(group)));
}

fn row(Group { name, functions, .. }: &Group) -> String {
    let turn = |what: &str, times| {
        let (_, work) = functions.iter().find(|(name, _)| *name == what).expect("every group has it");
        time(work, times)
    };
    let times = (TURN.as_secs_f64() / turn("floor", 100)).ceil() as u32;
    let (mut floors, mut outputs, mut values, mut visitors) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut taken = [0.0; TURNS.len()];
        for place in order(round) {
            taken[place] = turn(TURNS[place], times);
        }
        let [floor, output, hash, splice, visitor, value, _] = taken;
        let bare = splice - hash;
        floors.push(splice / floor);
        outputs.push(splice / output);
        values.push(value / bare);
        visitors.push((visitor - hash) / bare);
    }
    let (floor, output) = (median(floors), median(outputs));
    let (value, visitor) = (median(values), median(visitors));
    let mark = |holds| if holds { "pass" } else { "MISS" };
    format!(
        "{name:<12} {floor:>17.2} {} {output:>17.2} {} {value:>17.2} {} {visitor:>17.2} {}",
        mark(floor <= FLOOR),
        mark(output <= FLOOR),
        mark(value >= VALUE),
        mark(visitor >= VISITOR),
    )
}

/// The order of a round: every place once, as their number is prime, from each first one and by each stride in turn.
fn order(round: usize) -> [usize; TURNS.len()] {
    const COUNT: usize = TURNS.len();
    let (first, stride) = (round % COUNT, 1 + round / COUNT % (COUNT - 1));
    std::array::from_fn(|turn| (first + turn * stride) % COUNT)
}

/// Seconds that one of so many calls takes, behind one that warms up.
fn time(work: &dyn Fn(), times: u32) -> f64 {
    work();
    let start = Instant::now();
    (0..times).for_each(|_| work());
    start.elapsed().as_secs_f64() / f64::from(times)
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
