//! The validating pass: one walk over a document checks the whole grammar (RFC 8259) and notes where each value lies.
//!
//! Iterative and bounded in depth; nothing is decoded, nothing is copied. What passes here parses everywhere: lone
//! surrogates, control characters in strings, leading zeros and anything behind the value are refused. The functions
//! below take a place and return the place behind what they pass, or nothing where the grammar is broken; the place
//! travels in a register.

mod strings;
mod window;

use super::DEPTH_LIMIT;
use super::refusal::Refusal;
use super::steps;
use std::cell::Cell;
use std::ops::Deref;
use strings::Strings;
use window::{WINDOW, space};

/// Where one value lies; offsets are bytes of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The name in front of a member's value, without its quotes; empty for other values.
    pub name: (u32, u32),
    /// Is the name spelt with an escape, or with a character outside of ASCII?
    pub odd: bool,
    /// The value as written.
    pub value: (u32, u32),
    /// Is it a string with an escape? A character outside of ASCII counts as one.
    pub escaped: bool,
    /// The node behind this value and all values in it.
    pub next: u32,
}

/// The nodes of one document. The last ones that a thread is done with are kept for its next document: to give such a
/// table back and ask for it again costs more than to fill it, as the system clears the memory.
#[derive(Clone, Debug)]
pub(super) struct Nodes(Vec<Node>);

/// Most nodes that a thread keeps: 400 KiB.
const KEPT: usize = 1 << 14;

thread_local! {
    static SPARE: Cell<Vec<Node>> = const { Cell::new(Vec::new()) };
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if self.0.capacity() <= KEPT {
            // Another thread-local value that holds a document may be dropped after the table.
            let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.0)));
        }
    }
}

impl Deref for Nodes {
    type Target = [Node];

    fn deref(&self) -> &[Node] {
        &self.0
    }
}

/// A member's name, or none.
#[derive(Clone, Copy)]
struct Name {
    span: (u32, u32),
    odd: bool,
}

const NO_NAME: Name = Name { span: (0, 0), odd: false };

/// Notes every value of `text` in the order of the document, the whole first; the nodes of an object's members or of
/// an array's items follow their container. `text` is shorter than 4 GiB.
pub(super) fn scan(text: &str) -> Result<Nodes, Refusal> {
    let mut nodes = Nodes(SPARE.take());
    nodes.0.clear();
    // A guess: descriptors and history entries have a value for every thirty to sixty bytes.
    nodes.0.reserve(text.len() / 32 + 8);
    if text.len() < WINDOW {
        // White space behind a document makes no difference.
        let mut bytes = [b' '; WINDOW];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        note(&bytes, &mut nodes.0)?;
    } else {
        note(text.as_bytes(), &mut nodes.0)?;
    }
    Ok(nodes)
}

