//! JSON as we write it: into a buffer, without a blank.

use super::edit::Tail;
use crate::oci::Digest;

/// A string.
pub(super) fn string(texts: &mut Vec<u8>, string: &str) {
    serde_json::to_writer(texts, string).expect("a buffer takes any string");
}

/// A string that needs no escapes, of several parts.
#[inline]
pub(super) fn plain(texts: &mut Vec<u8>, parts: &[&str]) {
    texts.push(b'"');
    parts.iter().for_each(|part| texts.extend_from_slice(part.as_bytes()));
    texts.push(b'"');
}

/// A digest.
#[inline]
pub(super) fn digest(texts: &mut Vec<u8>, digest: &Digest) {
    texts.push(b'"');
    digest.write(texts);
    texts.push(b'"');
}

/// A number.
pub(super) fn number(texts: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(texts, &number).expect("a buffer takes any number");
}

/// An array of strings.
pub(super) fn strings(texts: &mut Vec<u8>, strings: &[impl AsRef<str>]) {
    array(texts, |tail| strings.iter().for_each(|item| string(tail.item(), item.as_ref())));
}

/// An array of what `write` writes.
#[inline]
pub(super) fn array(texts: &mut Vec<u8>, write: impl FnOnce(&mut Tail<'_>)) {
    texts.push(b'[');
    write(&mut Tail::new(texts));
    texts.push(b']');
}

/// An object of what `write` writes.
#[inline]
pub(super) fn object(texts: &mut Vec<u8>, write: impl FnOnce(&mut Tail<'_>)) {
    texts.push(b'{');
    write(&mut Tail::new(texts));
    texts.push(b'}');
}
