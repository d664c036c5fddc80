//! Edits: what becomes of a value, a member, the end of a container.

use super::fields::{Doc, Member, Value, is_space};
use super::text;
use std::cell::Cell;
use std::ops::Range;

/// The edits of one document, in any order; none may overlap another. [`Edits::splice`] carries them out.
///
/// The texts lie one behind another in one buffer. The result is at least as long as they are together, so nothing more
/// is written once they exceed its limit: the work is bounded even where a small document refers to large contents many
/// times.
#[derive(Clone, Debug)]
pub struct Edits<'a> {
    pub(super) doc: &'a Doc<'a>,
    /// Most bytes of the result.
    pub(super) limit: usize,
    pub(super) edits: Vec<Edit>,
    pub(super) texts: Vec<u8>,
}

/// Most edits and bytes of texts whose memory a thread keeps for its next document.
const KEPT: (usize, usize) = (1 << 8, 1 << 12);

thread_local! {
    static SPARE: Cell<(Vec<Edit>, Vec<u8>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

impl Drop for Edits<'_> {
    fn drop(&mut self) {
        let (mut edits, mut texts) = (std::mem::take(&mut self.edits), std::mem::take(&mut self.texts));
        if edits.capacity() <= KEPT.0 && texts.capacity() <= KEPT.1 {
            edits.clear();
            texts.clear();
            // Another thread-local value that holds edits may be dropped after the spare ones.
            let _ = SPARE.try_with(|spare| spare.set((edits, texts)));
        }
    }
}

/// The bytes of `span`, of the document, become those of `text`, of the texts.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// Empty to insert.
    pub span: Range<usize>,
    /// Empty to remove.
    pub text: Range<usize>,
}

/// The end of an object or array, where items are written with the commas between them.
#[derive(Debug)]
pub struct Tail<'t> {
    texts: &'t mut Vec<u8>,
    /// Is there nothing in front of the next item?
    is_empty: bool,
}

impl<'a> Edits<'a> {
    /// None yet. The result has at most `limit` bytes.
    pub fn new(doc: &'a Doc<'a>, limit: usize) -> Edits<'a> {
        let (mut edits, mut texts) = SPARE.take();
        edits.reserve(8);
        texts.reserve(512);
        Edits { doc, limit, edits, texts }
    }

    /// No edit yet?
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Replaces a value by what `write` writes.
    pub fn replace(&mut self, value: Value<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        let span = value.span();
        self.edit(span, write);
    }

    /// Puts items at the end of an object or array; no edit where `write` writes none.
    pub fn append(&mut self, whole: Value<'_>, write: impl FnOnce(&mut Tail<'_>)) {
        let own = whole.text().as_bytes();
        let content = trim_end(&own[..own.len() - 1]);
        let at = whole.span().start + content.len();
        self.edit(at..at, |texts| write(&mut Tail { texts, is_empty: content.len() == 1 }));
        self.edits.pop_if(|edit| edit.text.is_empty());
    }

    /// Puts items at the end of an array, or of a `null` that stands for an empty one.
    pub fn extend(&mut self, whole: Value<'_>, write: impl FnOnce(&mut Tail<'_>)) {
        if !whole.is_null() {
            return self.append(whole, write);
        }
        self.replace(whole, |texts| text::array(texts, write));
        let empty = b"[]".len();
        if self.edits.pop_if(|edit| edit.text.len() == empty).is_some() {
            self.texts.truncate(self.texts.len() - empty);
        }
    }

    /// Removes a member with one of the commas around it: the one in front, unless it is the first.
    pub fn remove(&mut self, member: Member<'_>) {
        let text = self.doc.text().as_bytes();
        let (name, value) = (self.doc.span(member.name).start - 1, member.value.span().end);
        let (front, behind) = (trim_end(&text[..name]), trim_start(&text[value..]));
        let span = match (front, behind) {
            ([front @ .., b','], _) => trim_end(front).len()..value,
            (_, [b',', behind @ ..]) => name..text.len() - trim_start(behind).len(),
            _ => name..value,
        };
        self.cut(span);
    }

    /// Removes bytes.
    pub(super) fn cut(&mut self, span: Range<usize>) {
        self.edit(span, |_| {});
    }

    fn edit(&mut self, span: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.texts.len();
        if start <= self.limit {
            write(&mut self.texts);
        }
        self.edits.push(Edit { span, text: start..self.texts.len() });
    }
}

impl Tail<'_> {
    /// Before the first item of a new object or array.
    pub(super) fn new(texts: &mut Vec<u8>) -> Tail<'_> {
        Tail { texts, is_empty: true }
    }

    /// Where the next item is to be written.
    #[inline]
    pub fn item(&mut self) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.texts.push(b',');
        }
        self.texts
    }

    /// Where the value of the next member is to be written. Its name needs no escapes.
    #[inline]
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        let texts = self.item();
        texts.reserve(name.len() + 3);
        texts.push(b'"');
        texts.extend_from_slice(name.as_bytes());
        texts.extend_from_slice(b"\":");
        texts
    }
}

impl Value<'_> {
    /// Where it lies in its document.
    pub(super) fn span(self) -> Range<usize> {
        self.doc().span(self.text())
    }
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    &text[..end]
}

fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    &text[start..]
}
