//! Image configs (image-spec, config.md; Docker's is a superset).
//!
//! The original entry point is handed to the one that replaces it in the variable [`ENTRY_CHAIN`]: one word as it
//! is, several as a JSON array of strings; a word that could be mistaken for an array is written as one. The
//! variable is set whenever the base has an entry point, also when the recipe leaves that alone, as programs that
//! were written for this protocol expect. It is kept as the base has it when the base already starts with what
//! the recipe sets, or when the recipe sets no entry point and the base has a chain: another value would make the
//! entry program start itself. It is emptied when the base has a chain and no entry point.

use super::edit::Edit;
use super::fields::{Doc, Fields, Names, Value, quoted};
use super::index::named;
use super::refusal::Refusal;
use super::splice::{Spliced, splice};
use crate::grant::{Layer, Recipe};
use crate::oci::Platform;
use std::borrow::Cow;

/// The variable that tells our entry program what the original one was.
pub const ENTRY_CHAIN: &str = "WAVE_ENTRY_CHAIN";

/// What has to be known of a config to decide whether and how an image is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// For which platform the image is: the truth, whatever an index says.
    pub platform: Platform,
    /// How many layers the root file system has; `None` when it is not made of layers.
    pub layers: Option<usize>,
}

/// What changes in a config.
#[derive(Clone, Debug)]
pub struct Change<'c> {
    /// Entry point, command, environment, working directory.
    pub recipe: &'c Recipe,
    /// The appended layers: those of the recipe that fit.
    pub layers: &'c [&'c Layer],
}

const NAMES: [&str; 7] = ["os", "architecture", "variant", "created", "config", "rootfs", "history"];
const PROCESS: [&str; 4] = ["Entrypoint", "Cmd", "Env", "WorkingDir"];
/// `created` of our history entries when the base does not say when it was made.
const EPOCH: &str = "\"1970-01-01T00:00:00Z\"";

/// Reads a config.
pub fn read(doc: &Doc<'_>) -> Result<Config, Refusal> {
    let fields = doc.root().object(NAMES, Names::Folded)?;
    let layers = fields.value(5).map(diff_ids).transpose()?.flatten();
    Ok(Config { platform: named(&fields)?, layers: layers.map(|ids| ids.count) })
}

/// The config with diff ids and history of the appended layers and with the recipe's process settings.
pub fn apply(doc: &Doc<'_>, change: &Change<'_>, limit: usize) -> Result<Spliced, Refusal> {
    let fields = doc.root().object(NAMES, Names::Folded)?;
    let rootfs = fields.value(5).ok_or(Refusal::Missing("rootfs"))?;
    let ids = diff_ids(rootfs)?.ok_or(Refusal::Form("rootfs"))?;
    let mut edits = Vec::new();
    let added: Vec<String> = change.layers.iter().map(|layer| quoted(&layer.diff_id.to_string())).collect();
    edits.extend(ids.append(&added));
    if let Some(history) = fields.value(6) {
        let created = fields.value(3).filter(|created| created.string("created").is_ok());
        edits.extend(self::history(history, ids.count, created.map_or(EPOCH, Value::text), change.layers)?);
    }
    match fields.member(4) {
        Some(member) if !member.value.is_null() => edits.extend(process(member.value, change.recipe)?),
        absent => {
            let pairs = fresh(change.recipe);
            let text = format!("{{{}}}", pairs.join(","));
            match absent {
                _ if pairs.is_empty() => {}
                Some(null) => edits.push(null.value.replace(text)),
                None => edits.extend(fields.insert(&[("config", text)])),
            }
        }
    }
    splice(doc, edits, limit)
}

/// The diff ids of a root file system.
struct DiffIds<'a> {
    /// `type` and `diff_ids`.
    rootfs: Fields<'a, 2>,
    /// How many there are.
    count: usize,
}

/// The diff ids; `None` when the root file system is not made of layers. Docker leaves the list out where it is empty.
fn diff_ids(rootfs: Value<'_>) -> Result<Option<DiffIds<'_>>, Refusal> {
    let rootfs = rootfs.object(["type", "diff_ids"], Names::Folded)?;
    let kind = rootfs.value(0).map(|value| value.string("type")).transpose()?;
    if kind.as_deref() != Some("layers") {
        return Ok(None);
    }
    let count = rootfs.value(1).map_or(Ok(0), |ids| ids.count("diff_ids"))?;
    Ok(Some(DiffIds { rootfs, count }))
}

impl DiffIds<'_> {
    /// Puts ids at the end of them.
    fn append(&self, added: &[String]) -> Option<Edit> {
        match self.rootfs.member(1) {
            Some(ids) => ids.value.extend(added),
            None if added.is_empty() => None,
            None => self.rootfs.insert(&[("diff_ids", format!("[{}]", added.join(",")))]),
        }
    }
}

