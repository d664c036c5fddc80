//! Finding: the wanted members of JSON objects, as spans of the document they are in.
//!
//! [`Doc::new`] checks the whole document in one pass and notes where its values lie; after that an object is read by
//! stepping from member to member. No value is looked into that nobody asks for, and none is decoded.

use super::refusal::Refusal;
use super::scan::{Node, Nodes, scan};
pub use super::wanted::Wanted;
use super::{steps, visit};
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
    Scan(Nodes),
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
    pub(super) places: [Place; N],
    pub(super) whole: Value<'a>,
}

/// Where a member lies, in bytes of the document; no value is empty, so an empty one is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub name: (u32, u32),
    pub value: (u32, u32),
    /// Its place among the nodes of the pass.
    pub node: u32,
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The value.
    pub value: Value<'a>,
    /// The name, without its quotes.
    pub(super) name: &'a str,
}

/// The items of an array, in order.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    doc: &'a Doc<'a>,
    /// Those that the pass saw: from one node to the end of the array.
    nodes: Range<u32>,
    /// Those that the visitor found.
    visited: std::vec::IntoIter<Value<'a>>,
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
            Finder::Scan(nodes) => self.value(nodes[0].value, 0),
            Finder::Visit => self.slice(self.text.trim_matches(SPACE)),
        }
    }

    /// A value that is known by its text alone.
    pub(super) fn slice(&'a self, text: &'a str) -> Value<'a> {
        Value { doc: self, text, node: 0 }
    }

    fn value(&'a self, span: (u32, u32), node: u32) -> Value<'a> {
        Value { doc: self, text: self.part(span), node }
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

    /// The members of an object called `wanted`. Refuses a wanted name that occurs twice, one that is escaped, and, of
    /// a structure, names that fold to it the way Go's `encoding/json` folds them.
    #[inline(always)]
    pub fn object<const N: usize>(self, wanted: &Wanted<N>) -> Result<Fields<'a, N>, Refusal> {
        // Filled where it is used: to copy it takes as long as to find the members.
        let mut fields = Fields { places: [Place::default(); N], whole: self };
        fields.fill(wanted)?;
        Ok(fields)
    }

    /// How many items the array called `name` has.
    pub fn count(self, name: &'static str) -> Result<usize, Refusal> {
        let Items { doc, nodes: Range { start: mut at, end }, visited } = self.items(name)?;
        let mut count = visited.len();
        if let Finder::Scan(nodes) = &doc.finder {
            while at < end {
                (at, count) = (nodes[at as usize].next, count + 1);
            }
        }
        Ok(count)
    }

    /// The items of the array called `name`.
    pub fn items(self, name: &'static str) -> Result<Items<'a>, Refusal> {
        let (nodes, visited) = match &self.doc.finder {
            Finder::Visit => (0..0, self.visited(name)?),
            Finder::Scan(_) if !self.text.starts_with('[') => return Err(Refusal::Form(name)),
            Finder::Scan(nodes) => (self.node + 1..nodes[self.node as usize].next, Vec::new()),
        };
        Ok(Items { doc: self.doc, nodes, visited: visited.into_iter() })
    }

    #[cold]
    fn visited(self, name: &'static str) -> Result<Vec<Value<'a>>, Refusal> {
        visit::array(self, name)
    }

    /// The string it stands for; it is called `name`.
    #[inline]
    pub fn string(self, name: &'static str) -> Result<Cow<'a, str>, Refusal> {
        let is_plain = match &self.doc.finder {
            Finder::Scan(nodes) => !nodes[self.node as usize].escaped,
            Finder::Visit => !self.text.contains('\\'),
        };
        match self.text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(text) if is_plain => Ok(Cow::Borrowed(text)),
            _ => self.decoded(name),
        }
    }

    /// The same, of what is spelt with escapes, or is no string.
    #[cold]
    fn decoded(self, name: &'static str) -> Result<Cow<'a, str>, Refusal> {
        serde_json::from_str(self.text).map(Cow::Owned).map_err(|_| Refusal::Form(name))
    }
}

impl<'a, const N: usize> Fields<'a, N> {
    fn fill(&mut self, wanted: &Wanted<N>) -> Result<(), Refusal> {
        let Value { doc, text, node } = self.whole;
        let Finder::Scan(nodes) = &doc.finder else { return self.visit(wanted) };
        if !text.starts_with('{') {
            return Err(Refusal::Object);
        }
        let end = nodes[node as usize].next;
        let nodes = &nodes[..end as usize];
        let mut at = node + 1;
        while let Some(Node { name, odd, value, next, .. }) = nodes.get(at as usize) {
            steps::count(1);
            let index = match odd {
                true => wanted.find(doc.part(*name))?,
                false => wanted.find_plain(doc.text, *name)?,
            };
            if let Some(index) = index {
                self.set(index, Place { name: *name, value: *value, node: at }, wanted)?;
            }
            at = *next;
        }
        Ok(())
    }

    #[cold]
    fn visit(&mut self, wanted: &Wanted<N>) -> Result<(), Refusal> {
        visit::object(self, wanted)
    }

    /// The value of a wanted name; `null` counts as missing, as it does to clients.
    pub fn value(&self, index: usize) -> Option<Value<'a>> {
        let Place { value, node, .. } = self.places[index];
        (value.1 > 0).then(|| self.whole.doc.value(value, node)).filter(|value| !value.is_null())
    }

    /// The wanted members that are there, by their place among the wanted names.
    pub fn members(&self) -> impl Iterator<Item = (usize, Member<'a>)> {
        (0..N).filter_map(|index| Some((index, self.member(index)?)))
    }

    /// The member of a wanted name, `null` or not.
    pub fn member(&self, index: usize) -> Option<Member<'a>> {
        let Place { name, value, node } = self.places[index];
        let doc = self.whole.doc;
        (value.1 > 0).then(|| Member { value: doc.value(value, node), name: doc.part(name) })
    }

    /// Notes a member, unless there is one of that name.
    #[inline(always)]
    pub(super) fn set(&mut self, index: usize, place: Place, wanted: &Wanted<N>) -> Result<(), Refusal> {
        let before = std::mem::replace(&mut self.places[index], place);
        if before.value.1 > 0 { Err(Refusal::Twice(wanted.names[index])) } else { Ok(()) }
    }
}

impl<'a> Items<'a> {
    /// Those of an empty array.
    pub(super) fn none(doc: &'a Doc<'a>) -> Items<'a> {
        Items { doc, nodes: 0..0, visited: Vec::new().into_iter() }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        let Finder::Scan(nodes) = &self.doc.finder else { return self.visited.next() };
        if self.nodes.is_empty() {
            return None;
        }
        steps::count(1);
        let item = self.nodes.start;
        self.nodes.start = nodes[item as usize].next;
        Some(self.doc.value(nodes[item as usize].value, item))
    }
}

/// White space of JSON (RFC 8259, 2).
pub(super) const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The same, of a byte.
pub(super) fn is_space(byte: u8) -> bool {
    SPACE.contains(&char::from(byte))
}

/// Checks size and encoding.
fn text(bytes: &[u8], limit: usize) -> Result<&str, Refusal> {
    // Places are noted in 32 bits.
    if bytes.len() > limit.min(u32::MAX as usize) {
        return Err(Refusal::Size(bytes.len()));
    }
    simdutf8::basic::from_utf8(bytes).map_err(|_| Refusal::Encoding)
}

#[cfg(test)]
mod tests;
