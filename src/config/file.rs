//! The file as written: YAML flattened to dotted paths, each value as the text that stands there.
//!
//! A number is kept as it is spelled, so that a password `0123` or `1e5` stays one.

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// A larger file is a mistake.
const LARGEST: usize = 1 << 20;

/// One value of the file.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    /// Keys from the root, joined by dots, spelled as in the file.
    pub(super) path: String,
    /// Line of the value, from 1.
    pub(super) line: u64,
    /// The value.
    pub(super) value: Value,
}

/// A value as written.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing, `~`, or `{}`.
    Empty,
    /// A scalar's text.
    Text(String),
    /// A sequence of scalars.
    List(Vec<String>),
    /// A sequence that holds something else.
    Nested,
}

/// Reads a YAML document, or says why it is none. The message has a line, and no text of the file.
pub(super) fn items(text: &str) -> Result<Vec<Item>, String> {
    if text.len() > LARGEST {
        return Err(format!("is larger than {} bytes", LARGEST));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 24, max_nodes: 50_000 },
        // Kept comments are counted, and a file may be mostly comments.
        emit_comments: false,
        // A snippet would show values.
        with_snippet: false,
        // Its text is taken from the source.
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
    };
    let root: Option<Node> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| format!("is not YAML: {}", error.without_snippet()))?;
    let mut items = Vec::new();
    match root.map(|root| root.0.value) {
        None | Some(Shape::Null) => {}
        Some(Shape::Map(entries)) => {
            entries.into_iter().for_each(|(key, node)| flatten(key, node, text, &mut items));
        }
        Some(_) => return Err("is not a mapping of keys to values".into()),
    }
    Ok(items)
}

fn flatten(path: String, Node(node): Node, source: &str, items: &mut Vec<Item>) {
    let line = node.defined.line();
    let value = match node.value {
        Shape::Map(entries) if !entries.is_empty() => {
            for (key, child) in entries {
                flatten(format!("{path}.{key}"), child, source, items);
            }
            return;
        }
        Shape::Null | Shape::Map(_) => Value::Empty,
        Shape::Text(text) => Value::Text(text),
        Shape::Plain(read) => Value::Text(spelled(&node.defined, read, source)),
        Shape::List(nodes) => {
            let texts: Option<Vec<String>> = nodes.into_iter().map(|node| scalar(node, source)).collect();
            texts.map_or(Value::Nested, Value::List)
        }
    };
    items.push(Item { path, line, value });
}

fn scalar(Node(node): Node, source: &str) -> Option<String> {
    match node.value {
        Shape::Text(text) => Some(text),
        Shape::Plain(read) => Some(spelled(&node.defined, read, source)),
        Shape::Null | Shape::List(_) | Shape::Map(_) => None,
    }
}

/// The text of a number or truth value in the source.
fn spelled(place: &serde_saphyr::Location, read: String, source: &str) -> String {
    let span = place.span();
    let text = span.byte_offset().zip(span.byte_len()).and_then(|(start, len)| {
        let start = usize::try_from(start).ok()?;
        source.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    });
    text.map_or(read, |text| text.trim().to_string())
}

/// A value and where it is.
#[derive(Deserialize)]
#[serde(transparent)]
struct Node(Spanned<Shape>);

enum Shape {
    Null,
    /// A number or truth value: what it was read as, when its place in the source is unknown.
    Plain(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(AnyShape)
    }
}

struct AnyShape;

impl<'de> Visitor<'de> for AnyShape {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shape, E> {
        Ok(Shape::Plain(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Shape, E> {
        Ok(Shape::Text(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = access.next_element()? {
            nodes.push(node);
        }
        Ok(Shape::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = access.next_entry::<String, Node>()? {
            if key.is_empty() {
                return Err(A::Error::custom("a key is empty"));
            }
            entries.push((key, node));
        }
        Ok(Shape::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(text: &str) -> Vec<(String, u64, Value)> {
        items(text).unwrap().into_iter().map(|item| (item.path, item.line, item.value)).collect()
    }

    #[test]
    fn flattens_and_keeps_spellings() {
        let text = "# caf\u{e9}\nwave:\n  a.b: 0123\n  c: 1e5\n  d: yes\n  e: \"true\"\n  f: 1_000\n  g: 9.10\n  \
                    h: ~\n  i: {}\n  j: [a, 010, true]\n  k: [[x]]\n  l: .inf\nm: 1h\n";
        let plain = |path: &str, line, text: &str| (path.to_string(), line, Value::Text(text.into()));
        assert_eq!(
            flat(text),
            vec![
                plain("wave.a.b", 3, "0123"),
                plain("wave.c", 4, "1e5"),
                plain("wave.d", 5, "yes"),
                plain("wave.e", 6, "true"),
                plain("wave.f", 7, "1_000"),
                plain("wave.g", 8, "9.10"),
                ("wave.h".into(), 9, Value::Empty),
                ("wave.i".into(), 10, Value::Empty),
                ("wave.j".into(), 11, Value::List(vec!["a".into(), "010".into(), "true".into()])),
                ("wave.k".into(), 12, Value::Nested),
                plain("wave.l", 13, ".inf"),
                plain("m", 14, "1h"),
            ]
        );
        assert_eq!(flat(""), vec![]);
        assert_eq!(flat("# nothing\n"), vec![]);
        assert_eq!(flat(&format!("a:\n{}", "#=\n".repeat(5000))), vec![("a".into(), 1, Value::Empty)]);
        assert_eq!(flat("a: &x 007\nb: *x\n").last(), Some(&plain("b", 1, "007")));
    }

    #[test]
    fn says_what_is_wrong_without_the_text() {
        for bad in [
            "- a\n",
            "just text",
            "a: [",
            "a: 1\na: 2\n",
            "\"\": 1\n",
            "a: hunter2\n b: c\n",
            "a: !!int hunter2\n",
        ] {
            let error = items(bad).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(items(&"[".repeat(5000)).is_err());
        assert!(items(&format!("a: {}{}", "{b: ".repeat(5000), "}".repeat(5000))).is_err());
        assert!(items(&"a".repeat(LARGEST + 1)).is_err());
    }
}
