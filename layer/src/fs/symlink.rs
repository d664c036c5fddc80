//! Symbolic links: objects whose body is the target, named in their folder's `.fusion.symlinks`.
//!
//! The list is text, one name on a line: the format that Nextflow reads. A folder whose listing shows no such object
//! costs nothing; else the list is read once and again when its version changes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::attr::{Kind, Moment};
use super::errno::Errno;
use super::inode::Ino;
use super::key::{Place, SYMLINKS};
use super::{Fs, collect};
use crate::fs::sync::lock;
use crate::s3::{Etag, Get, Kind as Failure};

/// Longest target of a link, in bytes: what the kernel takes.
pub const TARGET_MAX: u64 = 4095;
/// Longest list that is read.
const LIST_MAX: u64 = 16 << 20;
/// Folders of which the lists are kept.
const FOLDERS: usize = 4096;
/// How long a list is believed without a listing that confirms it.
const VALID: Duration = Duration::from_secs(10);

/// The names of a folder's links.
pub type Links = Arc<HashSet<Box<str>>>;

/// The lists that are known.
#[derive(Debug, Default)]
pub struct LinkLists(Mutex<HashMap<Place, Known>>);

#[derive(Clone, Debug)]
struct Known {
    links: Links,
    etag: Option<Etag>,
    checked: Moment,
}

impl LinkLists {
    /// Notes a folder's list; no version if the folder has none. An answer that was under way while a newer one came
    /// says nothing.
    pub fn note(&self, folder: &Place, links: Links, etag: Option<Etag>, checked: Moment) {
        let mut known = lock(&self.0);
        if known.get(folder).is_some_and(|known| known.checked > checked) {
            return;
        }
        if known.len() >= FOLDERS {
            known.clear();
        }
        known.insert(folder.clone(), Known { links, etag, checked });
    }

    /// The newest list of a folder that is known, with its version, whatever its age.
    pub(super) fn latest(&self, folder: &Place) -> Option<(Links, Option<Etag>)> {
        self.get(folder).map(|known| (known.links, known.etag))
    }

    /// Whether the newest list that is known names something, be it there or not.
    pub(super) fn may_have(&self, folder: &Place, name: &str) -> bool {
        self.get(folder).is_some_and(|known| known.links.contains(name))
    }

    /// Forgets the lists of a folder and of all below it.
    pub(super) fn forget_below(&self, folder: &Place) {
        let is_below = |place: &Place| place.bucket == folder.bucket && place.key.starts_with(&*folder.key);
        lock(&self.0).retain(|place, _| !is_below(place));
    }

    fn get(&self, folder: &Place) -> Option<Known> {
        lock(&self.0).get(folder).cloned()
    }
}

/// Reads a list. Names that cannot be are left out.
pub fn parse(text: &str) -> HashSet<Box<str>> {
    text.lines().filter(|line| super::key::is_name(line)).map(Box::from).collect()
}

impl Fs {
    /// The links of a folder, of which nothing newer is known than a lookup.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub async fn links(&self, folder: &Place) -> Result<Links, Errno> {
        match self.link_lists.get(folder) {
            Some(known) if known.checked.age(self.clock.now()) < VALID => Ok(known.links),
            _ => self.read_links(folder).await,
        }
    }

    /// The links of a folder whose listing, asked for at `checked`, shows this version of the list.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub async fn links_of_version(
        &self,
        folder: &Place,
        etag: &Etag,
        checked: Moment,
    ) -> Result<Links, Errno> {
        match self.link_lists.get(folder) {
            Some(known) if known.etag.as_ref() == Some(etag) => {
                self.link_lists.note(folder, Arc::clone(&known.links), known.etag, checked);
                Ok(known.links)
            }
            _ => self.read_links(folder).await,
        }
    }

    /// Notes that the complete listing of a folder showed no list.
    pub fn no_links(&self, folder: &Place, checked: Moment) {
        self.link_lists.note(folder, Links::default(), None, checked);
    }

    pub(super) async fn read_links(&self, folder: &Place) -> Result<Links, Errno> {
        let checked = self.clock.now();
        let list = folder.child(SYMLINKS)?;
        let object = match self.client.get_resumed(&list.bucket, &list.key, Get::default()).await {
            Ok(object) => object,
            // Who may not list is told so of what is absent as well.
            Err(error) if matches!(error.kind(), Failure::NoSuchKey | Failure::Denied) => {
                self.no_links(folder, checked);
                return Ok(Links::default());
            }
            Err(error) => return Err(error.into()),
        };
        let etag = object.meta.etag.clone();
        let text = collect(object, LIST_MAX).await?;
        let links = Links::new(parse(&String::from_utf8_lossy(&text)));
        self.link_lists.note(folder, Arc::clone(&links), Some(etag), checked);
        Ok(links)
    }

    /// Where a link leads.
    ///
    /// # Errors
    /// `EINVAL` if it is none; what reading its object says.
    pub async fn readlink(&self, ino: Ino) -> Result<Vec<u8>, Errno> {
        let (place, etag) = {
            let table = self.table();
            let node = table.get(ino).ok_or(Errno::ESTALE)?;
            if node.kind != Kind::Symlink {
                return Err(Errno::EINVAL);
            }
            (table.place(ino).ok_or(Errno::ESTALE)?, node.etag.clone())
        };
        let get = Get { range: None, if_match: etag.as_ref() };
        let object = self.client.get_resumed(&place.bucket, &place.key, get).await;
        let object = object.map_err(|error| Errno::of_read(&error)).inspect_err(|_| self.doubt(ino))?;
        collect(object, TARGET_MAX).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_answer_does_not_replace_a_newer_one() {
        let clock = crate::fs::attr::Clock::start();
        let (lists, folder) = (LinkLists::default(), Place { bucket: "b".into(), key: "d/".into() });
        lists.note(&folder, Links::new(parse("link")), Some(Etag::new("1")), clock.now());
        lists.note(&folder, Links::default(), None, Moment::LONG_AGO);
        assert!(lists.may_have(&folder, "link"));
    }

    #[test]
    fn a_list_is_names_on_lines() {
        let links = parse("a\nb c\n\n.\n..\nd/e\nf");
        let mut names: Vec<&str> = links.iter().map(Box::as_ref).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b c", "f"]);
    }
}
