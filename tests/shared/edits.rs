//! Finds the edits that lead from one JSON text to another, and proves that there are no others.

use std::fmt;
use std::ops::Range;

use super::json::{Inner, Member, Node, parse};

/// One edit: the bytes of `before` at a place of the old text have become those of `after`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) kind: Kind,
    /// The names and numbers that lead to the value, such as `config/digest` or `layers/2`.
    pub(crate) path: String,
    span: Range<usize>,
    after: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A value has become another.
    Changed,
    /// A member or item at the end of an object or array, with the comma in front of it.
    Added,
    /// A member or item, with one comma.
    Removed,
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.path)
    }
}

/// What was edited. White space, the order of members and the spelling of every value count.
///
/// # Panics
/// When the old text with these edits is not the new one, byte by byte: then something else was changed too.
pub(crate) fn edits(before: &[u8], after: &[u8]) -> Vec<Edit> {
    let [before, after] = [before, after].map(|text| std::str::from_utf8(text).expect("JSON is UTF-8"));
    let mut found = Finder { after, edits: Vec::new() };
    found.compare(&parse(before), &parse(after), "");
    let (mut rebuilt, mut done) = (String::new(), 0);
    for edit in &found.edits {
        assert!(done <= edit.span.start, "{:?} overlap", found.edits);
        rebuilt += &before[done..edit.span.start];
        rebuilt += &edit.after;
        done = edit.span.end;
    }
    rebuilt += &before[done..];
    assert_eq!(rebuilt, after, "something other than {:?} was changed", found.edits);
    found.edits
}

/// Lists that are commands: their words are nothing by themselves.
const WHOLE: [&str; 2] = ["config/Entrypoint/", "config/Cmd/"];

struct Finder<'a> {
    after: &'a str,
    edits: Vec<Edit>,
}

impl Finder<'_> {
    fn compare(&mut self, old: &Node<'_>, new: &Node<'_>, path: &str) {
        if old.text == new.text {
            return;
        }
        match (&old.inner, &new.inner) {
            (Inner::Object(olds), Inner::Object(news)) => {
                let ends = (old.start + 1, new.start + 1);
                self.sequence(ends, olds, news, path, |old, new| old.name == new.name);
            }
            (Inner::Array(olds), Inner::Array(news)) if !WHOLE.contains(&path) => {
                let longer = news.len() >= olds.len();
                let ends = (old.start + 1, new.start + 1);
                self.sequence(ends, olds, news, path, |old, new| longer || is_successor(old, new));
            }
            _ => self.push(Kind::Changed, path, old.start..old.end(), new.text),
        }
    }

    /// Compares what is in two containers. `is_same` tells whether a part has become another, or is gone. `ends` are
    /// the places right behind the opening brackets.
    fn sequence<P: Part>(
        &mut self,
        ends: (usize, usize),
        olds: &[P],
        news: &[P],
        path: &str,
        is_same: impl Fn(&P, &P) -> bool,
    ) {
        let mut rest = news.iter().enumerate();
        let mut kept = false;
        let (mut old_end, mut new_end) = ends;
        for (place, old) in olds.iter().enumerate() {
            let own = format!("{path}{}", old.label(place));
            let next = rest.clone().next().filter(|(_, new)| is_same(old, new));
            if let Some((_, new)) = next {
                rest.next();
                self.compare(old.value(), new.value(), &format!("{own}/"));
                (kept, new_end) = (true, new.value().end());
            } else {
                let span = match olds.get(place + 1) {
                    _ if kept => old_end..old.value().end(),
                    Some(behind) => old.start()..behind.start(),
                    None => old.start()..old.value().end(),
                };
                self.push(Kind::Removed, &own, span, "");
            }
            old_end = old.value().end();
        }
        for (place, new) in rest {
            let text = self.after[new_end..new.value().end()].to_owned();
            self.push(Kind::Added, &format!("{path}{}", new.label(place)), old_end..old_end, &text);
            new_end = new.value().end();
        }
    }

    fn push(&mut self, kind: Kind, path: &str, span: Range<usize>, after: &str) {
        let path = path.trim_end_matches('/').to_owned();
        self.edits.push(Edit { kind, path, span, after: after.to_owned() });
    }
}

