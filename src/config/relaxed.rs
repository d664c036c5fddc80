//! Relaxed binding: which key a path of the file or an environment variable means.
//!
//! `layerPath`, `layer-path` and `layer_path` are one key; `WAVE_LAYER_PATH` sets it. Hosts and user names keep
//! their dots: under `wave.registries` the last component is the key and everything before it the host.

use super::inert::{self, Inert};
use super::keys::{Key, key, keys};
use crate::oci::Host;

/// Rows of one registry.
const REGISTRIES: &str = "wave.registries.<host>";
/// The row of accounts.
const ACCOUNTS: &str = "wave.accounts.<user>";

/// A key, with the name that stands for `<host>` or `<user>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    /// As in [`Key::path`], or `wave.registries.<host>` itself for a registry that is only listed.
    pub(super) path: &'static str,
    /// The name; empty for a key without one.
    pub(super) name: String,
}

/// What a path or variable means.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    /// This key has the value.
    Value(Slot),
    /// The value is the name of a file with the value.
    File(Slot),
    /// Known, without effect.
    Inert(&'static Inert),
    /// The name of a section, alone.
    Section,
    /// A registry whose name is no `host[:port]`.
    BadHost,
    /// Unknown; the nearest known key.
    Unknown(Option<String>),
}

impl Slot {
    pub(super) fn of(path: &'static str) -> Slot {
        Slot { path, name: String::new() }
    }

    pub(super) fn named(path: &'static str, name: &str) -> Slot {
        Slot { path, name: name.to_string() }
    }

    /// The path with the name in its place.
    pub(super) fn show(&self) -> String {
        self.path.replace("<host>", &self.name).replace("<user>", &self.name)
    }
}

/// What a path of the file means. One without a value may list a registry.
pub(super) fn path(written: &str, value: Given) -> Meaning {
    let parts: Vec<&str> = written.split('.').collect();
    let canonical = parts.iter().map(|part| kebab(part)).collect::<Vec<_>>().join(".");
    if let Some(found) = fixed(&canonical) {
        return found;
    }
    if canonical.starts_with("wave.registries.") {
        return registry(&parts[2..], value);
    }
    if canonical.starts_with("wave.accounts.") {
        let user = parts[2..].join(".");
        return match user.strip_suffix(".file") {
            Some(user) => Meaning::File(Slot::named(ACCOUNTS, user)),
            None => Meaning::Value(Slot::named(ACCOUNTS, &user)),
        };
    }
    let section =
        || keys().any(|key| key.path.strip_prefix(&canonical).is_some_and(|rest| rest.starts_with('.')));
    match inert::find(&canonical) {
        Some(inert) => Meaning::Inert(inert),
        None if value == Given::Nothing && section() => Meaning::Section,
        None => Meaning::Unknown(nearest(&canonical, keys().map(|key| key.path))),
    }
}

/// Does a path of the file have a value?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// It has.
    Something,
    /// It stands alone.
    Nothing,
}

/// What a variable means; `None` when it is none of ours.
pub(super) fn variable(name: &str, hosts: &[String]) -> Option<Meaning> {
    let squashed = squash(name);
    let ours = name.starts_with("WAVE_");
    let matches =
        |path: &str| !path.contains('<') && (as_variable(path) == name || ours && squash(path) == squashed);
    if let Some(key) = keys().find(|key| matches(key.path) || key.also.iter().any(|also| matches(also))) {
        return Some(Meaning::Value(Slot::of(key.path)));
    }
    if let Some(rest) = name.strip_prefix("WAVE_REGISTRIES_") {
        return Some(registry_variable(rest, hosts));
    }
    if let Some(user) = name.strip_prefix("WAVE_ACCOUNTS_") {
        return Some(Meaning::Value(Slot::named(ACCOUNTS, &user.to_ascii_lowercase())));
    }
    if !ours && !name.starts_with("MICRONAUT_") {
        return None;
    }
    Some(match inert::find_variable(name) {
        Some(inert) => Meaning::Inert(inert),
        None => {
            let fixed = keys().filter(|key| !key.path.contains('<'));
            let names: Vec<String> = fixed.map(|key| as_variable(key.path)).collect();
            Meaning::Unknown(nearest(name, names.iter().map(String::as_str)))
        }
    })
}

