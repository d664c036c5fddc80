//! Putting an index together from its changed images, and what is to be said of the others; pure.

use super::derivation::{Document, Untouched};
use super::fields::Doc;
use super::index::{self, Replacements};
use super::plan::Loaded;
use super::refusal::Refusal;
use crate::error::{Error, Side};
use crate::grant::Recipe;
use crate::oci::{Code, Digest, Platform};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What became of the image of one entry.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Its platform: what the index says, since clients choose by that, else what the config says.
    pub platform: Option<Platform>,
    /// Why it is left, if it is.
    pub left: Option<Untouched>,
}

/// Rewrites indexes, the deepest level first, so that each digest is known when it is needed. Adds each new index
/// to `replacements` and `documents`.
pub(super) fn rebuild(
    levels: &[Vec<Loaded>],
    replacements: &mut Replacements,
    documents: &mut BTreeMap<Digest, Document>,
    limit: usize,
) -> Result<(), Refusal> {
    for index in levels.iter().rev().flatten() {
        let new = index::apply(&Doc::new(&index.bytes, limit)?, replacements, limit)?;
        if new.bytes == index.bytes {
            continue;
        }
        documents.insert(new.digest, Document { media: index.media.clone(), bytes: new.bytes.clone() });
        replacements.insert(index.digest, new);
    }
    Ok(())
}

/// Every platform the recipe names must be there and be changed: 400 `MANIFEST_INVALID` otherwise.
pub(super) fn require(recipe: &Recipe, outcomes: &[Outcome], seen: &[Platform]) -> Result<(), Error> {
    for wanted in &recipe.platforms {
        let fits = |outcome: &&Outcome| outcome.platform.as_ref().is_some_and(|own| wanted.fits(own));
        let found: Vec<_> = outcomes.iter().filter(fits).collect();
        if found.iter().any(|outcome| outcome.left.is_none()) {
            continue;
        }
        let message = match found.first().and_then(|outcome| outcome.left) {
            Some(why) => format!("platform '{wanted}' cannot be changed: {why}"),
            None => format!(
                "Cannot find matching platform '{wanted}' in the image index - available: {}",
                list(seen.iter().map(printable))
            ),
        };
        return Err(Error::new(Code::ManifestInvalid, Side::Client, message));
    }
    Ok(())
}

/// Why nothing was changed, when nothing was: the most telling reason.
pub(super) fn reason(outcomes: &[Outcome]) -> Untouched {
    let rank = |why: &Untouched| match why {
        Untouched::Refused(_) => 3,
        Untouched::Platform => 2,
        Untouched::OperatingSystem => 1,
        _ => 0,
    };
    // `max_by_key` takes the last of equals; the first entry is what most clients would have got.
    let left = outcomes.iter().rev().filter_map(|outcome| outcome.left).max_by_key(rank);
    // Without any reason: what the recipe sets was set already, or there was no image at all.
    left.unwrap_or(if outcomes.is_empty() { Untouched::Artifact } else { Untouched::EmptyRecipe })
}

/// The warning about images that were left although nobody said to: with platforms named, all others are meant to
/// be left.
pub(super) fn warning(recipe: &Recipe, outcomes: &[Outcome]) -> Option<String> {
    if !recipe.platforms.is_empty() {
        return None;
    }
    let left = outcomes.iter().filter_map(|outcome| match (&outcome.platform, outcome.left) {
        (_, None | Some(Untouched::Artifact)) | (None, _) => None,
        (Some(platform), Some(why)) => Some(format!("{} ({why})", printable(platform))),
    });
    let left = list(left);
    (!left.is_empty()).then(|| format!("left unchanged: {left}"))
}

/// A platform as it may be printed into a header: what an index says is anybody's text.
fn printable(platform: &Platform) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "/._-".contains(c) { c } else { '?' };
    platform.to_string().chars().take(48).map(safe).collect()
}

/// At most 16 items, each once.
fn list(items: impl Iterator<Item = String>) -> String {
    const MOST: usize = 16;
    let mut texts: Vec<String> = Vec::new();
    items.for_each(|item| {
        if !texts.contains(&item) {
            texts.push(item);
        }
    });
    let rest = texts.len().saturating_sub(MOST);
    texts.truncate(MOST);
    let mut text = texts.join(", ");
    if rest > 0 {
        write!(text, " and {rest} more").expect("a string takes any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(platform: &str, left: Option<Untouched>) -> Outcome {
        Outcome { platform: Some(platform.parse().unwrap()), left }
    }

    #[test]
    fn a_platform_that_is_named_must_be_there() {
        let recipe = Recipe { platforms: vec!["arm64".parse().unwrap()], ..Recipe::default() };
        let check = |outcomes: &[Outcome]| require(&recipe, outcomes, &["amd64".parse().unwrap()]);
        assert!(check(&[outcome("linux/arm64/v8", None)]).is_ok());
        let error = check(&[outcome("amd64", None)]).unwrap_err();
        assert_eq!(
            error.message(),
            "Cannot find matching platform 'linux/arm64' in the image index - available: linux/amd64"
        );
        let error = check(&[outcome("arm64", Some(Untouched::Platform))]).unwrap_err();
        assert_eq!(error.message(), "platform 'linux/arm64' cannot be changed: no layer fits");
        assert_eq!((error.code(), error.status().as_u16()), (Code::ManifestInvalid, 400));
    }

    #[test]
    fn warnings_are_safe_to_print() {
        let odd = Platform::new("linux\"\r\nX: y", "\u{1f600}", None);
        let outcomes = [
            outcome("amd64", None),
            outcome("s390x", Some(Untouched::Platform)),
            outcome("s390x", Some(Untouched::Platform)),
            Outcome { platform: Some(odd), left: Some(Untouched::OperatingSystem) },
            Outcome { platform: None, left: Some(Untouched::Artifact) },
        ];
        let want = "left unchanged: linux/s390x (no layer fits), linux???X??y/? (not a linux image)";
        assert_eq!(warning(&Recipe::default(), &outcomes).as_deref(), Some(want));
        assert_eq!(warning(&Recipe::default(), &outcomes[..1]), None);
        assert_eq!(reason(&outcomes), Untouched::Platform);
    }
}
