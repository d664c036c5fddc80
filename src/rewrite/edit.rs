//! Edits: what becomes of a value, a member, the end of a container.

use super::fields::{Fields, Member, SPACE, Value};
use std::ops::Range;

/// The bytes of `span` become `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which bytes; empty to insert.
    pub span: Range<usize>,
    /// What they become; empty to remove.
    pub text: String,
}

impl Value<'_> {
    /// Where it lies in its document.
    pub(super) fn span(self) -> Range<usize> {
        self.doc().span(self.text())
    }

    /// Replaces it.
    pub fn replace(self, text: impl Into<String>) -> Edit {
        Edit { span: self.span(), text: text.into() }
    }

    /// Puts items at the end of it, an array or a `null` that stands for an empty one.
    pub fn extend(self, items: &[String]) -> Option<Edit> {
        match self.is_null() {
            true if items.is_empty() => None,
            true => Some(self.replace(format!("[{}]", items.join(",")))),
            false => self.append(items),
        }
    }

    /// Puts items at the end of it, an object or array.
    pub fn append(self, items: &[String]) -> Option<Edit> {
        if items.is_empty() {
            return None;
        }
        let text = items.join(",");
        let whole = self.text();
        let content = whole[..whole.len() - 1].trim_end_matches(SPACE);
        let at = self.span().start + content.len();
        let is_empty = content.len() == 1;
        Some(Edit { span: at..at, text: if is_empty { text } else { format!(",{text}") } })
    }
}

impl<const N: usize> Fields<'_, N> {
    /// Puts `"name":value` pairs at the end of the object; `None` when there are none. Names need no escapes.
    pub fn insert(&self, pairs: &[(&str, String)]) -> Option<Edit> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        self.whole.append(&pairs)
    }
}

impl Member<'_> {
    /// Removes it with one of the commas around it: the one in front, unless it is the first.
    pub fn remove(&self) -> Edit {
        let doc = self.value.doc();
        let (name, value) = (doc.span(self.name).start - 1, self.value.span().end);
        let (front, behind) =
            (doc.text()[..name].trim_end_matches(SPACE), doc.text()[value..].trim_start_matches(SPACE));
        let span = match (front.strip_suffix(','), behind.strip_prefix(',')) {
            (Some(front), _) => front.trim_end_matches(SPACE).len()..value,
            (None, Some(behind)) => name..doc.span(behind.trim_start_matches(SPACE)).start,
            (None, None) => name..value,
        };
        Edit { span, text: String::new() }
    }
}
