//! Replacing: ordered edits of a document, written once into one buffer.

use super::edit::Edit;
use super::fields::Doc;
use super::refusal::Refusal;
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

/// Carries out `edits`, given in any order; none may overlap another, and those at one place stay in the order
/// given. Every byte outside of them is copied as it is. Refuses a result of more than `limit` bytes.
pub fn splice(doc: &Doc<'_>, mut edits: Vec<Edit>, limit: usize) -> Result<Spliced, Refusal> {
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let input = doc.text().as_bytes();
    let removed: usize = edits.iter().map(|edit| edit.span.len()).sum();
    let size = input.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>() - removed;
    if size > limit {
        return Err(Refusal::Size(size));
    }
    let mut output = Vec::with_capacity(size);
    let mut done = 0;
    for Edit { span, text } in &edits {
        assert!(done <= span.start, "edits do not overlap");
        output.extend_from_slice(&input[done..span.start]);
        output.extend_from_slice(text.as_bytes());
        done = span.end;
    }
    output.extend_from_slice(&input[done..]);
    debug_assert_eq!(output.len(), size);
    Ok(Spliced::of(output.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    fn run(input: &str, edits: &[(Range<usize>, &str)]) -> Result<String, Refusal> {
        let edits =
            edits.iter().map(|(span, text)| Edit { span: span.clone(), text: (*text).into() }).collect();
        // Any document: what is spliced is text.
        let doc = Doc::visited(input.as_bytes(), 100).unwrap();
        splice(&doc, edits, 20).map(|done| {
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
    }

    #[test]
    #[should_panic(expected = "overlap")]
    fn overlaps_are_a_mistake_of_ours() {
        let _ = run("abcdef", &[(0..3, ""), (2..4, "")]);
    }
}
