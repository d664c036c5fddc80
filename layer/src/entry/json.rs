//! A reader of one shape of JSON (RFC 8259): an array of strings, and nothing else.

use std::iter::Peekable;
use std::str::Chars;

/// The strings of a JSON array of strings; `None` if the text is anything else, trailing text included.
pub(crate) fn strings(text: &str) -> Option<Vec<String>> {
    let mut reader = Reader { chars: text.chars().peekable() };
    let strings = reader.array()?;
    reader.space();
    reader.chars.next().is_none().then_some(strings)
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn array(&mut self) -> Option<Vec<String>> {
        let mut strings = Vec::new();
        self.space();
        self.expect('[')?;
        self.space();
        if self.chars.next_if_eq(&']').is_some() {
            return Some(strings);
        }
        loop {
            self.space();
            strings.push(self.string()?);
            self.space();
            match self.chars.next()? {
                ',' => {}
                ']' => return Some(strings),
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let mut string = String::new();
        self.expect('"')?;
        loop {
            match self.chars.next()? {
                '"' => return Some(string),
                '\\' => string.push(self.escape()?),
                '\0'..='\x1f' => return None,
                other => string.push(other),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.chars.next()? {
            literal @ ('"' | '\\' | '/') => literal,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode()?,
            _ => return None,
        })
    }

    /// Four hex digits, or two such groups that are a surrogate pair. A lone surrogate is no character.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex4()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        self.expect('\\')?;
        self.expect('u')?;
        let second = self.hex4()?;
        if !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn hex4(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |value, _| Some(value * 16 + self.chars.next()?.to_digit(16)?))
    }

    fn expect(&mut self, wanted: char) -> Option<char> {
        self.chars.next_if_eq(&wanted)
    }

    fn space(&mut self) {
        while self.chars.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oracle(text: &str) -> Option<Vec<String>> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn agrees_with_serde_json() {
        for text in [
            "",
            "[]",
            " [ ] ",
            "[]]",
            "[,]",
            r#"["a"]"#,
            r#" [ "a" , "b" ] "#,
            r#"["a",]"#,
            r#"["a" "b"]"#,
            r#"["a"#,
            r#"["a\"#,
            r#"["a\"]"#,
            r#"["\"\\\/\b\f\n\r\t"]"#,
            r#"["\x"]"#,
            r#"["\u0041\u00e9\u20AC"]"#,
            r#"["\ud83d\udc33"]"#,
            r#"["\ud83d"]"#,
            r#"["\ud83dx"]"#,
            r#"["\ud83d\u0041"]"#,
            r#"["\udc33"]"#,
            r#"["\u00"]"#,
            r#"["\u+041"]"#,
            r#"["\u0000"]"#,
            "[\"\t\"]",
            "[\"\u{7f}\"]",
            "[\"\u{1f433}\"]",
            "[\u{a0}\"a\"]",
            r#"{"a":"b"}"#,
            r#"[{"a":"b"}]"#,
            "[true]",
            "[1.5]",
            "null",
        ] {
            assert_eq!(strings(text), oracle(text), "{text:?}");
        }
    }

    /// All texts of up to seven characters of the grammar's alphabet, so that no corner of it is left out.
    #[test]
    fn agrees_with_serde_json_on_all_short_texts() {
        let alphabet = ['[', ']', '"', ',', '\\', 'n', ' '];
        let mut accepted = 0;
        for length in 0..=7 {
            for number in 0..alphabet.len().pow(length) {
                let text: String = (0..length)
                    .map(|at| alphabet[number / alphabet.len().pow(at) % alphabet.len()])
                    .collect();
                let mine = strings(&text);
                assert_eq!(mine, oracle(&text), "{text:?}");
                accepted += usize::from(mine.is_some());
            }
        }
        assert!(accepted > 100, "the alphabet makes valid arrays too: {accepted}");
    }
}
