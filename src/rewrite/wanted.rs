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
    /// The heads of the names.
    heads: [u64; N],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Folded,
    Exact,
}

impl<const N: usize> Wanted<N> {
    /// Of a structure: some readers ignore the case of its fields, so nothing may resemble a wanted name.
    pub const fn fields(names: [&'static str; N]) -> Wanted<N> {
        Wanted { lengths: lengths(&names), heads: heads(&names), names, rule: Rule::Folded }
    }

    /// Of a map (`annotations`): its keys are compared exactly.
    pub const fn keys(names: [&'static str; N]) -> Wanted<N> {
        Wanted { lengths: lengths(&names), heads: heads(&names), names, rule: Rule::Exact }
    }

    /// Which of them the name at `span` of `text` is, if it is plain: in ASCII and without escapes. Most names are of no
    /// interest: of no wanted length, or with another head.
    #[inline(always)]
    pub(super) fn find_plain(&self, text: &str, span: (u32, u32)) -> Result<Option<usize>, Refusal> {
        let length = span.1 - span.0;
        if self.lengths.checked_shr(length).unwrap_or(0) & 1 == 0 {
            return Ok(None);
        }
        let start = span.0 as usize;
        if let Some(word) = text.as_bytes().get(start..).and_then(|rest| rest.first_chunk()) {
            let head = head(u64::from_le_bytes(*word), length as usize);
            let Some(index) = self.heads.iter().position(|wanted| *wanted == head) else { return Ok(None) };
            if is_same(&text.as_bytes()[start..start + length as usize], self.names[index].as_bytes()) {
                return Ok(Some(index));
            }
        }
        self.find(&text[start..span.1 as usize])
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

/// The first eight bytes of a name whose bytes begin with `word`, those behind its end cleared, and a bit set in which
/// letters differ from their other case: names that some reader takes for the same have the same head.
const fn head(word: u64, length: usize) -> u64 {
    const CASE: u64 = u64::from_ne_bytes([b' '; 8]);
    let cut = if length < 8 { 64 - 8 * length as u32 } else { 0 };
    let own = u64::MAX.unbounded_shr(cut);
    (word | CASE) & own
}

/// Are the two equal? Most names are no longer than two words, which overlap.
#[inline(always)]
fn is_same(name: &[u8], wanted: &[u8]) -> bool {
    if name.len() != wanted.len() {
        return false;
    }
    match (name.len(), name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (..=16, Some(first), Some(last)) => {
            Some(first) == wanted.first_chunk() && Some(last) == wanted.last_chunk()
        }
        (4..8, ..) => {
            name.first_chunk::<4>() == wanted.first_chunk() && name.last_chunk::<4>() == wanted.last_chunk()
        }
        _ => name == wanted,
    }
}

const fn heads<const N: usize>(names: &[&str; N]) -> [u64; N] {
    let (mut heads, mut index) = ([0; N], 0);
    while index < N {
        let name = names[index].as_bytes();
        let (mut word, mut at) = (0, 0);
        while at < name.len() && at < 8 {
            word |= (name[at] as u64) << (8 * at);
            at += 1;
        }
        heads[index] = head(word, name.len());
        index += 1;
    }
    heads
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
