//! Every key, with its default and what it means: the one table that reading, `wave check`, hints and the README
//! share. Each section of `check` has its own rows.

use super::check;
use std::fmt::Write as _;

/// One key an operator can set.
#[derive(Debug)]
pub struct Key {
    /// Canonical spelling, dotted; `<host>` and `<user>` stand for names.
    pub path: &'static str,
    /// What holds when it is not set.
    pub default: Fallback,
    /// What it means, one line of Markdown.
    pub about: &'static str,
    /// Other spellings that are accepted.
    pub also: &'static [&'static str],
    /// Is the value a secret? Then it may also be `{file: PATH}`.
    pub secret: bool,
}

/// What holds when a key is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// As if this text were set.
    Is(&'static str),
    /// Depends on the surroundings; this tells how.
    Told(&'static str),
    /// Nothing.
    Nothing,
}

/// All keys, in the order of the README.
pub fn keys() -> impl Iterator<Item = &'static Key> + Clone {
    check::SECTIONS.iter().copied().flatten()
}

/// The README's table of keys: `| Key | Default | Meaning |`.
pub fn markdown_table() -> String {
    let mut table = String::from("| Key | Default | Meaning |\n|---|---|---|\n");
    for key in keys() {
        let default = match key.default {
            Fallback::Is(text) => format!("`{text}`"),
            Fallback::Told(text) => text.to_string(),
            Fallback::Nothing => String::new(),
        };
        write!(table, "| `{}` | {default} | {}", key.path, key.about).expect("a String takes all");
        for other in key.also {
            write!(table, " (also `{other}`)").expect("a String takes all");
        }
        table.push_str(" |\n");
    }
    table
}

/// The key of a canonical path.
pub(super) fn key(path: &str) -> Option<&'static Key> {
    keys().find(|key| key.path == path)
}

impl Key {
    pub(super) const fn new(path: &'static str, default: &'static str, about: &'static str) -> Key {
        Key { path, default: Fallback::Is(default), about, also: &[], secret: false }
    }

    pub(super) const fn told(path: &'static str, default: &'static str, about: &'static str) -> Key {
        Key { path, default: Fallback::Told(default), about, also: &[], secret: false }
    }

    pub(super) const fn unset(path: &'static str, about: &'static str) -> Key {
        Key { path, default: Fallback::Nothing, about, also: &[], secret: false }
    }

    pub(super) const fn secret(path: &'static str, about: &'static str) -> Key {
        Key { path, default: Fallback::Nothing, about, also: &[], secret: true }
    }

    pub(super) const fn also(mut self, also: &'static [&'static str]) -> Key {
        self.also = also;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_key_is_there_once_and_canonical() {
        let mut seen = BTreeSet::new();
        for key in keys() {
            for path in key.also.iter().chain([&key.path]) {
                assert!(seen.insert(*path), "{path} twice");
                let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.<>".contains(c);
                assert!(path.chars().all(good), "{path}");
            }
            assert!(!key.about.is_empty() && !key.about.contains(['|', '\n']), "{}", key.path);
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_key() {
        let table = markdown_table();
        assert_eq!(table.lines().count(), keys().count() + 2);
        assert!(table.contains("| `wave.server.bind` | `[::]:9090` |"), "{table}");
    }
}
