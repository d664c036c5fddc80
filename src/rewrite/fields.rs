//! Finding: the wanted members of JSON objects, as spans of the document they are in.
//!
//! [`Doc::new`] checks the whole document in one pass and notes where its values lie; after that an object is read by
//! stepping from member to member. No value is looked into that nobody asks for, and none is decoded.

use super::refusal::Refusal;
use super::scan::{Node, scan};
use super::visit;
use std::borrow::Cow;
use std::ops::Range;

/// A document: JSON text within the limits, of which values are slices.
#[derive(Clone, Debug)]
pub struct Doc<'a> {
    text: &'a str,
    finder: Finder,
}

/// How values are found.
#[derive(Clone, Debug)]
enum Finder {
    /// By where the validating pass saw them.
    Scan(Vec<Node>),
    /// By a visitor of `serde_json`, which reads every object again: what the pass is compared with.
    Visit,
}

/// One value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    doc: &'a Doc<'a>,
    text: &'a str,
    /// Its place among the nodes of the pass.
    node: u32,
}

/// The wanted members of one object, in the order of the wanted names.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a, const N: usize> {
    pub(super) members: [Option<Member<'a>>; N],
    pub(super) whole: Value<'a>,
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The value.
    pub value: Value<'a>,
    /// The name, without its quotes.
    pub(super) name: &'a str,
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
    /// Checks size, encoding, grammar and depth.
    pub fn new(bytes: &'a [u8], limit: usize) -> Result<Doc<'a>, Refusal> {
        let text = text(bytes, limit)?;
        Ok(Doc { text, finder: Finder::Scan(scan(text)?) })
    }

    /// The same through the visitor, which checks an object when it is read: for comparison.
    #[doc(hidden)]
    pub fn visited(bytes: &'a [u8], limit: usize) -> Result<Doc<'a>, Refusal> {
        let text = text(bytes, limit)?;
        visit::depth(bytes)?;
        Ok(Doc { text, finder: Finder::Visit })
    }

    /// The whole text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The value that the document is.
    pub fn root(&'a self) -> Value<'a> {
        match &self.finder {
            Finder::Scan(nodes) => self.value(nodes, 0),
            Finder::Visit => self.slice(self.text.trim_matches(SPACE)),
        }
    }

    /// A value that is known by its text alone.
    pub(super) fn slice(&'a self, text: &'a str) -> Value<'a> {
        Value { doc: self, text, node: 0 }
    }

    fn value(&'a self, nodes: &[Node], node: u32) -> Value<'a> {
        Value { doc: self, text: self.part(nodes[node as usize].value), node }
    }

    fn part(&self, (start, end): (u32, u32)) -> &'a str {
        &self.text[start as usize..end as usize]
    }

    /// Where a slice of this document lies in it.
    pub(super) fn span(&self, part: &str) -> Range<usize> {
        let start = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        let start =
            start.filter(|start| start + part.len() <= self.text.len()).expect("a part of the document");
        start..start + part.len()
    }
}

impl<'a> Value<'a> {
    /// The value as written.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The document it is in.
    pub(super) fn doc(self) -> &'a Doc<'a> {
        self.doc
    }

    /// Is it `null`?
    pub fn is_null(self) -> bool {
        self.text == "null"
    }

    /// The members of an object called `wanted`. Refuses a wanted name that occurs twice, one that is escaped, and,
    /// with [`Names::Folded`], names that fold to it the way Go's `encoding/json` folds them.
    pub fn object<const N: usize>(
        self,
        wanted: [&'static str; N],
        names: Names,
    ) -> Result<Fields<'a, N>, Refusal> {
        let Finder::Scan(nodes) = &self.doc.finder else { return visit::object(self, wanted, names) };
        if !self.text.starts_with('{') {
            return Err(Refusal::Object);
        }
        let mut fields = Fields { members: [None; N], whole: self };
        for node in inner(nodes, self.node) {
            let Node { name: (start, end), odd, .. } = nodes[node as usize];
            // Most names are of no interest, and of no wanted length.
            if !odd && wanted.iter().all(|wanted| wanted.len() != (end - start) as usize) {
                continue;
            }
            let name = self.doc.part((start, end));
            let Some(index) = find(name, &wanted, names)? else { continue };
            let member = Member { value: self.doc.value(nodes, node), name };
            if fields.members[index].replace(member).is_some() {
                return Err(Refusal::Twice(wanted[index]));
            }
        }
        Ok(fields)
    }

    /// How many items the array called `name` has.
    pub fn count(self, name: &'static str) -> Result<usize, Refusal> {
        match &self.doc.finder {
            Finder::Scan(nodes) if self.text.starts_with('[') => Ok(inner(nodes, self.node).count()),
            _ => Ok(self.array(name)?.len()),
        }
    }

    /// The items of the array called `name`.
    pub fn array(self, name: &'static str) -> Result<Vec<Value<'a>>, Refusal> {
        let Finder::Scan(nodes) = &self.doc.finder else { return visit::array(self, name) };
        if !self.text.starts_with('[') {
            return Err(Refusal::Form(name));
        }
        Ok(inner(nodes, self.node).map(|node| self.doc.value(nodes, node)).collect())
    }

    /// The string it stands for; it is called `name`.
    pub fn string(self, name: &'static str) -> Result<Cow<'a, str>, Refusal> {
        match self.text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
            _ => serde_json::from_str(self.text).map(Cow::Owned).map_err(|_| Refusal::Form(name)),
        }
    }
}

impl<'a, const N: usize> Fields<'a, N> {
    /// The value of a wanted name; `null` counts as missing, as it does to clients.
    pub fn value(&self, index: usize) -> Option<Value<'a>> {
        self.members[index].map(|member| member.value).filter(|value| !value.is_null())
    }

    /// The member of a wanted name, `null` or not.
    pub fn member(&self, index: usize) -> Option<&Member<'a>> {
        self.members[index].as_ref()
    }
}

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// White space of JSON (RFC 8259, 2).
pub(super) const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Checks size and encoding.
fn text(bytes: &[u8], limit: usize) -> Result<&str, Refusal> {
    // Places are noted in 32 bits.
    if bytes.len() > limit.min(u32::MAX as usize) {
        return Err(Refusal::Size(bytes.len()));
    }
    std::str::from_utf8(bytes).map_err(|_| Refusal::Encoding)
}

/// The nodes right inside the container at `node`.
fn inner(nodes: &[Node], node: u32) -> impl Iterator<Item = u32> {
    let end = nodes[node as usize].next;
    let first = Some(node + 1).filter(|first| *first < end);
    std::iter::successors(first, move |node| Some(nodes[*node as usize].next).filter(|next| *next < end))
}

/// Which of `wanted` the name written as `name` is. One spelt with escapes is not plain, and only looks like it.
pub(super) fn find(name: &str, wanted: &[&'static str], names: Names) -> Result<Option<usize>, Refusal> {
    if let Some(index) = wanted.iter().position(|wanted| *wanted == name) {
        return Ok(Some(index));
    }
    let escaped = name.contains('\\');
    if names == Names::Exact && !escaped {
        return Ok(None);
    }
    let name = if escaped {
        Cow::Owned(serde_json::from_str(&format!("\"{name}\"")).map_err(|_| Refusal::Syntax)?)
    } else {
        Cow::Borrowed(name)
    };
    let alike = |wanted: &&&str| match names {
        Names::Folded => folds(&name, wanted),
        Names::Exact => name == **wanted,
    };
    wanted.iter().find(alike).map_or(Ok(None), |wanted| Err(Refusal::LookAlike(wanted)))
}

/// Are the two equal under Unicode simple folding? Of all characters only U+017F and U+212A fold to ASCII from
/// outside of it, and every wanted name is ASCII.
fn folds(name: &str, wanted: &str) -> bool {
    if name.len() == wanted.len() {
        // Those two are two and three bytes long.
        return name.eq_ignore_ascii_case(wanted);
    }
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.len() > wanted.len() && name.chars().map(fold).eq(wanted.chars().map(|c| c.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
