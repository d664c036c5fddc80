//! `WAVE_ENTRY_CHAIN`: the entry point the image had before the layer was added.

use std::ffi::{OsStr, OsString};
use std::fmt;

use super::json;

/// The words of the image's own entry point; empty if it had none.
///
/// Its `Debug` tells the program and the number of words: arguments can be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Chain(Vec<OsString>);

impl Chain {
    /// Reads the variable's value: a JSON array of strings if it begins with `[` and parses as one, else one word.
    /// A missing or an empty value is the empty chain. An array whose strings hold a NUL is no array of words.
    pub(crate) fn parse(value: Option<&OsStr>) -> Self {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Self::default() };
        let words = value.to_str().filter(|text| text.starts_with('[')).and_then(json::strings);
        match words {
            Some(words) if words.iter().all(|word| !word.contains('\0')) => {
                Self(words.into_iter().map(OsString::from).collect())
            }
            _ => Self(vec![value.to_owned()]),
        }
    }

    /// The words, in order.
    pub(crate) fn into_words(self) -> Vec<OsString> {
        self.0
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => write!(f, "empty"),
            [program, rest @ ..] => write!(f, "{program:?} + {} words", rest.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[track_caller]
    fn check(value: &str, words: &[&str]) {
        assert_eq!(Chain::parse(Some(value.as_ref())).into_words(), words, "{value}");
    }

    #[test]
    fn no_value_is_no_chain() {
        assert_eq!(Chain::parse(None), Chain::default());
        check("", &[]);
        check("[]", &[]);
        check("[ ] \n", &[]);
    }

    #[test]
    fn plain_text_is_one_word() {
        check("/bin/app", &["/bin/app"]);
        check("/bin/sh -c x", &["/bin/sh -c x"]);
        check(r#" ["a"]"#, &[r#" ["a"]"#]);
        check(r#""a""#, &[r#""a""#]);
    }

    #[test]
    fn an_array_of_strings_is_its_words() {
        check(r#"["/bin/sh","-c","\"echo Hola\""]"#, &["/bin/sh", "-c", "\"echo Hola\""]);
        check(r#"["foo","'bar foo'",""]"#, &["foo", "'bar foo'", ""]);
        check(r#"["["]"#, &["["]);
    }

    #[test]
    fn what_begins_like_an_array_but_is_none_is_one_word() {
        for value in ["[", "[a]", r#"["a""#, r#"["a"] x"#, r#"["a",]"#, "[1]", r#"["a",null]"#, r#"[["a"]]"#]
        {
            check(value, &[value]);
        }
        check(r#"["a\u0000b"]"#, &[r#"["a\u0000b"]"#]);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_one_word() {
        let value = OsStr::from_bytes(b"[\"\xff\"]");
        assert_eq!(Chain::parse(Some(value)).into_words(), [value]);
    }

    #[test]
    fn debug_keeps_arguments_to_itself() {
        let chain = Chain::parse(Some(r#"["app","--password","hunter2"]"#.as_ref()));
        assert_eq!(format!("{chain:?}"), r#""app" + 2 words"#);
    }
}
