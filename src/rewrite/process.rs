//! The object `config` of an image config: what is started, with which environment (image-spec, config.md).
//!
//! The original entry point is handed to the one that replaces it in the variable [`ENTRY_CHAIN`]: one word as it
//! is, several as a JSON array of strings; a word that could be mistaken for an array is written as one. The
//! variable is set whenever the base has an entry point, also when the recipe leaves that alone, as programs that
//! were written for this protocol expect. It is kept as the base has it when the base already starts with what
//! the recipe sets, or when the recipe sets no entry point and the base has a chain: another value would make the
//! entry program start itself. It is emptied when the base has a chain and no entry point.

use super::edit::{Edits, Tail};
use super::fields::{Value, Wanted};
use super::refusal::Refusal;
use super::{steps, text};
use crate::grant::Recipe;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The variable that tells our entry program what the original one was.
pub const ENTRY_CHAIN: &str = "WAVE_ENTRY_CHAIN";

const WANTED: Wanted<4> = Wanted::fields(["Entrypoint", "Cmd", "Env", "WorkingDir"]);

/// What a member becomes.
#[derive(Clone, Copy)]
enum Setting<'r> {
    Strings(&'r [String]),
    Variables(&'r [Cow<'r, str>]),
    String(&'r str),
}

/// The edits in `whole`, the object `config`.
pub(super) fn apply(whole: Value<'_>, recipe: &Recipe, edits: &mut Edits<'_>) -> Result<(), Refusal> {
    let fields = whole.object(&WANTED)?;
    let entrypoint = fields.value(0).map(words).transpose()?.unwrap_or_default();
    let env = fields.value(2).map(|env| env.items("Env")).transpose()?;
    let lines = env.into_iter().flatten().map(|line| Ok((line, line.string("Env")?)));
    let lines: Vec<(Value<'_>, Cow<'_, str>)> = lines.collect::<Result<_, _>>()?;
    let variables = variables(recipe, &entrypoint, lines.iter().any(|(_, line)| key(line) == ENTRY_CHAIN));
    let settings = settings(recipe, if fields.value(2).is_none() { &variables } else { &[] });
    for (index, member) in fields.members() {
        if let Some(setting) = settings[index] {
            edits.replace(member.value, |texts| setting.write(texts));
        }
    }
    if let Some(env) = fields.value(2) {
        let places: HashMap<&str, usize> =
            variables.iter().enumerate().map(|(place, line)| (key(line), place)).collect();
        let mut found = vec![false; variables.len()];
        // Every occurrence: some runtimes take the first, some the last.
        for (own, line) in &lines {
            steps::count(1);
            if let Some(place) = places.get(key(line)) {
                found[*place] = true;
                edits.replace(*own, |texts| text::string(texts, &variables[*place]));
            }
        }
        edits.append(env, |tail| {
            let new = variables.iter().zip(found).filter(|(_, found)| !found);
            new.for_each(|(line, _)| text::string(tail.item(), line));
        });
    }
    edits.append(whole, |tail| write(tail, &settings, |index| fields.member(index).is_none()));
    Ok(())
}

/// Does the recipe leave a `config` alone that is not there?
pub(super) fn is_left(recipe: &Recipe) -> bool {
    settings(recipe, &last_of_each(&recipe.env)).iter().all(Option::is_none)
}

/// A `config` that was not there.
pub(super) fn fresh(texts: &mut Vec<u8>, recipe: &Recipe) {
    let variables = last_of_each(&recipe.env);
    text::object(texts, |tail| write(tail, &settings(recipe, &variables), |_| true));
}

/// An entry point as the value of [`ENTRY_CHAIN`].
pub fn chain(entrypoint: &[String]) -> String {
    match entrypoint {
        [word] if !word.is_empty() && !word.starts_with('[') => word.clone(),
        words => serde_json::to_string(words).expect("strings are JSON"),
    }
}

/// What the recipe sets, in the order of the wanted names.
fn settings<'r>(recipe: &'r Recipe, variables: &'r [Cow<'r, str>]) -> [Option<Setting<'r>>; 4] {
    let strings = |list: &'r Vec<String>| Some(Setting::Strings(list)).filter(|_| !list.is_empty());
    // An empty directory asks for nothing.
    let directory = recipe.working_dir.as_deref().filter(|directory| !directory.is_empty());
    [
        strings(&recipe.entrypoint),
        strings(&recipe.cmd),
        Some(Setting::Variables(variables)).filter(|_| !variables.is_empty()),
        directory.map(Setting::String),
    ]
}

/// Writes the settings whose place is wanted as members.
fn write(tail: &mut Tail<'_>, settings: &[Option<Setting<'_>>], is_wanted: impl Fn(usize) -> bool) {
    for (index, setting) in settings.iter().enumerate().filter(|(index, _)| is_wanted(*index)) {
        if let Some(setting) = setting {
            setting.write(tail.member(WANTED.names[index]));
        }
    }
}

impl Setting<'_> {
    fn write(self, texts: &mut Vec<u8>) {
        match self {
            Setting::Strings(strings) => text::strings(texts, strings),
            Setting::Variables(lines) => text::strings(texts, lines),
            Setting::String(string) => text::string(texts, string),
        }
    }
}

/// The variables to set.
fn variables<'r>(recipe: &'r Recipe, entrypoint: &[String], has_chain: bool) -> Vec<Cow<'r, str>> {
    let mut variables = last_of_each(&recipe.env);
    let is_chain = |line: &Cow<'_, str>| key(line) == ENTRY_CHAIN;
    if !entrypoint.is_empty() && !is_chained(entrypoint, has_chain, recipe) {
        variables.retain(|line| !is_chain(line));
        variables.push(format!("{ENTRY_CHAIN}={}", chain(entrypoint)).into());
    } else if entrypoint.is_empty() && has_chain && !recipe.entrypoint.is_empty() {
        // The chain of some earlier entry point, which the base has taken back since.
        if !variables.iter().any(is_chain) {
            variables.push(format!("{ENTRY_CHAIN}=").into());
        }
    }
    variables
}

/// Does the base's chain, or its absence, already say what it must?
fn is_chained(entrypoint: &[String], has_chain: bool, recipe: &Recipe) -> bool {
    if recipe.entrypoint.is_empty() { has_chain } else { recipe.entrypoint == entrypoint }
}

/// `Entrypoint` in its forms: a list, or one word; an empty string is none.
fn words(value: Value<'_>) -> Result<Vec<String>, Refusal> {
    const NAME: &str = "Entrypoint";
    if value.text().starts_with('"') {
        let word = value.string(NAME)?.into_owned();
        return Ok(if word.is_empty() { Vec::new() } else { vec![word] });
    }
    value.items(NAME)?.map(|word| word.string(NAME).map(Cow::into_owned)).collect()
}

/// The variables with only the last value of each key, in the order of first appearance.
fn last_of_each(env: &[String]) -> Vec<Cow<'_, str>> {
    let mut lines: Vec<Cow<'_, str>> = Vec::with_capacity(env.len());
    let mut places = HashMap::new();
    for line in env {
        steps::count(1);
        match places.entry(key(line)) {
            Entry::Occupied(place) => lines[*place.get()] = line.into(),
            Entry::Vacant(place) => {
                place.insert(lines.len());
                lines.push(line.into());
            }
        }
    }
    lines
}

fn key(line: &str) -> &str {
    line.split_once('=').map_or(line, |(key, _)| key)
}
