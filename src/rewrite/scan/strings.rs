//! Strings, by the places of all bytes that are not plain in one: those are looked for in windows of the document,
//! independently of what is read between them, so that processors work ahead.

use super::window::{WINDOW, marks};
use super::word;
use crate::rewrite::steps;

/// The places of a document where a byte is a quote, a backslash, a control character or not ASCII, in order.
pub(super) struct Strings<'a> {
    bytes: &'a [u8],
    /// Where the window begins.
    window: usize,
    /// A bit for each place of the window that is yet to be seen, the first one lowest.
    marks: u64,
}

impl<'a> Strings<'a> {
    /// Of a document that is no shorter than a window.
    pub(super) fn new(bytes: &'a [u8]) -> Strings<'a> {
        Strings { bytes, window: 0, marks: marks(bytes, 0) }
    }

    /// The place behind the string whose opening quote is in front of `at`, which is behind all strings before. Also:
    /// does it hold an escape, or a character outside of ASCII?
    #[inline(always)]
    pub(super) fn end(&mut self, mut at: usize) -> Option<(usize, bool)> {
        let mut odd = false;
        loop {
            steps::count(1);
            while self.marks == 0 {
                self.window += WINDOW;
                if self.window >= self.bytes.len() {
                    return None;
                }
                self.marks = marks(self.bytes, self.window);
            }
            let place = self.window + self.marks.trailing_zeros() as usize;
            self.marks &= self.marks - 1;
            // White space in front of the string, its opening quote, what belongs to an escape.
            if place < at {
                continue;
            }
            match self.bytes[place] {
                b'"' => return Some((place + 1, odd)),
                b'\\' => (at, odd) = (escape(self.bytes, place + 1)?, true),
                // That it is UTF-8 has been seen.
                0x80.. => odd = true,
                _ => return None,
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The first string of a text, without its opening quote, with blanks behind it.
    fn end(text: &[u8]) -> Option<(usize, bool)> {
        Strings::new(&[text, &[b' '; WINDOW]].concat()).end(0)
    }

    #[test]
    fn strings_end_where_they_end() {
        for length in 0..150 {
            let content = format!("{}{}", "\u{e9}".repeat(length / 2), "x".repeat(length % 2));
            let ascii = "x".repeat(length);
            for tail in ["", ":", " , some more of the document"] {
                for (content, is_odd) in [(&content, length > 1), (&ascii, false)] {
                    let text = format!("{content}\"{tail}");
                    assert_eq!(end(text.as_bytes()), Some((length + 1, is_odd)), "{text:?}");
                    for bad in ["\u{1f}", "\0", "\n", "\\", "\\u12", "\\\"", "\\\n\""] {
                        let text = format!("{content}{bad}{}", tail.replace('"', ""));
                        assert_eq!(end(text.as_bytes()), None, "{text:?}");
                    }
                }
            }
            let escaped = format!("{content}\\\"{ascii}\\n\\\\\"{content}");
            assert_eq!(end(escaped.as_bytes()), Some((2 * length + 7, true)), "{escaped:?}");
        }
        assert_eq!(end(b" !#[]\x7f<>\"........"), Some((9, false)));
        assert_eq!(end(b" !#[]\x7f<>\x80\xff 123456\"........"), Some((18, true)));
        assert_eq!(end(b"no end"), None);
    }

    #[test]
    fn one_behind_another() {
        let text = format!("\"a\",\n\t \"\\\"\",  \"\"{}", " ".repeat(WINDOW));
        let mut strings = Strings::new(text.as_bytes());
        let ends = [1, 8, 15].map(|at| strings.end(at));
        assert_eq!(ends, [Some((3, false)), Some((11, true)), Some((16, false))]);
        assert_eq!(strings.end(16), None);
    }
}
