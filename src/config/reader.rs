//! Reading keys one by one: mistakes pile up, and what was wrong reads as its default so that the rest is
//! looked at too.

use super::files::Files;
use super::keys::{Fallback, key};
use super::problems::Remark;
use super::relaxed::Slot;
use super::written::{Entry, Text, Written};
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is read, and what was found on the way.
pub(super) struct Reader {
    written: Written,
    env: BTreeMap<String, String>,
    pub(super) files: Files,
}

impl Reader {
    pub(super) fn new(written: Written, env: BTreeMap<String, String>, files: Files) -> Reader {
        Reader { written, env, files }
    }

    /// A key with a default.
    pub(super) fn value<T>(&mut self, path: &'static str, parse: fn(&str) -> Result<T, String>) -> T {
        self.of(&Slot::of(path), parse)
    }

    /// A key with a default, of a registry.
    pub(super) fn of<T>(&mut self, slot: &Slot, parse: fn(&str) -> Result<T, String>) -> T {
        match self.optional(slot, parse) {
            Some(value) => value,
            None => match key(slot.path).map(|key| key.default) {
                Some(Fallback::Is(text)) => {
                    parse(text).unwrap_or_else(|e| panic!("default of {}: {e}", slot.path))
                }
                _ => panic!("{} has no default in its table", slot.path),
            },
        }
    }

    /// A key that may be unset.
    pub(super) fn optional<T>(&mut self, slot: &Slot, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let (text, origin) = self.text(slot)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                let secret = key(slot.path).is_some_and(|key| key.secret) || text.contains('@');
                let shown = if secret { String::new() } else { format!("'{}' ", text.escape_debug()) };
                self.problem(slot.show(), format!("{shown}{message} ({origin})"));
                None
            }
        }
    }

    /// A secret, written here or in a file; `None` only when it is not set.
    pub(super) fn secret(&mut self, slot: &Slot) -> Option<Secret> {
        let is_set = self.is_set(slot);
        let text = self.text(slot).map(|(text, _)| text);
        is_set.then(|| Secret::new(text.unwrap_or_else(|| "unreadable".into())))
    }

    /// A variable that is not one of ours, in lower or upper case, as is usual for proxies.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = self.env.get(&name.to_ascii_lowercase()).or_else(|| self.env.get(name))?;
        Some(value.clone()).filter(|value| !value.is_empty())
    }

    /// A list, or texts with commas between them.
    pub(super) fn list<T>(&mut self, slot: &Slot, parse: fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(Entry { text, origin }) = self.written.entries.remove(slot) else {
            return Vec::new();
        };
        let texts = match text {
            Text::Many(texts) => texts,
            Text::One(text) => text.split(',').map(|text| text.trim().to_string()).collect(),
            Text::InFile(_) | Text::Listed | Text::Broken => Vec::new(),
        };
        let mut values = Vec::new();
        for text in texts {
            match parse(&text) {
                Ok(value) => values.push(value),
                Err(message) => {
                    self.problem(slot.show(), format!("'{}' {message} ({origin})", text.escape_debug()));
                }
            }
        }
        values
    }

    /// A file that must be there.
    pub(super) fn existing_file(&mut self, slot: &Slot) -> Option<PathBuf> {
        self.existing_file_or(slot, "")
    }

    /// The same, or `None` for the word that means no file.
    pub(super) fn existing_file_or(&mut self, slot: &Slot, none: &str) -> Option<PathBuf> {
        let file = self.optional(slot, path)?;
        if !none.is_empty() && file == std::path::Path::new(none) {
            return None;
        }
        if let Err(error) = self.files.can_read(&file) {
            self.problem(slot.show(), format!("{} cannot be read: {error}", file.display()));
        }
        Some(file)
    }

    /// Is the key set?
    pub(super) fn is_set(&self, slot: &Slot) -> bool {
        self.written.entries.contains_key(slot)
    }

    /// Registries with an entry.
    pub(super) fn hosts(&self) -> Vec<String> {
        self.written.hosts().map(String::from).collect()
    }

    /// What stands for `<user>` or `<host>` in the entries of this key.
    pub(super) fn names(&self, path: &'static str) -> Vec<String> {
        self.written.entries.keys().filter(|slot| slot.path == path).map(|slot| slot.name.clone()).collect()
    }

    pub(super) fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.written.problems.push(Remark::new(path, message));
    }

    pub(super) fn note(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.written.notes.push(Remark::new(path, message));
    }

    /// Problems and notes.
    pub(super) fn finish(self) -> (Vec<Remark>, Vec<Remark>) {
        (self.written.problems, self.written.notes)
    }

    /// Takes a value: each is read once.
    fn text(&mut self, slot: &Slot) -> Option<(String, String)> {
        let Entry { text, origin } = self.written.entries.remove(slot)?;
        match text {
            Text::One(text) => Some((text, origin)),
            Text::InFile(file) => match self.files.text(Path::new(&file)) {
                Ok(text) => Some((text.trim_end_matches(['\r', '\n']).to_string(), origin)),
                Err(error) => {
                    self.problem(slot.show(), format!("{file} cannot be read: {error} ({origin})"));
                    None
                }
            },
            Text::Broken => None,
            Text::Many(_) | Text::Listed => {
                self.problem(slot.show(), format!("takes one value ({origin})"));
                None
            }
        }
    }
}

/// A path that is not empty.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') { Err("is not a path".into()) } else { Ok(PathBuf::from(text)) }
}