/// One history entry per appended layer, where the base's history accounts for its layers: a client that counts
/// must not find a mismatch that was not there.
fn history(
    whole: Value<'_>,
    layers: usize,
    created: &str,
    added: &[&Layer],
) -> Result<Option<Edit>, Refusal> {
    let entries = whole.array("history")?;
    let mut filled = 0;
    for entry in entries {
        let empty = entry.object(["empty_layer"], Names::Folded)?.value(0);
        filled += usize::from(empty.is_none_or(|empty| empty.text() != "true"));
    }
    if filled != layers {
        return Ok(None);
    }
    let lines: Vec<String> = added
        .iter()
        .map(|layer| {
            let by = quoted(&format!("wave: append {}", layer.digest));
            format!(r#"{{"created":{created},"created_by":{by},"comment":"wave"}}"#)
        })
        .collect();
    Ok(whole.append(&lines))
}

/// The edits in the object `config`.
fn process(whole: Value<'_>, recipe: &Recipe) -> Result<Vec<Edit>, Refusal> {
    let fields = whole.object(PROCESS, Names::Folded)?;
    let entrypoint = fields.value(0).map(words).transpose()?.unwrap_or_default();
    let lines = match fields.value(2) {
        Some(env) => env.array("Env")?,
        None => Vec::new(),
    };
    let known: Vec<_> = lines.iter().map(|line| line.string("Env")).collect::<Result<_, _>>()?;
    let has_chain = known.iter().any(|line| key(line) == ENTRY_CHAIN);
    let mut variables = last_of_each(&recipe.env);
    if !entrypoint.is_empty() && !is_chained(&entrypoint, has_chain, recipe) {
        variables.retain(|line| key(line) != ENTRY_CHAIN);
        variables.push(format!("{ENTRY_CHAIN}={}", chain(&entrypoint)));
    } else if entrypoint.is_empty() && has_chain && !recipe.entrypoint.is_empty() {
        // The chain of some earlier entry point, which the base has taken back since.
        if !variables.iter().any(|line| key(line) == ENTRY_CHAIN) {
            variables.push(format!("{ENTRY_CHAIN}="));
        }
    }
    let mut edits = Vec::new();
    let mut absent = Vec::new();
    let mut set = |index: usize, value: String| match fields.member(index) {
        Some(member) => edits.push(member.value.replace(value)),
        None => absent.push((PROCESS[index], value)),
    };
    if !recipe.entrypoint.is_empty() {
        set(0, list(&recipe.entrypoint));
    }
    if !recipe.cmd.is_empty() {
        set(1, list(&recipe.cmd));
    }
    if fields.value(2).is_none() && !variables.is_empty() {
        set(2, list(&variables));
    }
    if let Some(directory) = working_dir(recipe) {
        set(3, quoted(directory));
    }
    if let Some(whole) = fields.value(2) {
        let (replacing, new): (Vec<_>, Vec<_>) =
            variables.into_iter().partition(|line| known.iter().any(|own| key(own) == key(line)));
        for (line, own) in lines.iter().zip(&known) {
            // Every occurrence: some runtimes take the first, some the last.
            if let Some(new) = replacing.iter().find(|new| key(new) == key(own)) {
                edits.push(line.replace(quoted(new)));
            }
        }
        let new: Vec<String> = new.iter().map(|line| quoted(line)).collect();
        edits.extend(whole.append(&new));
    }
    edits.extend(fields.insert(&absent));
    Ok(edits)
}

/// The members of a `config` that was not there.
fn fresh(recipe: &Recipe) -> Vec<String> {
    let some = |list: &[String]| (!list.is_empty()).then(|| self::list(list));
    let values = [
        some(&recipe.entrypoint),
        some(&recipe.cmd),
        some(&last_of_each(&recipe.env)),
        working_dir(recipe).map(quoted),
    ];
    let pairs = PROCESS.iter().zip(values);
    pairs.filter_map(|(name, value)| value.map(|value| format!("{}:{value}", quoted(name)))).collect()
}

/// Does the base's chain, or its absence, already say what it must?
fn is_chained(entrypoint: &[String], has_chain: bool, recipe: &Recipe) -> bool {
    if recipe.entrypoint.is_empty() { has_chain } else { recipe.entrypoint == entrypoint }
}

/// An entry point as the value of [`ENTRY_CHAIN`].
pub fn chain(entrypoint: &[String]) -> String {
    match entrypoint {
        [word] if !word.is_empty() && !word.starts_with('[') => word.clone(),
        words => list(words),
    }
}

/// `Entrypoint` in its forms: a list, or one word; an empty string is none.
fn words(value: Value<'_>) -> Result<Vec<String>, Refusal> {
    const NAME: &str = "Entrypoint";
    if value.text().starts_with('"') {
        let word = value.string(NAME)?.into_owned();
        return Ok(if word.is_empty() { Vec::new() } else { vec![word] });
    }
    value.array(NAME)?.into_iter().map(|word| word.string(NAME).map(Cow::into_owned)).collect()
}

/// The working directory to set; an empty one asks for nothing.
fn working_dir(recipe: &Recipe) -> Option<&str> {
    recipe.working_dir.as_deref().filter(|directory| !directory.is_empty())
}

/// The variables with only the last value of each key, in the order of first appearance.
fn last_of_each(env: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::with_capacity(env.len());
    for line in env {
        match lines.iter_mut().find(|own| key(own) == key(line)) {
            Some(own) => own.clone_from(line),
            None => lines.push(line.clone()),
        }
    }
    lines
}

fn key(line: &str) -> &str {
    line.split_once('=').map_or(line, |(key, _)| key)
}

fn list(words: &[String]) -> String {
    serde_json::to_string(words).expect("strings are JSON")
}

#[cfg(test)]
mod tests;
