//! A document as a tree: names in order, scalars as written.

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// A JSON value. Strings, names and numbers keep the spelling of the document, so that equality is to the byte but
/// for white space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// A string, number, or literal.
    Scalar(String),
    /// An array.
    List(Vec<Tree>),
    /// An object.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Parses JSON.
    pub(super) fn parse(text: &str) -> Option<Tree> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        Some(match text.as_bytes().first()? {
            b'{' => {
                let pairs = serde_json::Deserializer::from_str(text).deserialize_map(Pairs).ok()?;
                let parse = |(name, value): (&str, &str)| Some((name.to_string(), Tree::parse(value)?));
                Tree::Object(pairs.into_iter().map(parse).collect::<Option<_>>()?)
            }
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Tree::List(items.into_iter().map(|item| Tree::parse(item.get())).collect::<Option<_>>()?)
            }
            _ => Tree::Scalar(serde_json::from_str::<&RawValue>(text).ok()?.get().to_string()),
        })
    }

    /// A string.
    pub(super) fn string(text: &str) -> Tree {
        Tree::Scalar(serde_json::Value::from(text).to_string())
    }

    /// A list of strings.
    pub(super) fn strings(texts: &[String]) -> Tree {
        Tree::List(texts.iter().map(|text| Tree::string(text)).collect())
    }

    /// The value of a string.
    pub(super) fn as_string(&self) -> Option<String> {
        match self {
            Tree::Scalar(text) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }

    /// The member called `name`, unless it is `null`.
    pub(super) fn member(&self, name: &str) -> Option<&Tree> {
        let Tree::Object(members) = self else { return None };
        members.iter().find(|(own, _)| is(own, name)).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// The member called `name`, `null` or not.
    pub(super) fn member_mut(&mut self, name: &str) -> Option<&mut Tree> {
        let Tree::Object(members) = self else { return None };
        members.iter_mut().find(|(own, _)| is(own, name)).map(|(_, value)| value)
    }

    /// Sets a member in place, or at the end.
    pub(super) fn set(&mut self, name: &str, value: Tree) {
        if let Some(own) = self.member_mut(name) {
            *own = value;
        } else if let Tree::Object(members) = self {
            members.push((format!("\"{name}\""), value));
        } else {
            panic!("only objects have members");
        }
    }

    /// Removes a member.
    pub(super) fn remove(&mut self, name: &str) {
        if let Tree::Object(members) = self {
            members.retain(|(own, _)| !is(own, name));
        }
    }

    /// The items of a list; `null` becomes one.
    pub(super) fn items_mut(&mut self) -> &mut Vec<Tree> {
        if self.is_null() {
            *self = Tree::List(Vec::new());
        }
        match self {
            Tree::List(items) => items,
            _ => panic!("a list was accepted"),
        }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Tree] {
        match self {
            Tree::List(items) => items,
            _ => &[],
        }
    }

    fn is_null(&self) -> bool {
        *self == Tree::Scalar("null".into())
    }
}

/// Is the quoted `own` the name `name`, spelt plainly? An escaped spelling is never accepted for a name we edit.
fn is(own: &str, name: &str) -> bool {
    own.len() == name.len() + 2 && own[1..].starts_with(name)
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(&'de str, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            pairs.push((name.get(), value.get()));
        }
        Ok(pairs)
    }
}
