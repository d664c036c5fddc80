//! Finding: the wanted members of one JSON object, as byte spans of the document.
//!
//! `serde_json` walks one object; values are borrowed slices of the input and are not looked into, so the address
//! of a slice is its place in the document. Objects inside are visited by calling [`object`] again on the slice.

use super::refusal::Refusal;
use super::splice::Edit;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A document: text within the limits, of which values are slices.
#[derive(Clone, Copy, Debug)]
pub struct Doc<'a>(&'a str);

/// The wanted members of one object, in the order of the wanted names.
#[derive(Debug)]
pub struct Fields<'a, const N: usize> {
    members: [Option<Member<'a>>; N],
    /// The whole object.
    text: &'a str,
    /// The last value, unless the object is empty.
    last: Option<&'a str>,
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The value as written.
    pub value: &'a str,
    name: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

/// How the readers of an object compare its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// As fields of a structure: some readers ignore case, so nothing may resemble a wanted name.
    Folded,
    /// As keys of a map (`annotations`): exactly.
    Exact,
}

impl<'a> Doc<'a> {
    /// Checks encoding, size and depth, in one pass and before any other work.
    pub fn new(bytes: &'a [u8], limit: usize) -> Result<Doc<'a>, Refusal> {
        if bytes.len() > limit {
            return Err(Refusal::Size(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)?;
        if depth(bytes) > super::DEPTH_LIMIT { Err(Refusal::Depth) } else { Ok(Doc(text)) }
    }

    /// The whole text.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// Where a slice of this document lies in it.
    pub fn span(self, part: &str) -> Range<usize> {
        let start = part.as_ptr() as usize - self.0.as_ptr() as usize;
        debug_assert!(start + part.len() <= self.0.len(), "a part lies in its document");
        start..start + part.len()
    }

    /// Puts `"name":value` pairs at the end of an object; `None` when there are none.
    pub fn insert<const N: usize>(self, fields: &Fields<'_, N>, pairs: &[(&str, String)]) -> Option<Edit> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
        self.append(fields.text, fields.last, &pairs)
    }

    /// Removes a member and one of the commas around it.
    pub fn remove(self, member: &Member<'_>) -> Edit {
        let value = self.span(member.value).end;
        let span = match (member.before, member.after) {
            (Some(before), _) => self.span(before).end..value,
            (None, Some(after)) => self.span(member.name).start..self.span(after).start,
            (None, None) => self.span(member.name).start..value,
        };
        Edit { span, text: String::new() }
    }

    /// Replaces a value.
    pub fn replace(self, value: &str, text: impl Into<String>) -> Edit {
        Edit { span: self.span(value), text: text.into() }
    }

    /// Puts items at the end of `whole`, an object or array whose last element is `last`.
    pub fn append(self, whole: &str, last: Option<&str>, items: &[String]) -> Option<Edit> {
        if items.is_empty() {
            return None;
        }
        let text = items.join(",");
        Some(match last {
            Some(last) => {
                let end = self.span(last).end;
                Edit { span: end..end, text: format!(",{text}") }
            }
            None => {
                let open = self.span(whole).start + 1;
                Edit { span: open..open, text }
            }
        })
    }
}

impl<'a, const N: usize> Fields<'a, N> {
    /// The value of a wanted name; `null` counts as missing, as it does to clients.
    pub fn value(&self, index: usize) -> Option<&'a str> {
        self.members[index].map(|member| member.value).filter(|value| *value != "null")
    }

    /// The member of a wanted name, `null` or not.
    pub fn member(&self, index: usize) -> Option<&Member<'a>> {
        self.members[index].as_ref()
    }
}

/// The members of the object `text` called `wanted`. Refuses a wanted name that occurs twice, one that is escaped,
/// and, with [`Names::Folded`], names that fold to it the way Go's `encoding/json` folds them.
pub fn object<'a, const N: usize>(
    text: &'a str,
    wanted: [&'static str; N],
    names: Names,
) -> Result<Fields<'a, N>, Refusal> {
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        let other = serde_json::from_str::<&RawValue>(text).is_ok();
        return Err(if other { Refusal::Object } else { Refusal::Syntax });
    }
    let mut refusal = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let fields = json.deserialize_map(Walk { wanted, names, refusal: &mut refusal });
    let found = match (fields, refusal) {
        (_, Some(refusal)) => return Err(refusal),
        (Ok(found), None) => found,
        (Err(_), None) => return Err(Refusal::Syntax),
    };
    json.end().map_err(|_| Refusal::Syntax)?;
    Ok(Fields { text: text.trim_matches([' ', '\t', '\n', '\r']), ..found })
}

/// The elements of the array `text`.
pub fn array<'a>(text: &'a str, name: &'static str) -> Result<Vec<&'a str>, Refusal> {
    let items: Vec<&'a RawValue> = serde_json::from_str(text).map_err(|_| Refusal::Form(name))?;
    Ok(items.into_iter().map(RawValue::get).collect())
}

/// The string `text` stands for.
pub fn string<'a>(text: &'a str, name: &'static str) -> Result<Cow<'a, str>, Refusal> {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str::<String>(text).map(Cow::Owned).map_err(|_| Refusal::Form(name)),
    }
}

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

struct Walk<'w, const N: usize> {
    wanted: [&'static str; N],
    names: Names,
    refusal: &'w mut Option<Refusal>,
}

impl<'de, const N: usize> Visitor<'de> for Walk<'_, N> {
    type Value = Fields<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de, N>, A::Error> {
        let mut fields = Fields { members: [None; N], text: "", last: None };
        let mut previous: Option<usize> = None;
        while let Some(name) = map.next_key::<&RawValue>()?.map(RawValue::get) {
            if let Some(member) = previous.take().and_then(|index| fields.members[index].as_mut()) {
                member.after = Some(name);
            }
            let found = self.find(name).and_then(|index| match index {
                Some(index) if fields.members[index].is_some() => Err(Refusal::Twice(self.wanted[index])),
                other => Ok(other),
            });
            let index = found.map_err(|why| {
                *self.refusal = Some(why);
                serde::de::Error::custom("refused")
            })?;
            let value = map.next_value::<&RawValue>()?.get();
            if let Some(index) = index {
                fields.members[index] = Some(Member { value, name, before: fields.last, after: None });
                previous = Some(index);
            }
            fields.last = Some(value);
        }
        Ok(fields)
    }
}

impl<const N: usize> Walk<'_, N> {
    /// Which wanted name the quoted `name` is.
    fn find(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let plain = &name[1..name.len() - 1];
        if let Some(index) = self.wanted.iter().position(|wanted| *wanted == plain) {
            return Ok(Some(index));
        }
        let plain = string(name, "name").map_err(|_| Refusal::Syntax)?;
        let alike = |wanted: &&&str| match self.names {
            Names::Folded => folds(&plain, wanted),
            Names::Exact => plain == **wanted,
        };
        self.wanted.iter().find(alike).map_or(Ok(None), |wanted| Err(Refusal::LookAlike(wanted)))
    }
}

/// Are the two equal under Unicode simple folding? Of all characters only U+017F and U+212A fold to ASCII from
/// outside of it, and every wanted name is ASCII.
fn folds(name: &str, wanted: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(wanted.chars().map(fold))
}

/// How deep arrays and objects are nested; exact for JSON, harmless for anything else.
fn depth(bytes: &[u8]) -> usize {
    let (mut deepest, mut now, mut quoted, mut escaped) = (0usize, 0usize, false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
