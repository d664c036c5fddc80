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
    /// The keys of the names.
    keys: [u64; N],
    /// The place of the name whose key comes to a slot, any place where none does. Of names with one key, the first.
    slots: [u8; 1 << SLOTS],
    /// What brings each key to a slot of its own.
    factor: u64,
}

/// As many bits has the number of a slot: with four slots or more for each name, a factor is soon found.
const SLOTS: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Folded,
    Exact,
}

impl<const N: usize> Wanted<N> {
    /// Of a structure: some readers ignore the case of its fields, so nothing may resemble a wanted name.
    pub const fn fields(names: [&'static str; N]) -> Wanted<N> {
        Wanted::new(names, Rule::Folded)
    }

    /// Of a map (`annotations`): its keys are compared exactly.
    pub const fn keys(names: [&'static str; N]) -> Wanted<N> {
        Wanted::new(names, Rule::Exact)
    }

    const fn new(names: [&'static str; N], rule: Rule) -> Wanted<N> {
        let keys = keys(&names);
        let mut factor = 0x9e37_79b9_7f4a_7c15;
        loop {
            if let Some(slots) = slots(&keys, factor) {
                return Wanted { names, rule, lengths: lengths(&names), keys, slots, factor };
            }
            factor = factor.wrapping_mul(0x5851_f42d_4c95_7f2d) | 1;
        }
    }

    /// Which of them the name at `span` of `text` is, if it is plain: in ASCII and without escapes. Most names are of
    /// no interest: of no wanted length, or with another key.
    #[inline(always)]
    pub(super) fn find_plain(&self, text: &str, span: (u32, u32)) -> Result<Option<usize>, Refusal> {
        let (start, length) = (span.0 as usize, (span.1 - span.0) as usize);
        if self.lengths.unbounded_shr(span.1 - span.0) & 1 == 0 {
            return Ok(None);
        }
        let rest = &text.as_bytes()[start..];
        let Some(word) = rest.first_chunk() else { return self.find(&text[start..start + length]) };
        let key = key(u64::from_le_bytes(*word), length);
        let index = usize::from(self.slots[slot(key, self.factor)]);
        if self.keys[index] != key {
            return Ok(None);
        }
        if is_same(&rest[..length], self.names[index].as_bytes()) {
            return Ok(Some(index));
        }
        self.find(&text[start..start + length])
    }

    /// Which of them the name written as `name` is, plain or not. One that is spelt with escapes only looks like it.
    #[cold]
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

/// Of a name whose bytes begin with `word`: the first eight, those behind its end cleared, and a bit set in which
/// letters differ from their other case; and its length. Plain names that some reader takes for the same have the same
/// key.
const fn key(word: u64, length: usize) -> u64 {
    const CASE: u64 = u64::from_ne_bytes([b' '; 8]);
    const OWN: [u64; 9] =
        [0, 0xff, 0xffff, 0xff_ffff, u32::MAX as u64, (1 << 40) - 1, (1 << 48) - 1, (1 << 56) - 1, u64::MAX];
    let own = OWN[if length < 8 { length } else { 8 }];
    ((word | CASE) & own).wrapping_add(length as u64)
}

const fn slot(key: u64, factor: u64) -> usize {
    (key.wrapping_mul(factor) >> (64 - SLOTS)) as usize
}

/// The place of each key by its slot, unless two keys come to one.
const fn slots(keys: &[u64], factor: u64) -> Option<[u8; 1 << SLOTS]> {
    const NONE: u8 = u8::MAX;
    let (mut slots, mut index) = ([NONE; 1 << SLOTS], 0);
    while index < keys.len() {
        let own = &mut slots[slot(keys[index], factor)];
        if *own == NONE {
            *own = index as u8;
        } else if keys[*own as usize] != keys[index] {
            return None;
        }
        index += 1;
    }
    index = 0;
    while index < slots.len() {
        if slots[index] == NONE {
            slots[index] = 0;
        }
        index += 1;
    }
    Some(slots)
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

const fn keys<const N: usize>(names: &[&str; N]) -> [u64; N] {
    assert!(N > 0 && N <= 1 << (SLOTS - 2));
    let (mut keys, mut index) = ([0; N], 0);
    while index < N {
        let name = names[index].as_bytes();
        let (mut word, mut at) = (0, 0);
        while at < name.len() && at < 8 {
            word |= (name[at] as u64) << (8 * at);
            at += 1;
        }
        keys[index] = key(word, name.len());
        index += 1;
    }
    keys
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