/// Lower case without anything between the words.
fn squash(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn fixed(canonical: &str) -> Option<Meaning> {
    let is = |key: &&Key| key.path == canonical || key.also.contains(&canonical);
    keys().filter(|key| !key.path.contains('<')).find(is).map(|key| Meaning::Value(Slot::of(key.path)))
}

fn registry(parts: &[&str], value: Given) -> Meaning {
    let row = |part: &str| key(&format!("{REGISTRIES}.{}", kebab(part)));
    let named = |host: &[&str]| host.join(".").parse::<Host>().map(|host| host.to_string());
    if let [host @ .., name, "file"] = parts
        && let Some(row) = row(name).filter(|row| row.secret && !host.is_empty())
    {
        return named(host).map_or(Meaning::BadHost, |host| Meaning::File(Slot::named(row.path, &host)));
    }
    let (name, host) = parts.split_last().expect("a split has a part");
    if let Some(row) = row(name).filter(|_| !host.is_empty()) {
        return named(host).map_or(Meaning::BadHost, |host| Meaning::Value(Slot::named(row.path, &host)));
    }
    let rows = || keys().filter_map(|key| key.path.strip_prefix("wave.registries.<host>."));
    let hint = nearest(&kebab(name), rows()).map(|name| format!("{REGISTRIES}.{name}"));
    match (value, named(parts)) {
        (Given::Nothing, Ok(host)) if hint.is_none() => Meaning::Value(Slot::named(REGISTRIES, &host)),
        (Given::Nothing, Err(_)) => Meaning::BadHost,
        _ => Meaning::Unknown(hint),
    }
}

/// `<HOST>_<KEY>`: the host is one of the file if one is spelled so, else `_` are its dots, and the one before
/// a number that ends it a colon.
fn registry_variable(rest: &str, hosts: &[String]) -> Meaning {
    let rows = keys().filter(|key| key.path.starts_with("wave.registries.<host>."));
    let tails = rows.flat_map(|key| {
        let tail = as_variable(&key.path[REGISTRIES.len()..]);
        let file = key.secret.then(|| (format!("{tail}_FILE"), key, true));
        [Some((tail, key, false)), file].into_iter().flatten()
    });
    let found = tails.filter(|(tail, ..)| rest.ends_with(&**tail)).max_by_key(|(tail, ..)| tail.len());
    let Some((tail, key, in_file)) = found else {
        return Meaning::Unknown(None);
    };
    let host = &rest[..rest.len() - tail.len()];
    let known = hosts.iter().find(|known| squash(known) == squash(host));
    let Some(host) = known.cloned().or_else(|| spelled_host(host)) else {
        return Meaning::BadHost;
    };
    let slot = Slot::named(key.path, &host);
    if in_file { Meaning::File(slot) } else { Meaning::Value(slot) }
}

fn spelled_host(text: &str) -> Option<String> {
    let dotted = text.replace('_', ".");
    let with_port = match dotted.rsplit_once('.') {
        Some((name, port))
            if dotted.parse::<std::net::Ipv4Addr>().is_err() && port.parse::<u16>().is_ok() =>
        {
            format!("{name}:{port}")
        }
        _ => dotted,
    };
    with_port.parse::<Host>().ok().map(|host| host.to_string())
}

/// `wave.layer-path`: `WAVE_LAYER_PATH`.
pub(super) fn as_variable(path: &str) -> String {
    path.replace(['.', '-'], "_").to_ascii_uppercase()
}

/// `layerPath`, `layer_path`, `LAYER-PATH`: `layer-path`.
fn kebab(part: &str) -> String {
    let mut out = String::with_capacity(part.len() + 2);
    let mut before = '-';
    for c in part.chars() {
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            out.push('-');
        }
        out.push(if c == '_' { '-' } else { c.to_ascii_lowercase() });
        before = c;
    }
    out
}

/// The candidate with the fewest edits, when they are few; or one that the text is the end of.
fn nearest<'a>(text: &str, mut candidates: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    if text.len() > 100 {
        return None;
    }
    let most = (text.len() / 6).clamp(1, 4);
    let near =
        candidates.clone().map(|known| (edits(text, known), known)).filter(|(edits, _)| *edits <= most);
    let ends = || candidates.find(|known| known.strip_suffix(text).is_some_and(|rest| rest.ends_with('.')));
    near.min().map(|(_, known)| known).or_else(ends).map(String::from)
}

/// Insertions, removals and replacements from one text to the other (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests;
