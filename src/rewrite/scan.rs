//! The validating pass: one walk over a document checks the whole grammar (RFC 8259) and notes where each value lies.
//!
//! Iterative and bounded in depth; nothing is decoded, nothing is copied. What passes here parses everywhere: lone
//! surrogates, control characters in strings, leading zeros and anything behind the value are refused. The functions
//! below take a place and return the place behind what they pass, or nothing where the grammar is broken; the place
//! travels in a register.

use super::DEPTH_LIMIT;
use super::refusal::Refusal;
use super::steps;
use std::cell::Cell;
use std::ops::Deref;

/// Where one value lies; offsets are bytes of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The name in front of a member's value, without its quotes; empty for other values.
    pub name: (u32, u32),
    /// May the name be spelt with an escape, or with a character outside of ASCII?
    pub odd: bool,
    /// The value as written.
    pub value: (u32, u32),
    /// May it be a string with an escape? A character outside of ASCII counts as one.
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
    note(text.as_bytes(), &mut nodes.0)?;
    Ok(nodes)
}

fn note(bytes: &[u8], nodes: &mut Vec<Node>) -> Result<(), Refusal> {
    // The nodes of the containers that the pass is in, outermost first, and which of them are objects: a bit each, the
    // innermost lowest.
    let mut open = [0; DEPTH_LIMIT];
    let (mut depth, mut objects) = (0, 0_u64);
    let mut at = 0;
    loop {
        // Members begin with their names; outside of all containers is no object.
        let name;
        (name, at) = if objects & 1 == 1 { self::name(bytes, at).ok_or(SYNTAX)? } else { (NO_NAME, at) };
        let (first, start) = next(bytes, at).ok_or(SYNTAX)?;
        let place = nodes.len() as u32;
        let node = |end, escaped| Node {
            name: name.span,
            odd: name.odd,
            value: (start as u32, end as u32),
            escaped,
            next: place + 1,
        };
        if first == b'{' || first == b'[' {
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
            let escaped;
            (at, escaped) = scalar(bytes, start, first).ok_or(SYNTAX)?;
            nodes.push(node(at, escaped));
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
fn name(bytes: &[u8], at: usize) -> Option<(Name, usize)> {
    let (quote, at) = next(bytes, at)?;
    if quote != b'"' {
        return None;
    }
    let (end, odd) = string(bytes, at + 1)?;
    let (colon, place) = next(bytes, end)?;
    let name = Name { span: (at as u32 + 1, end as u32 - 1), odd };
    if colon == b':' { Some((name, place + 1)) } else { None }
}

/// A value that is no container, whose first byte is `first`. Also: may it be a string with an escape? Blocks are passed
/// over first: values are longer than names.
#[inline(always)]
fn scalar(bytes: &[u8], at: usize, first: u8) -> Option<(usize, bool)> {
    let end = match first {
        b'"' => return string(bytes, plain(bytes, at + 1)),
        b'-' => number(bytes, at + 1),
        b't' => word(bytes, at, b"true"),
        b'f' => word(bytes, at, b"false"),
        b'n' => word(bytes, at, b"null"),
        _ => number(bytes, at),
    };
    Some((end?, false))
}

/// A number behind its sign.
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

fn some_digits(bytes: &[u8], at: usize) -> Option<usize> {
    Some(digits(bytes, at)).filter(|end| *end > at)
}

fn digits(bytes: &[u8], mut at: usize) -> usize {
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

/// The rest of a string, with the closing quote. Also: may that part hold an escape, or a character outside of ASCII?
#[inline(always)]
fn string(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut seen = 0;
    // Eight bytes at a time up to the first that is a quote, a backslash or a control character.
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        steps::count(1);
        let word = u64::from_le_bytes(*word);
        seen |= word;
        let marks = marks(word);
        if marks == 0 {
            at += 8;
            continue;
        }
        let bits = marks.trailing_zeros() & !7;
        at += bits as usize / 8;
        match (word >> bits) as u8 {
            b'"' => return Some((at + 1, seen & HIGH != 0)),
            b'\\' => {
                at = plain(bytes, escape(bytes, at + 1)?);
                seen |= HIGH;
            }
            _ => return None,
        }
    }
    last(bytes, at).map(|end| (end, true))
}

/// The place behind all blocks of sixteen bytes that hold no quote, backslash or control character. Written so that
/// compilers make vector instructions of it.
#[inline(always)]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    let (blocks, _) = bytes.get(at..).unwrap_or_default().as_chunks::<16>();
    for block in blocks {
        steps::count(1);
        let mut is_marked = false;
        for byte in block {
            // Zero if one of the three is; a control character has none of the upper three bits.
            is_marked |= (byte ^ b'"').min(byte ^ b'\\').min(byte & 0xe0) == 0;
        }
        if is_marked {
            break;
        }
        at += 16;
    }
    at
}

/// The high bits of bytes that are a quote, a backslash or a control character: the lowest one is exact, those above it
/// may be marked in error, by the borrow.
#[inline(always)]
fn marks(word: u64) -> u64 {
    let (quote, escape) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    // A byte goes below zero if it is what is looked for; the high bit of one that is not ASCII is masked.
    let below = quote.wrapping_sub(ONES) | escape.wrapping_sub(ONES) | word.wrapping_sub(ONES * 0x20);
    below & !word & HIGH
}

/// The rest of a string byte by byte, in the last eight bytes of the document.
#[cold]
fn last(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        steps::count(1);
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = escape(bytes, at + 1)?,
            ..0x20 => return None,
            _ => at += 1,
        }
    }
}

/// What follows a backslash. A surrogate counts in a pair only (RFC 8259, 7 and 8.2).
fn escape(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => match unit(bytes, at + 1)? {
            0xd800..0xdc00 => {
                let at = word(bytes, at + 5, b"\\u")?;
                if (0xdc00..0xe000).contains(&unit(bytes, at)?) { Some(at + 4) } else { None }
            }
            0xdc00..0xe000 => None,
            _ => Some(at + 5),
        },
        _ => None,
    }
}

/// Four hexadecimal digits.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)?))
}

/// The first byte that is no white space, and its place.
#[inline(always)]
fn next(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    steps::count(1);
    let is_blank = match bytes.get(at) {
        Some(byte @ b'!'..) => return Some((*byte, at)),
        Some(byte) => *byte == b' ',
        None => return None,
    };
    // One blank is what most tools put behind a colon.
    match bytes.get(at + 1) {
        Some(byte @ b'!'..) if is_blank => Some((*byte, at + 1)),
        _ => {
            let at = space(bytes, at);
            Some((*bytes.get(at)?, at))
        }
    }
}

/// The place behind white space (RFC 8259, 2).
fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(at) {
        steps::count(1);
        at += 1;
        // Indented documents have long runs of blanks.
        while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            steps::count(1);
            let other = u64::from_le_bytes(*word) ^ (ONES * b' ' as u64);
            let blanks = other.trailing_zeros() as usize / 8;
            at += blanks;
            if blanks < 8 {
                break;
            }
        }
    }
    at
}

#[cfg(test)]
mod tests;
