//! The little XML that S3 speaks, written and read.

use std::fmt::Write as _;

/// How documents begin.
pub const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A document being written.
#[derive(Debug)]
pub struct Xml {
    text: String,
}

impl Xml {
    /// A document with the declaration that S3 sends.
    pub fn document() -> Xml {
        Xml { text: DECLARATION.to_owned() }
    }

    /// An element with others inside.
    pub fn inside(&mut self, name: &str, fill: impl FnOnce(&mut Xml)) {
        let _ = write!(self.text, "<{name}>");
        fill(self);
        // An attribute belongs to the opening tag alone.
        let _ = write!(self.text, "</{}>", name.split(' ').next().unwrap_or(name));
    }

    /// An element with text inside.
    pub fn leaf(&mut self, name: &str, value: impl std::fmt::Display) {
        let escaped = escape(&value.to_string());
        let _ = write!(self.text, "<{name}>{escaped}</{name}>");
    }

    /// An element with an attribute and text inside.
    pub fn leaf_with(&mut self, name: &str, attribute: &str, value: impl std::fmt::Display) {
        let escaped = escape(&value.to_string());
        let _ = write!(self.text, "<{name} {attribute}>{escaped}</{name}>");
    }

    /// The document.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Markup and what XML readers would change or refuse, as S3 writes it.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, char| {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            control if control < ' ' && control != '\n' && control != '\t' => {
                let _ = write!(out, "&#x{:x};", u32::from(control));
            }
            other => out.push(other),
        }
        out
    })
}

/// The leaves of each element `name`, as pairs of name and text; elements in between are not told apart.
pub fn read(text: &str, name: &str) -> Option<Vec<Vec<(String, String)>>> {
    let mut found = Vec::new();
    let mut current: Option<Vec<(String, String)>> = None;
    let mut rest = text;
    let mut depth = Vec::new();
    while let Some(open) = rest.find('<') {
        let before = &rest[..open];
        let close = open + rest[open..].find('>')?;
        let tag = &rest[open + 1..close];
        rest = &rest[close + 1..];
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if let Some(ended) = tag.strip_prefix('/') {
            let (started, leaf) = depth.pop()?;
            if started != ended.trim() {
                return None;
            }
            if ended == name {
                found.push(current.take()?);
            } else if leaf && let Some(current) = &mut current {
                current.push((ended.to_owned(), unescape(before)?));
            }
            continue;
        }
        if let Some((_, leaf)) = depth.last_mut() {
            *leaf = false;
        }
        let empty = tag.ends_with('/');
        let tag = tag.trim_end_matches('/').split_whitespace().next()?;
        if tag == name {
            current = Some(Vec::new());
        }
        if !empty {
            depth.push((tag.to_owned(), true));
        } else if let Some(current) = &mut current {
            current.push((tag.to_owned(), String::new()));
        }
    }
    depth.is_empty().then_some(found)
}

/// The value of a leaf.
pub fn leaf<'a>(leaves: &'a [(String, String)], name: &str) -> Option<&'a str> {
    leaves.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let end = at + rest[at..].find(';')?;
        out.push(match &rest[at + 1..end] {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => char::from_u32(match number.strip_prefix("#x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.strip_prefix('#')?.parse().ok()?,
            })?,
        });
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Some(out)
}
