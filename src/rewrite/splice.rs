//! Replacing: ordered edits of a document, written once into one buffer.

use super::edit::{Edit, Edits};
use super::refusal::Refusal;
use super::steps;
use crate::oci::Digest;
use bytes::Bytes;

/// A new document with its identity: digest and size are those of `bytes`, computed once and only here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spliced {
    /// What is sent.
    pub bytes: Bytes,
    /// Its digest.
    pub digest: Digest,
}

impl Spliced {
    /// A document as it is.
    pub(super) fn of(bytes: Bytes) -> Spliced {
        Spliced { digest: Digest::sha256(&bytes), bytes }
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl Edits<'_> {
    /// Carries them out; those at one place stay in the order given. Every byte outside of their spans is copied as it
    /// is. Refuses a result of more bytes than the limit, before it is made.
    pub fn splice(mut self) -> Result<Spliced, Refusal> {
        self.edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let input = self.doc.text().as_bytes();
        let removed: usize = self.edits.iter().map(|edit| edit.span.len()).sum();
        let size = input.len() + self.texts.len() - removed;
        if size > self.limit {
            return Err(Refusal::Size(size));
        }
        let mut output = Vec::with_capacity(size);
        let mut done = 0;
        for Edit { span, text } in &self.edits {
            assert!(done <= span.start, "edits do not overlap");
            output.extend_from_slice(&input[done..span.start]);
            output.extend_from_slice(&self.texts[text.clone()]);
            done = span.end;
        }
        output.extend_from_slice(&input[done..]);
        debug_assert_eq!(output.len(), size);
        steps::count(size / 8);
        Ok(Spliced::of(output.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::fields::Doc;
    use std::ops::Range;

    fn run(input: &str, edits: &[(Range<usize>, &str)]) -> Result<String, Refusal> {
        // Any document: what is spliced is text.
        let doc = Doc::visited(input.as_bytes(), 100).unwrap();
        let mut all = Edits::new(&doc, 20);
        for (span, text) in edits {
            let value = doc.slice(&input[span.clone()]);
            all.replace(value, |texts| texts.extend_from_slice(text.as_bytes()));
        }
        all.splice().map(|done| {
            assert_eq!(done.digest, Digest::sha256(&done.bytes));
            String::from_utf8(done.bytes.to_vec()).unwrap()
        })
    }

    #[test]
    fn edits_in_any_order() {
        let check = |edits: &[_], want: &str| assert_eq!(run("abcdef", edits).unwrap(), want);
        check(&[], "abcdef");
        check(&[(0..0, "<"), (6..6, ">")], "<abcdef>");
        check(&[(4..5, "E"), (1..3, "")], "adEf");
        check(&[(2..2, "1"), (2..2, "2"), (0..2, "")], "12cdef");
        check(&[(0..6, "")], "");
    }

    #[test]
    fn the_result_has_a_limit_too() {
        assert_eq!(run("abcdef", &[(6..6, "123456789012345")]), Err(Refusal::Size(21)));
        assert!(run("abcdef", &[(0..1, "123456789012345")]).is_ok());
    }

    #[test]
    fn texts_beyond_the_limit_are_not_written() {
        let (ten, edits) = ("0123456789", 1000);
        let (refusal, steps) = steps::of(|| run(ten, &vec![(10..10, ten); edits]));
        // The first three: two are no more than the limit.
        assert_eq!(refusal, Err(Refusal::Size(40)));
        assert!(steps < edits, "{steps}");
    }

    #[test]
    #[should_panic(expected = "overlap")]
    fn overlaps_are_a_mistake_of_ours() {
        let _ = run("abcdef", &[(0..3, ""), (2..4, "")]);
    }
}