/// A member or an item.
trait Part {
    fn start(&self) -> usize;
    fn value(&self) -> &Node<'_>;
    fn label(&self, place: usize) -> String;
}

impl Part for Node<'_> {
    fn start(&self) -> usize {
        self.start
    }

    fn value(&self) -> &Node<'_> {
        self
    }

    fn label(&self, place: usize) -> String {
        place.to_string()
    }
}

impl Part for Member<'_> {
    fn start(&self) -> usize {
        self.start
    }

    fn value(&self) -> &Node<'_> {
        &self.value
    }

    fn label(&self, _: usize) -> String {
        self.name.to_owned()
    }
}

/// Is one the descriptor of what the other described? Then only the content differs.
fn is_successor(old: &Node<'_>, new: &Node<'_>) -> bool {
    let (Inner::Object(olds), Inner::Object(news)) = (&old.inner, &new.inner) else {
        return old.text == new.text;
    };
    let is_of_content = |name: &str| ["digest", "size", "data"].contains(&name);
    let same = |(old, new): (&Member<'_>, &Member<'_>)| {
        old.name == new.name && (is_of_content(old.name) || old.value.text == new.value.text)
    };
    olds.len() == news.len() && olds.iter().zip(news).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, want: &[(Kind, &str)]) {
        let found = edits(before.as_bytes(), after.as_bytes());
        let found: Vec<_> = found.iter().map(|edit| (edit.kind, edit.path.as_str())).collect();
        assert_eq!(found, want, "{before} {after}");
    }

    #[test]
    fn edits_are_found_by_path() {
        use Kind::*;
        check(r#"{"a":1}"#, r#"{"a":1}"#, &[]);
        check(r#"{ "a":1 ,"b":[]}"#, r#"{ "a":2 ,"b":[3]}"#, &[(Changed, "a"), (Added, "b/0")]);
        check(r#"{"a":[1 ]}"#, r#"{"a":[1,{"x":2} ],"b":null}"#, &[(Added, "a/1"), (Added, "b")]);
        check(r#"{"a":1, "s":{} ,"b":2}"#, r#"{"a":1 ,"b":2}"#, &[(Removed, "s")]);
        check(r#"{ "s":{}, "b":2}"#, r#"{ "b":2}"#, &[(Removed, "s")]);
        check(
            r#"{"m":[{"x":1}, {"digest":2},{"x":3}]}"#,
            r#"{"m":[{"digest":4}]}"#,
            &[(Removed, "m/0"), (Changed, "m/1/digest"), (Removed, "m/2")],
        );
        check(r#"{"a":null}"#, r#"{"a":["\u0000"]}"#, &[(Changed, "a")]);
        check(r#"{"config":{"Cmd":["a"]}}"#, r#"{"config":{"Cmd":["a","b"]}}"#, &[(Changed, "config/Cmd")]);
    }

    #[test]
    fn everything_else_is_told() {
        for (before, after) in [
            (r#"{"a":1}"#, r#"{ "a":1}"#),
            (r#"{"a":1}"#, r#"{"a" :1}"#),
            (r#"{"a":1} "#, r#"{"a":2}"#),
            (r#"{"a":[1, 2],"b":1}"#, r#"{"a":[1,2],"b":2}"#),
            (r#"{"a":1,"b":2}"#, r#"{"b":3 ,"a":1}"#),
        ] {
            let told = std::panic::catch_unwind(|| edits(before.as_bytes(), after.as_bytes()));
            let told = told.map_or(true, |edits| edits.iter().any(|edit| edit.kind == Kind::Removed));
            assert!(told, "{before} {after}");
        }
    }
}
