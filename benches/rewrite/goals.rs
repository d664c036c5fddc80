//! The goals for rewriting, judged by the medians criterion has just written down.

use std::path::{Path, PathBuf};

/// At most so many times the floor: copy and hash.
const FLOOR: f64 = 1.8;
/// Without the hash, so many times as fast as `serde_json::Value`.
const VALUE: f64 = 6.0;
/// And as a visitor over borrowed slices.
const VISITOR: f64 = 1.1;

/// Prints a line for each group.
pub(crate) fn judge() {
    let folder = criterion_folder();
    let groups = ["manifest-5", "manifest-70", "index-12", "config-1000"];
    let rows: Vec<_> = groups.iter().filter_map(|group| row(&folder.join(group), group)).collect();
    if rows.is_empty() {
        return;
    }
    println!(
        "\n{:<12} {:>22} {:>26} {:>26}",
        "document", "with digest / floor", "Value / ours", "visitor / ours"
    );
    println!(
        "{:<12} {:>22} {:>26} {:>26}",
        "goal",
        format!("<= {FLOOR}"),
        format!(">= {VALUE}"),
        format!(">= {VISITOR}")
    );
    rows.iter().for_each(|row| println!("{row}"));
}

fn row(folder: &Path, group: &str) -> Option<String> {
    let median = |what: &str| median(&folder.join(what));
    let (floor, hash, splice) = (median("floor")?, median("hash")?, median("splice")?);
    let bare = splice - hash;
    let (floor, value, visitor) =
        (splice / floor, median("value")? / bare, (median("visitor")? - hash) / bare);
    let mark = |holds| if holds { "pass" } else { "MISS" };
    Some(format!(
        "{group:<12} {floor:>17.2} {} {value:>21.2} {} {visitor:>21.2} {}",
        mark(floor <= FLOOR),
        mark(value >= VALUE),
        mark(visitor >= VISITOR),
    ))
}

/// The median of the newest run of a function, whose folder holds one folder named by the size of the document.
fn median(function: &Path) -> Option<f64> {
    let sizes = std::fs::read_dir(function).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("new")));
    let newest = sizes
        .filter_map(|folder| Some((folder.join("estimates.json").metadata().ok()?.modified().ok()?, folder)))
        .max()?
        .1;
    let text = std::fs::read_to_string(newest.join("estimates.json")).ok()?;
    serde_json::from_str::<serde_json::Value>(&text).ok()?["median"]["point_estimate"].as_f64()
}

/// Where criterion writes: `criterion` in the target folder, which this program is in.
fn criterion_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.unwrap_or(Path::new("target")).join("criterion")
}
