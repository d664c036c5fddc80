//! Stage one: what the operator wrote, file and environment together, sorted by key and not yet understood.

use super::file::{self, Item, Value};
use super::inert::Inert;
use super::placeholder;
use super::problems::Remark;
use super::relaxed::{self, Given, Meaning, Slot};
use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet};

/// Variables that begin like ours and are read elsewhere: by `load`, the client verbs, the build, and the injected layer.
const ELSEWHERE: [&str; 5] =
    ["WAVE_COMMIT", "WAVE_CONFIG_FILE", "WAVE_ENDPOINT", "WAVE_ENTRY_CHAIN", "WAVE_PASSWORD"];

/// Everything written.
#[derive(Default)]
pub(super) struct Written {
    /// By key.
    pub(super) entries: BTreeMap<Slot, Entry>,
    /// Mistakes found so far.
    pub(super) problems: Vec<Remark>,
    /// What is worth saying and no mistake.
    pub(super) notes: Vec<Remark>,
}

/// One value as written.
pub(super) struct Entry {
    pub(super) text: Text,
    /// For messages: `line 4`, or the variable.
    pub(super) origin: String,
}

/// A value with its placeholders filled in.
#[derive(Clone)]
pub(super) enum Text {
    /// A scalar.
    One(String),
    /// A sequence.
    Many(Vec<String>),
    /// `{file: PATH}`.
    InFile(String),
    /// No value: a registry that is only listed.
    Listed,
    /// Written, and wrong; that is said already.
    Broken,
}

/// Reads the text of a file and lays the environment over it.
pub(super) fn written(source: &str, env: &BTreeMap<String, String>) -> Written {
    let mut written = Written::default();
    let mut inert: BTreeMap<&'static Inert, BTreeSet<String>> = BTreeMap::new();
    match file::items(source) {
        Ok(items) => items.into_iter().for_each(|item| written.add_item(item, env, &mut inert)),
        Err(message) => written.problems.push(Remark::new("", message)),
    }
    let hosts: Vec<String> = written.hosts().map(String::from).collect();
    for (name, value) in
        env.iter().filter(|(name, value)| !value.is_empty() && !ELSEWHERE.contains(&name.as_str()))
    {
        written.add_variable(name, value, &hosts, &mut inert);
    }
    for (inert, paths) in inert {
        let paths: Vec<String> = paths.into_iter().filter(|path| path != inert.path).collect();
        let list = if paths.is_empty() { String::new() } else { format!(" ({})", paths.join(", ")) };
        written.notes.push(Remark::new(inert.path, format!("{}{list}", inert.why)));
    }
    written
}

impl Written {
    /// Registries that have an entry.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        let slots = self.entries.keys().filter(|slot| slot.path.starts_with("wave.registries.<host>"));
        slots.map(|slot| &*slot.name).collect::<BTreeSet<_>>().into_iter()
    }

    fn add_item(
        &mut self,
        item: Item,
        env: &BTreeMap<String, String>,
        inert: &mut BTreeMap<&'static Inert, BTreeSet<String>>,
    ) {
        let Item { path, line, value } = item;
        let given = if value == Value::Empty { Given::Nothing } else { Given::Something };
        let (slot, in_file) = match relaxed::path(&path, given) {
            Meaning::Value(slot) => (slot, false),
            Meaning::File(slot) => (slot, true),
            Meaning::Inert(of) => {
                inert.entry(of).or_default().insert(path);
                return;
            }
            Meaning::Section => return,
            Meaning::BadHost => {
                let message = format!("does not name a registry as host[:port] (line {line})");
                self.problems.push(Remark::new(path, message));
                return;
            }
            Meaning::Unknown(hint) => {
                let hint = hint.map_or(String::new(), |hint| format!("; did you mean {hint}?"));
                self.problems.push(Remark::new(path, format!("is not a key (line {line}){hint}")));
                return;
            }
        };
        let expand = |text: &str| placeholder::expand(text, env);
        let text = match (value, in_file) {
            (Value::Empty, _) if slot.path == "wave.registries.<host>" => Ok(Text::Listed),
            (Value::Empty, _) => return,
            (Value::Text(text), false) => expand(&text).map(Text::One),
            (Value::Text(text), true) => expand(&text).map(Text::InFile),
            (Value::List(list), false) => {
                list.iter().map(|text| expand(text)).collect::<Result<_, _>>().map(Text::Many)
            }
            (Value::Nested | Value::List(_), _) => Err("is neither a value nor a list of values".to_string()),
        };
        let text = text.unwrap_or_else(|message| {
            self.problems.push(Remark::new(slot.show(), format!("{message} (line {line})")));
            Text::Broken
        });
        match self.entries.entry(slot) {
            Place::Vacant(place) => {
                place.insert(Entry { text, origin: format!("line {line}") });
            }
            Place::Occupied(_) if matches!(text, Text::Listed) => {}
            Place::Occupied(place) => {
                let first = &place.get().origin;
                let message = format!("is written twice ({first}, and line {line} as {path})");
                self.problems.push(Remark::new(place.key().show(), message));
            }
        }
    }

    fn add_variable(
        &mut self,
        name: &str,
        value: &str,
        hosts: &[String],
        inert: &mut BTreeMap<&'static Inert, BTreeSet<String>>,
    ) {
        let (slot, text) = match relaxed::variable(name, hosts) {
            None | Some(Meaning::Section) => return,
            Some(Meaning::Value(slot)) => (slot, Text::One(value.to_string())),
            Some(Meaning::File(slot)) => (slot, Text::InFile(value.to_string())),
            Some(Meaning::Inert(of)) => {
                inert.entry(of).or_default().insert(name.to_string());
                return;
            }
            Some(Meaning::BadHost) => {
                self.problems.push(Remark::new(name, "does not name a registry"));
                return;
            }
            Some(Meaning::Unknown(_)) if is_service_link(name) => return,
            Some(Meaning::Unknown(hint)) => {
                let hint = hint.map_or(String::new(), |hint| format!("; did you mean {hint}?"));
                self.notes.push(Remark::new(name, format!("is not the variable of a key{hint}")));
                return;
            }
        };
        self.entries.insert(slot, Entry { text, origin: format!("variable {name}") });
    }
}

/// Kubernetes puts the addresses of services into the environment of every pod of the namespace.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_PORT")
        || name.contains("_SERVICE_PORT")
        || ["_TCP", "_UDP"].iter().any(|kind| name.contains(&format!("{kind}_")) || name.ends_with(kind))
}
