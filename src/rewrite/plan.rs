//! Taking an index apart: what has to be fetched to rewrite it; pure.

use super::assemble::Outcome;
use super::derivation::Untouched;
use super::fields::Doc;
use super::image::{fitting, is_wanted};
use super::index::{self, Entry};
use super::refusal::Refusal;
use crate::grant::Recipe;
use crate::oci::{Digest, MediaType, Platform};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What has to be fetched to rewrite an index.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The indexes: the root, those in it, those in these.
    pub levels: Vec<Vec<Loaded>>,
    /// The images in all of them.
    pub images: BTreeMap<Digest, Entry>,
    /// What is clear before any image is fetched.
    pub outcomes: Vec<Outcome>,
    /// Every platform that an entry names.
    pub seen: Vec<Platform>,
}

impl Plan {
    /// Only the root so far.
    pub(super) fn new(root: Loaded) -> Plan {
        Plan { levels: vec![vec![root]], images: BTreeMap::new(), outcomes: Vec::new(), seen: Vec::new() }
    }

    /// Looks at the entries of the deepest level. Returns the indexes to fetch as the next one; a refusal concerns
    /// the whole.
    pub(super) fn survey(
        &mut self,
        recipe: &Recipe,
        limit: usize,
    ) -> Result<BTreeMap<Digest, Entry>, Refusal> {
        let mut nested = BTreeMap::new();
        for loaded in self.levels.last().expect("the root is a level") {
            let entries = match Doc::new(&loaded.bytes, limit).and_then(|doc| index::read(&doc)) {
                Ok(entries) => entries,
                Err(refusal) if self.levels.len() == 1 => return Err(refusal),
                Err(refusal) => {
                    self.outcomes.push(Outcome { platform: None, left: Some(refusal.into()) });
                    continue;
                }
            };
            for entry in entries {
                let platform = entry.platform.clone();
                self.seen.extend(platform.clone().filter(|_| !entry.is_artifact));
                let left = match step(&entry, recipe, limit) {
                    Step::Skip => continue,
                    Step::Image(digest) => {
                        self.images.entry(digest).or_insert(entry);
                        continue;
                    }
                    Step::Index(digest) if self.may_hold(&digest) => {
                        nested.entry(digest).or_insert(entry);
                        continue;
                    }
                    Step::Index(_) => Refusal::Nesting.into(),
                    Step::Leave(why) => why,
                };
                self.outcomes.push(Outcome { platform, left: Some(left) });
            }
        }
        let loaded: usize = self.levels.iter().map(Vec::len).sum();
        let all = loaded - 1 + self.images.len() + nested.len();
        if all > super::IMAGE_LIMIT { Err(Refusal::Images) } else { Ok(nested) }
    }

    /// Takes in the next level.
    pub(super) fn descend(&mut self, fetched: Vec<Result<Loaded, Untouched>>) {
        let mut level = Vec::with_capacity(fetched.len());
        for fetched in fetched {
            match fetched {
                Ok(loaded) => level.push(loaded),
                Err(left) => self.outcomes.push(Outcome { platform: None, left: Some(left) }),
            }
        }
        self.levels.push(level);
    }

    /// May the deepest level hold this index? Not below the limit, and not one that was loaded before: that would be
    /// a circle, or a shape that cannot be rewritten leaves first.
    fn may_hold(&self, digest: &Digest) -> bool {
        self.levels.len() < super::NESTING_LIMIT
            && !self.levels.iter().flatten().any(|loaded| loaded.digest == *digest)
    }
}

/// What is to be done about one entry of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Fetch it as an image.
    Image(Digest),
    /// Fetch it as an index.
    Index(Digest),
    /// Leave it: nobody asked for its platform.
    Skip,
    /// Leave it, for a reason.
    Leave(Untouched),
}

/// What to do about an entry. Clients choose by the platform in the index: an entry with one is not fetched when
/// that is not wanted, or no layer fits it.
fn step(entry: &Entry, recipe: &Recipe, limit: usize) -> Step {
    let is_index = entry.media.is_index();
    if entry.is_artifact || !(is_index || entry.media.is_manifest()) {
        return Step::Leave(Untouched::Artifact);
    }
    if let Some(platform) = &entry.platform {
        if !is_wanted(recipe, platform) {
            return Step::Skip;
        }
        if let Err(why) = fitting(recipe, platform) {
            return Step::Leave(why);
        }
    }
    match entry.digest {
        _ if entry.size > limit as u64 => Step::Leave(Refusal::Size(entry.size as usize).into()),
        None => Step::Leave(Refusal::Unverifiable.into()),
        Some(digest) if digest.digester().is_none() => Step::Leave(Refusal::Unverifiable.into()),
        Some(digest) if is_index => Step::Index(digest),
        Some(digest) => Step::Image(digest),
    }
}

/// An index in memory.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub digest: Digest,
    pub media: MediaType,
    pub bytes: Bytes,
}