/// Notes every value of a document that is no shorter than a window.
fn note(bytes: &[u8], nodes: &mut Vec<Node>) -> Result<(), Refusal> {
    // The nodes of the containers that the pass is in, outermost first, and which of them are objects: a bit each, the
    // innermost lowest.
    let mut open = [0; DEPTH_LIMIT];
    let (mut depth, mut objects) = (0, 0_u64);
    let mut strings = Strings::new(bytes);
    let mut at = 0;
    loop {
        // Members begin with their names; outside of all containers is no object.
        let name;
        (name, at) =
            if objects & 1 == 1 { self::name(bytes, at, &mut strings).ok_or(SYNTAX)? } else { (NO_NAME, at) };
        let (first, start) = next(bytes, at).ok_or(SYNTAX)?;
        let place = nodes.len() as u32;
        let node = |end, escaped| Node {
            name: name.span,
            odd: name.odd,
            value: (start as u32, end as u32),
            escaped,
            next: place + 1,
        };
        if first == b'"' {
            let (end, escaped) = strings.end(start + 1).ok_or(SYNTAX)?;
            nodes.push(node(end, escaped));
            at = end;
        } else if first == b'{' || first == b'[' {
            // Both ends are noted when they are seen.
            nodes.push(node(0, false));
            *open.get_mut(depth).ok_or(Refusal::Depth)? = place;
            depth += 1;
            objects = objects << 1 | u64::from(first == b'{');
            let second;
            (second, at) = next(bytes, start + 1).ok_or(SYNTAX)?;
            // The closing bracket is two behind the opening one in ASCII.
            if second != first + 2 {
                continue;
            }
        } else {
            at = scalar(bytes, start, first).ok_or(SYNTAX)?;
            nodes.push(node(at, false));
        }
        // Behind a value, or at the end of an empty container: ends of containers and a comma, or the end of all.
        while depth > 0 {
            let (byte, place) = next(bytes, at).ok_or(SYNTAX)?;
            at = place + 1;
            if byte == b',' {
                break;
            }
            if byte != (if objects & 1 == 1 { b'}' } else { b']' }) {
                return Err(SYNTAX);
            }
            depth -= 1;
            objects >>= 1;
            let behind = nodes.len() as u32;
            let node = &mut nodes[open[depth] as usize];
            (node.value.1, node.next) = (at as u32, behind);
        }
        if depth == 0 {
            return if space(bytes, at) == bytes.len() { Ok(()) } else { Err(SYNTAX) };
        }
    }
}

const SYNTAX: Refusal = Refusal::Syntax;

/// A member's name and colon.
#[inline(always)]
fn name(bytes: &[u8], at: usize, strings: &mut Strings<'_>) -> Option<(Name, usize)> {
    let (quote, at) = next(bytes, at)?;
    if quote != b'"' {
        return None;
    }
    let (end, odd) = strings.end(at + 1)?;
    let (colon, place) = next(bytes, end)?;
    let name = Name { span: (at as u32 + 1, end as u32 - 1), odd };
    if colon == b':' { Some((name, place + 1)) } else { None }
}

/// A number, or one of the three words, whose first byte is `first`.
#[inline(always)]
fn scalar(bytes: &[u8], at: usize, first: u8) -> Option<usize> {
    match first {
        b'-' => number(bytes, at + 1),
        b't' => word(bytes, at, b"true"),
        b'f' => word(bytes, at, b"false"),
        b'n' => word(bytes, at, b"null"),
        _ => number(bytes, at),
    }
}

/// A number behind its sign.
#[inline(always)]
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = match *bytes.get(at)? {
        b'0' => at + 1,
        b'1'..=b'9' => digits(bytes, at),
        _ => return None,
    };
    if bytes.get(at) == Some(&b'.') {
        at = some_digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = some_digits(bytes, at)?;
    }
    Some(at)
}

#[cold]
fn some_digits(bytes: &[u8], at: usize) -> Option<usize> {
    Some(digits(bytes, at)).filter(|end| *end > at)
}

#[inline(always)]
fn digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        steps::count(1);
        // Zero to nine, if it is a digit; with this added, what is more has its high bit set.
        let values = u64::from_le_bytes(*word) ^ (ONES * b'0' as u64);
        let others = (((values & !HIGH) + ONES * (0x7f - 9)) | values) & HIGH;
        let count = others.trailing_zeros() as usize / 8;
        at += count;
        if count < 8 {
            return at;
        }
    }
    while let Some(b'0'..=b'9') = bytes.get(at) {
        steps::count(1);
        at += 1;
    }
    at
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    if bytes[at..].starts_with(word) { Some(at + word.len()) } else { None }
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The first byte that is no white space, and its place.
#[inline(always)]
fn next(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    steps::count(1);
    match bytes.get(at) {
        Some(byte @ b'!'..) => Some((*byte, at)),
        // One blank is what most tools put behind a colon.
        Some(b' ') if let Some(byte @ b'!'..) = bytes.get(at + 1) => Some((*byte, at + 1)),
        _ => {
            let at = space(bytes, at);
            Some((*bytes.get(at)?, at))
        }
    }
}

#[cfg(test)]
mod tests;
