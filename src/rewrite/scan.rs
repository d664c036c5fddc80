//! The validating pass: one walk over a document checks the whole grammar (RFC 8259) and notes where each value lies.
//!
//! Iterative and bounded in depth; nothing is decoded, nothing is copied. What passes here parses everywhere: lone
//! surrogates, control characters in strings, leading zeros and anything behind the value are refused. The functions
//! below take a place and return the place behind what they pass, or nothing where the grammar is broken; the place
//! travels in a register.

use super::DEPTH_LIMIT;
use super::refusal::Refusal;

/// Where one value lies; offsets are bytes of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The name in front of a member's value, without its quotes; empty for other values.
    pub name: (u32, u32),
    /// May the name be spelt with an escape, or with a character outside of ASCII?
    pub odd: bool,
    /// The value as written.
    pub value: (u32, u32),
    /// The node behind this value and all values in it.
    pub next: u32,
}

/// A member's name, or none.
#[derive(Clone, Copy)]
struct Name {
    span: (u32, u32),
    odd: bool,
}

const NO_NAME: Name = Name { span: (0, 0), odd: false };

/// The containers that the pass is in.
struct Open {
    /// Their nodes, outermost first.
    nodes: [u32; DEPTH_LIMIT],
    depth: usize,
    /// Which of them are objects: a bit each, the innermost lowest.
    objects: u64,
}

/// Notes every value of `text` in the order of the document, the whole first; the nodes of an object's members or of
/// an array's items follow their container. `text` is shorter than 4 GiB.
pub(super) fn scan(text: &str) -> Result<Vec<Node>, Refusal> {
    // A guess: descriptors and history entries have a value for every thirty to sixty bytes.
    let mut nodes = Vec::with_capacity(text.len() / 32 + 8);
    let mut open = Open { nodes: [0; DEPTH_LIMIT], depth: 0, objects: 0 };
    match document(text.as_bytes(), &mut nodes, &mut open) {
        Some(()) => Ok(nodes),
        None if open.depth > DEPTH_LIMIT => Err(Refusal::Depth),
        None => Err(Refusal::Syntax),
    }
}

fn document(bytes: &[u8], nodes: &mut Vec<Node>, open: &mut Open) -> Option<()> {
    let mut name = NO_NAME;
    let mut at = 0;
    loop {
        at = space(bytes, at);
        let start = at;
        let first = *bytes.get(at)?;
        let place = nodes.len() as u32;
        if first == b'{' || first == b'[' {
            nodes.push(Node { name: name.span, odd: name.odd, value: (start as u32, 0), next: 0 });
            open.push(place, first == b'{')?;
            at = space(bytes, at + 1);
            // The closing bracket is two behind the opening one in ASCII.
            if *bytes.get(at)? == first + 2 {
                at += 1;
                open.close(at, nodes);
            } else {
                (name, at) = if first == b'{' { self::name(bytes, at)? } else { (NO_NAME, at) };
                continue;
            }
        } else {
            at = scalar(bytes, at, first)?;
            let value = (start as u32, at as u32);
            nodes.push(Node { name: name.span, odd: name.odd, value, next: place + 1 });
        }
        loop {
            at = space(bytes, at);
            if open.depth == 0 {
                return if at == bytes.len() { Some(()) } else { None };
            }
            let is_object = open.objects & 1 == 1;
            match *bytes.get(at)? {
                b',' => {
                    at += 1;
                    (name, at) = if is_object { self::name(bytes, space(bytes, at))? } else { (NO_NAME, at) };
                    break;
                }
                b'}' if is_object => at += 1,
                b']' if !is_object => at += 1,
                _ => return None,
            }
            open.close(at, nodes);
        }
    }
}

impl Open {
    fn push(&mut self, node: u32, is_object: bool) -> Option<()> {
        // Beyond the limit, which is how the caller tells this from broken grammar.
        self.depth += 1;
        *self.nodes.get_mut(self.depth - 1)? = node;
        self.objects = self.objects << 1 | u64::from(is_object);
        Some(())
    }

    /// The innermost container ends at `end`.
    fn close(&mut self, end: usize, nodes: &mut [Node]) {
        self.depth -= 1;
        self.objects >>= 1;
        let next = nodes.len() as u32;
        let node = &mut nodes[self.nodes[self.depth] as usize];
        (node.value.1, node.next) = (end as u32, next);
    }
}

/// A member's name and colon.
#[inline]
fn name(bytes: &[u8], at: usize) -> Option<(Name, usize)> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let (end, odd) = string(bytes, at + 1)?;
    let name = Name { span: (at as u32 + 1, end as u32 - 1), odd };
    let at = if *bytes.get(end)? == b':' { end } else { space(bytes, end) };
    if *bytes.get(at)? == b':' { Some((name, at + 1)) } else { None }
}

/// A value that is no container, whose first byte is `first`.
#[inline]
fn scalar(bytes: &[u8], at: usize, first: u8) -> Option<usize> {
    match first {
        b'"' => Some(string(bytes, at + 1)?.0),
        b'-' => number(bytes, at + 1),
        b't' => word(bytes, at, b"true"),
        b'f' => word(bytes, at, b"false"),
        b'n' => word(bytes, at, b"null"),
        _ => number(bytes, at),
    }
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
        at += 1;
    }
    at
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    if bytes[at..].starts_with(word) { Some(at + word.len()) } else { None }
}

/// The rest of a string behind its opening quote, with the closing one. Also: may it hold an escape, or a character
/// outside of ASCII?
#[inline]
fn string(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let mut seen = 0;
    // Eight bytes at a time up to the first that is a quote, a backslash or a control character.
    while let Some(word) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        // The lowest byte marked is a zero byte of `word ^ n`, or one below 0x20; bytes above it may be marked in
        // error, by the borrow.
        let quote = word ^ (ONES * b'"' as u64);
        let escape = word ^ (ONES * b'\\' as u64);
        let marks = (quote.wrapping_sub(ONES) & !quote)
            | (escape.wrapping_sub(ONES) & !escape)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        seen |= word;
        if marks & HIGH == 0 {
            at += 8;
            continue;
        }
        at += (marks & HIGH).trailing_zeros() as usize / 8;
        if bytes[at] == b'"' {
            return Some((at + 1, seen & HIGH != 0));
        }
        return unusual(bytes, at).map(|end| (end, true));
    }
    unusual(bytes, at).map(|end| (end, true))
}

/// The rest of a string byte by byte: with escapes, or at the end of the document.
#[cold]
fn unusual(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
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

/// White space (RFC 8259, 2).
#[inline]
fn space(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(..=b' ') => spaces(bytes, at),
        _ => at,
    }
}

fn spaces(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            // Indented documents have long runs of blanks.
            Some(b' ') if bytes.get(at..at + 8) == Some(&[b' '; 8]) => at += 8,
            Some(b' ' | b'\n' | b'\t' | b'\r') => at += 1,
            _ => return at,
        }
    }
}

#[cfg(test)]
mod tests;
