//! Finding: the wanted members of one JSON object, as byte spans of the document.
//!
//! `serde_json` walks one object; wanted values are borrowed slices of the input and are not looked into, all others
//! are skipped. The address of a slice is its place in the document. Objects inside are visited by calling [`object`]
//! again on the slice.

use super::refusal::Refusal;
use super::splice::Edit;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
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
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The value as written.
    pub value: &'a str,
    /// The name, without its quotes.
    name: &'a str,
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
        let start = (part.as_ptr() as usize).checked_sub(self.0.as_ptr() as usize);
        let start = start.filter(|start| start + part.len() <= self.0.len()).expect("a part of the document");
        start..start + part.len()
    }

    /// Puts `"name":value` pairs at the end of an object; `None` when there are none.
    pub fn insert<const N: usize>(self, fields: &Fields<'_, N>, pairs: &[(&str, String)]) -> Option<Edit> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
        self.append(fields.text, &pairs)
    }

    /// Removes a member and one of the commas around it: the one in front, unless it is the first.
    pub fn remove(self, member: &Member<'_>) -> Edit {
        let (name, value) = (self.span(member.name).start - 1, self.span(member.value).end);
        let (front, behind) =
            (self.0[..name].trim_end_matches(SPACE), self.0[value..].trim_start_matches(SPACE));
        let span = match (front.strip_suffix(','), behind.strip_prefix(',')) {
            (Some(front), _) => front.trim_end_matches(SPACE).len()..value,
            (None, Some(behind)) => name..self.span(behind.trim_start_matches(SPACE)).start,
            (None, None) => name..value,
        };
        Edit { span, text: String::new() }
    }

    /// Replaces a value.
    pub fn replace(self, value: &str, text: impl Into<String>) -> Edit {
        Edit { span: self.span(value), text: text.into() }
    }

    /// Puts items at the end of `whole`, an object or array.
    pub fn append(self, whole: &str, items: &[String]) -> Option<Edit> {
        if items.is_empty() {
            return None;
        }
        let text = items.join(",");
        let (start, content) = (self.span(whole).start, whole[..whole.len() - 1].trim_end_matches(SPACE));
        let is_empty = content.len() == 1;
        let at = start + content.len();
        Some(Edit { span: at..at, text: if is_empty { text } else { format!(",{text}") } })
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
    if !text.trim_start_matches(SPACE).starts_with('{') {
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
    Ok(Fields { text: text.trim_matches(SPACE), ..found })
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

/// White space of JSON (RFC 8259, 2).
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

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
        let mut fields = Fields { members: [None; N], text: "" };
        while let Some(name) = map.next_key::<Name<'de>>()? {
            let index = match self.find(&name) {
                Ok(Some(index)) if fields.members[index].is_some() => Err(Refusal::Twice(self.wanted[index])),
                other => other,
            };
            let index = index.map_err(|why| {
                *self.refusal = Some(why);
                serde::de::Error::custom("refused")
            })?;
            match (index, name.0) {
                (Some(index), Cow::Borrowed(name)) => {
                    let value = map.next_value::<&RawValue>()?.get();
                    fields.members[index] = Some(Member { value, name });
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(fields)
    }
}

impl<const N: usize> Walk<'_, N> {
    /// Which wanted name `name` is. One that is spelt with escapes is not borrowed, and only looks like it.
    fn find(&self, Name(name): &Name<'_>) -> Result<Option<usize>, Refusal> {
        let plain = matches!(name, Cow::Borrowed(_));
        if let Some(index) = self.wanted.iter().position(|wanted| plain && wanted == name) {
            return Ok(Some(index));
        }
        let alike = |wanted: &&&str| match self.names {
            Names::Folded => folds(name, wanted),
            Names::Exact => name == **wanted,
        };
        self.wanted.iter().find(alike).map_or(Ok(None), |wanted| Err(Refusal::LookAlike(wanted)))
    }
}

/// A name, borrowed from the document unless it is spelt with escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'de>, D::Error> {
        deserializer.deserialize_str(NameVisitor).map(Name)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.into()))
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
    // Those two are two and three bytes long, so a shorter name cannot fold to a longer one.
    name.len() >= wanted.len()
        && name.chars().map(fold).eq(wanted.bytes().map(|b| char::from(b).to_ascii_lowercase()))
}

/// How deep arrays and objects are nested; exact for JSON, harmless for anything else.
fn depth(bytes: &[u8]) -> usize {
    let (mut deepest, mut now) = (0usize, 0usize);
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'{' | b'[' => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            b'"' => {
                while let Some(byte) = rest.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(rest.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
