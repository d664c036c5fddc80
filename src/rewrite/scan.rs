//! The validating pass: one walk over a document checks the whole grammar (RFC 8259) and notes where each value lies.
//!
//! Iterative and bounded in depth; nothing is decoded, nothing is copied. What passes here parses everywhere: lone
//! surrogates, control characters in strings, leading zeros and anything behind the value are refused.

use super::DEPTH_LIMIT;
use super::refusal::Refusal;

/// Where one value lies; offsets are bytes of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The name in front of a member's value, without its quotes; empty for other values.
    pub name: (u32, u32),
    /// Is the name spelt with an escape, or with a character outside of ASCII?
    pub odd: bool,
    /// The value as written.
    pub value: (u32, u32),
    /// The node behind this value and all values in it.
    pub next: u32,
}

/// Notes every value of `text` in the order of the document, the whole first; the nodes of an object's members or of
/// an array's items follow their container. `text` is shorter than 4 GiB.
pub(super) fn scan(text: &str) -> Result<Vec<Node>, Refusal> {
    // A guess: descriptors and history entries have a value for every thirty to sixty bytes.
    let nodes = Vec::with_capacity(text.len() / 32 + 8);
    let mut scan =
        Scan { bytes: text.as_bytes(), at: 0, nodes, open: [0; DEPTH_LIMIT], depth: 0, objects: 0 };
    scan.document()?;
    Ok(scan.nodes)
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The nodes of the containers that the place is in, outermost first.
    open: [u32; DEPTH_LIMIT],
    depth: usize,
    /// Which of them are objects: a bit each, the innermost lowest.
    objects: u64,
}

/// A member's name, or none.
#[derive(Clone, Copy)]
struct Name {
    span: (u32, u32),
    odd: bool,
}

const NO_NAME: Name = Name { span: (0, 0), odd: false };

impl Scan<'_> {
    fn document(&mut self) -> Result<(), Refusal> {
        let mut name = NO_NAME;
        loop {
            self.space();
            let start = self.at;
            match self.next() {
                Some(opening @ (b'{' | b'[')) => {
                    let place = self.note(name, start);
                    *self.open.get_mut(self.depth).ok_or(Refusal::Depth)? = place;
                    self.depth += 1;
                    self.objects = self.objects << 1 | u64::from(opening == b'{');
                    self.space();
                    // The closing bracket is two behind the opening one in ASCII.
                    if self.peek() == Some(opening + 2) {
                        self.close();
                    } else {
                        name = if opening == b'{' { self.name()? } else { NO_NAME };
                        continue;
                    }
                }
                Some(first) => {
                    self.scalar(first)?;
                    self.note(name, start);
                }
                None => return Err(Refusal::Syntax),
            }
            match self.behind()? {
                Some(next) => name = next,
                None => return Ok(()),
            }
        }
    }

    /// What follows a value: the name of the next member, none in front of an item, or the end of the document.
    fn behind(&mut self) -> Result<Option<Name>, Refusal> {
        loop {
            self.space();
            if self.depth == 0 {
                return if self.at == self.bytes.len() { Ok(None) } else { Err(Refusal::Syntax) };
            }
            match (self.peek(), self.objects & 1 == 1) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.space();
                    return self.name().map(Some);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    return Ok(Some(NO_NAME));
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                _ => return Err(Refusal::Syntax),
            }
        }
    }

    /// Notes a value that starts at `start` and ends here; the end of a container is set when it closes.
    fn note(&mut self, name: Name, start: usize) -> u32 {
        let place = self.nodes.len() as u32;
        let Name { span: name, odd } = name;
        self.nodes.push(Node { name, odd, value: (start as u32, self.at as u32), next: place + 1 });
        place
    }

    /// Passes the closing bracket of the innermost container.
    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
        self.objects >>= 1;
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[self.open[self.depth] as usize];
        (node.value.1, node.next) = (self.at as u32, next);
    }

    /// Passes a member's name and colon.
    fn name(&mut self) -> Result<Name, Refusal> {
        self.expect(b'"')?;
        let start = self.at;
        self.string()?;
        let end = self.at - 1;
        let odd = self.bytes[start..end].iter().any(|byte| *byte == b'\\' || !byte.is_ascii());
        self.space();
        self.expect(b':')?;
        Ok(Name { span: (start as u32, end as u32), odd })
    }

    /// Passes the rest of a value that is no container.
    fn scalar(&mut self, first: u8) -> Result<(), Refusal> {
        match first {
            b'"' => self.string(),
            b'-' => {
                let first = self.next().ok_or(Refusal::Syntax)?;
                self.number(first)
            }
            b't' => self.rest(b"rue"),
            b'f' => self.rest(b"alse"),
            b'n' => self.rest(b"ull"),
            first => self.number(first),
        }
    }

    /// Passes the rest of a number, of which `first` is the first digit.
    fn number(&mut self, first: u8) -> Result<(), Refusal> {
        match first {
            b'0' => {}
            b'1'..=b'9' => drop(self.digits()),
            _ => return Err(Refusal::Syntax),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), Refusal> {
        if self.digits() == 0 { Err(Refusal::Syntax) } else { Ok(()) }
    }

    /// Passes digits; how many.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    /// Passes the rest of a string, whose opening quote is behind us, and its closing quote.
    fn string(&mut self) -> Result<(), Refusal> {
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match self.next() {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                _ => return Err(Refusal::Syntax),
            }
        }
    }

    /// Passes what follows a backslash. A surrogate counts in a pair only (RFC 8259, 7 and 8.2).
    fn escape(&mut self) -> Result<(), Refusal> {
        match self.next() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.unit()? {
                0xd800..0xdc00 => {
                    self.rest(b"\\u")?;
                    if (0xdc00..0xe000).contains(&self.unit()?) { Ok(()) } else { Err(Refusal::Syntax) }
                }
                0xdc00..0xe000 => Err(Refusal::Syntax),
                _ => Ok(()),
            },
            _ => Err(Refusal::Syntax),
        }
    }

    /// Passes four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Refusal> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit << 4 | digit.ok_or(Refusal::Syntax)?;
        }
        Ok(unit)
    }

    fn rest(&mut self, word: &[u8]) -> Result<(), Refusal> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Refusal::Syntax);
        }
        self.at += word.len();
        Ok(())
    }

    fn expect(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.next() == Some(byte) { Ok(()) } else { Err(Refusal::Syntax) }
    }

    /// Passes white space (RFC 8259, 2).
    fn space(&mut self) {
        // Indented documents have long runs of blanks, others mostly none.
        if self.peek() == Some(b'\n') {
            self.at += 1;
            let blanks = self.bytes[self.at..].as_chunks::<4>().0.iter();
            self.at += 4 * blanks.take_while(|blanks| **blanks == [b' '; 4]).count();
        }
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes one byte, if there is one.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

/// How many bytes at the front a string may hold as they are: all but quotes, backslashes and control characters.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut passed = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The lowest byte marked is a zero byte of `word ^ n`, or one below 0x20; bytes above it may be marked in
        // error, by the borrow.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let marks =
            zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) | controls;
        if marks & HIGH != 0 {
            return passed + (marks & HIGH).trailing_zeros() as usize / 8;
        }
        passed += 8;
    }
    passed + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
