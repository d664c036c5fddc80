//! Names: which members are wanted of an object, and which others a client could take for them.

use super::refusal::Refusal;
use std::borrow::Cow;

/// The names that are wanted of an object, in ASCII, and how its readers compare names.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<const N: usize> {
    pub(super) names: [&'static str; N],
    rule: Rule,
    /// A bit for each length that one of the names has.
    lengths: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Folded,
    Exact,
}

impl<const N: usize> Wanted<N> {
    /// Of a structure: some readers ignore the case of its fields, so nothing may resemble a wanted name.
    pub const fn fields(names: [&'static str; N]) -> Wanted<N> {
        Wanted { lengths: lengths(&names), names, rule: Rule::Folded }
    }

    /// Of a map (`annotations`): its keys are compared exactly.
    pub const fn keys(names: [&'static str; N]) -> Wanted<N> {
        Wanted { lengths: lengths(&names), names, rule: Rule::Exact }
    }

    /// Which of them the name written as `name` is. One spelt with escapes is not plain, and only looks like it.
    pub(super) fn find(&self, name: &str) -> Result<Option<usize>, Refusal> {
        if let Some(index) = self.names.iter().position(|wanted| *wanted == name) {
            return Ok(Some(index));
        }
        match self.alike(name)? {
            Some(wanted) => Err(Refusal::LookAlike(wanted)),
            None => Ok(None),
        }
    }

    /// The wanted name that some reader takes `name` for, which is none of them.
    fn alike(&self, name: &str) -> Result<Option<&'static str>, Refusal> {
        let escaped = name.contains('\\');
        if self.rule == Rule::Exact && !escaped {
            return Ok(None);
        }
        let name = if escaped {
            Cow::Owned(serde_json::from_str(&format!("\"{name}\"")).map_err(|_| Refusal::Syntax)?)
        } else {
            Cow::Borrowed(name)
        };
        let alike = |wanted: &&str| match self.rule {
            Rule::Folded => folds(&name, wanted),
            Rule::Exact => name == **wanted,
        };
        Ok(self.names.into_iter().find(alike))
    }

    /// May a name in ASCII of so many bytes be one of them, in some reader's eyes?
    pub(super) fn may_be(&self, length: u32) -> bool {
        self.lengths.checked_shr(length).unwrap_or(0) & 1 == 1
    }
}

const fn lengths(names: &[&str]) -> u64 {
    let (mut lengths, mut index) = (0, 0);
    while index < names.len() {
        assert!(names[index].len() < 64 && names[index].is_ascii());
        lengths |= 1 << names[index].len();
        index += 1;
    }
    lengths
}

/// Are the two equal under Unicode simple folding? Of all characters only U+017F and U+212A fold to ASCII from
/// outside of it, and every wanted name is ASCII.
fn folds(name: &str, wanted: &str) -> bool {
    if name.len() == wanted.len() {
        // Those two are two and three bytes long.
        return name.eq_ignore_ascii_case(wanted);
    }
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.len() > wanted.len() && name.chars().map(fold).eq(wanted.chars().map(|c| c.to_ascii_lowercase()))
}
