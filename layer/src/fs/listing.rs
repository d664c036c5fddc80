//! Listings of folders, kept for the lookups that usually follow them.
//!
//! An item takes about 100 bytes. All listings together are bounded in bytes; a folder that alone is larger than that
//! is read, but not kept.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::attr::{Clock, Kind, Moment, Time};
use super::inode::{Found, Validity};
use super::key::{Place, SYMLINKS, is_name};
use crate::fs::sync::lock;
use crate::s3;

/// How long a listing says what is *not* there, and stands for the folder itself when it is opened.
const COMPLETE: Duration = Duration::from_secs(1);
/// The same for one that was made before anybody asked.
const FORESEEN: Duration = Duration::from_secs(5);
/// Folders whose last local change is remembered one by one.
const CHANGES: usize = 1024;
/// Folders in which lookups are followed.
const FOLLOWED: usize = 64;
/// Lookups in ascending order after which the names that follow are expected.
const ASCENDING: u32 = 8;

/// One name in a folder.
#[derive(Clone, Debug)]
pub struct Item {
    /// Name, then ETag: one allocation instead of two.
    text: Box<str>,
    name: u16,
    /// The kind.
    pub kind: Kind,
    archived: bool,
    size: u64,
    modified: Time,
}

impl Item {
    fn folder(name: &str) -> Self {
        let (kind, archived, size, modified) = (Kind::Directory, false, 0, Time::default());
        Self { text: name.into(), name: name.len() as u16, kind, archived, size, modified }
    }

    fn object(name: &str, object: &s3::Listed) -> Self {
        let text = [name, object.etag.as_str()].concat().into_boxed_str();
        let (archived, size, modified) = (object.archived, object.size, object.modified.into());
        Self { text, name: name.len() as u16, kind: Kind::File, archived, size, modified }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.text[..self.name.into()]
    }

    /// The version; `None` for a folder.
    pub fn etag(&self) -> Option<s3::Etag> {
        (self.kind != Kind::Directory).then(|| s3::Etag::new(&self.text[self.name.into()..]))
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn raw(&self) -> (&str, bool) {
        (self.name(), self.kind == Kind::Directory)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len() + 16
    }

    /// As an answer of S3.
    pub fn found(&self, checked: Moment, valid: Validity, folder_time: Time) -> Found {
        if self.kind == Kind::Directory {
            return Found::folder(folder_time, checked, Validity::Folder);
        }
        let (kind, size, modified, etag) = (self.kind, self.size, self.modified, self.etag());
        Found { kind, size, modified, etag, archived: self.archived, checked, valid }
    }
}

/// Compares as S3 orders keys: the name of a folder has a slash behind it.
fn order((a, a_folder): (&str, bool), (b, b_folder): (&str, bool)) -> Ordering {
    let slash = |folder: bool| folder.then_some(b'/');
    a.bytes().chain(slash(a_folder)).cmp(b.bytes().chain(slash(b_folder)))
}

/// A page of a listing, in the order of S3.
#[derive(Debug, Default)]
pub struct Page {
    /// The names.
    pub items: Vec<Item>,
    /// A key that was left out because no file can have its name.
    pub hidden: Option<Box<str>>,
    /// The version of the folder's list of symbolic links.
    pub links: Option<s3::Etag>,
}

impl Page {
    /// Reads what S3 listed below `prefix`.
    pub fn of(prefix: &str, listing: &s3::Listing) -> Self {
        let mut page = Self::default();
        let folders: HashSet<&str> =
            listing.prefixes.iter().filter_map(|key| key.strip_prefix(prefix)?.strip_suffix('/')).collect();
        for name in &folders {
            if is_name(name) {
                page.items.push(Item::folder(name));
            } else {
                page.hidden = Some(format!("{prefix}{name}/").into());
            }
        }
        for object in &listing.objects {
            let Some(name) = object.key.strip_prefix(prefix) else { continue };
            match name {
                // The marker of the folder itself.
                "" => {}
                SYMLINKS => page.links = Some(object.etag.clone()),
                name if !is_name(name) => page.hidden = Some(object.key.clone()),
                // A folder hides the object of its name.
                name if folders.contains(name) => {}
                name => page.items.push(Item::object(name, object)),
            }
        }
        page.items.sort_by(|a, b| order(a.raw(), b.raw()));
        page
    }

    /// The objects of which the folder that hides them would come on a later page, if there is one: S3 puts `a-b`
    /// between `a` and `a/`.
    pub fn undecided(&self, prefix: &str, listing: &s3::Listing) -> Vec<Box<str>> {
        let last = listing.objects.last().map(|object| &*object.key);
        let Some(last) = last.max(listing.prefixes.last().map(|key| &**key)) else { return Vec::new() };
        let Some(last) = last.strip_prefix(prefix).filter(|_| listing.next.is_some()) else {
            return Vec::new();
        };
        let is_before =
            |name: &str| last.strip_prefix(name).is_some_and(|rest| !rest.is_empty() && rest < "/");
        let objects = self.items.iter().filter(|item| item.kind != Kind::Directory);
        objects.map(Item::name).filter(|name| is_before(name)).map(Box::from).collect()
    }

    /// Leaves an object out.
    pub fn remove(&mut self, name: &str) {
        self.items.retain(|item| item.kind == Kind::Directory || item.name() != name);
    }

    /// Marks the names that are symbolic links.
    pub fn mark_links(&mut self, links: &HashSet<Box<str>>) {
        for item in &mut self.items {
            if item.kind == Kind::File && links.contains(item.name()) {
                item.kind = Kind::Symlink;
            }
        }
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        self.items.iter().map(Item::bytes).sum()
    }

    fn find(&self, name: &str, folder: bool) -> Option<usize> {
        self.items.binary_search_by(|item| order(item.raw(), (name, folder))).ok()
    }
}

/// Page and item.
pub type Position = (usize, usize);

/// The pages of a folder, or some of them.
#[derive(Debug)]
pub struct Listing {
    /// The pages, in order; none of them is empty.
    pub pages: Vec<Arc<Page>>,
    /// When the first of them was asked for.
    pub checked: Moment,
    /// What it stands for.
    pub extent: Extent,
}

/// What a listing stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The folder, as somebody has read it.
    Whole,
    /// The folder, read before anybody asked.
    Foreseen,
    /// The names from some place on: it says nothing of other names.
    Part,
}

impl Listing {
    /// The item of a name. A folder hides an object, also one of an earlier page.
    pub fn find(&self, name: &str) -> Option<&Item> {
        self.at(self.position(name)?)
    }

    /// Where the item of a name is.
    pub fn position(&self, name: &str) -> Option<Position> {
        self.position_as(name, true).or_else(|| self.position_as(name, false))
    }

    fn position_as(&self, name: &str, folder: bool) -> Option<Position> {
        let begins_before = |page: &Arc<Page>| {
            page.items.first().is_some_and(|first| order(first.raw(), (name, folder)).is_le())
        };
        let page = self.pages.partition_point(begins_before).checked_sub(1)?;
        Some((page, self.pages[page].find(name, folder)?))
    }

    /// The item at a position.
    pub fn at(&self, (page, item): Position) -> Option<&Item> {
        self.pages.get(page)?.items.get(item)
    }

    /// The items behind a position, in order.
    pub fn after(&self, (page, item): Position) -> impl Iterator<Item = (Position, &Item)> {
        let pages = self.pages.iter().enumerate().skip(page);
        let all =
            pages.flat_map(|(n, page)| page.items.iter().enumerate().map(move |(m, item)| ((n, m), item)));
        all.skip(item + 1)
    }

    fn bytes(&self) -> usize {
        self.pages.iter().map(|page| page.bytes()).sum()
    }

    /// True if it can stand for the folder at this moment.
    pub fn is_current(&self, now: Moment) -> bool {
        match self.extent {
            Extent::Whole => self.checked.age(now) < COMPLETE,
            Extent::Foreseen => self.checked.age(now) < FORESEEN,
            Extent::Part => false,
        }
    }
}

/// What the kept listings say of a name.
#[derive(Debug)]
pub enum Answer {
    /// It is this.
    Found(Found),
    /// It was not there a moment ago.
    Absent,
    /// Nothing.
    Unknown,
}

/// The listings that are kept.
#[derive(Debug)]
pub struct Listings {
    clock: Clock,
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    listings: HashMap<Place, Arc<Listing>>,
    order: VecDeque<Place>,
    bytes: usize,
    changes: HashMap<Place, Moment>,
    /// The last name that was looked up in a folder and answered by no listing, and how many ascended to it.
    ascents: HashMap<Place, (Box<str>, u32)>,
    /// Every folder may have changed until then.
    changed_all: Moment,
}

impl Listings {
    /// Keeps listings of at most `limit` bytes together.
    pub fn new(clock: Clock, limit: usize) -> Self {
        Self { clock, limit, kept: Mutex::default() }
    }

    /// Most bytes of one listing that can be kept.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The listing of a folder, whatever its age.
    pub fn get(&self, folder: &Place) -> Option<Arc<Listing>> {
        lock(&self.kept).listings.get(folder).cloned()
    }

    /// Makes room for a new listing of a folder, if the old one takes much.
    pub fn renew(&self, folder: &Place) {
        let mut kept = lock(&self.kept);
        if kept.listings.get(folder).is_some_and(|listing| listing.bytes() > self.limit / 4) {
            kept.remove(folder);
        }
    }

    /// Answers a lookup, if a listing can.
    pub fn lookup(&self, folder: &Place, name: &str, folder_time: Time) -> Answer {
        let Some(listing) = self.get(folder) else { return Answer::Unknown };
        let now = self.clock.now();
        match listing.find(name) {
            Some(item) if listing.checked.age(now) < Validity::Listed.time() => {
                Answer::Found(item.found(listing.checked, Validity::Listed, folder_time))
            }
            None if listing.extent != Extent::Part && listing.checked.age(now) < COMPLETE => Answer::Absent,
            _ => Answer::Unknown,
        }
    }

    /// Notes a lookup that no listing could answer. True if the names that follow should be listed.
    pub fn missed(&self, folder: &Place, name: &str) -> bool {
        let mut kept = lock(&self.kept);
        if kept.ascents.len() >= FOLLOWED && !kept.ascents.contains_key(folder) {
            kept.ascents.clear();
        }
        let (last, count) = kept.ascents.entry(folder.clone()).or_default();
        *count = if &**last < name { *count + 1 } else { 0 };
        *last = name.into();
        if *count < ASCENDING {
            return false;
        }
        *count = 0;
        true
    }

    /// Keeps a listing, unless its folder was changed here since.
    pub fn keep(&self, folder: Place, listing: Listing) {
        let bytes = listing.bytes();
        let mut kept = lock(&self.kept);
        if bytes > self.limit || kept.changed(&folder) >= listing.checked {
            return;
        }
        kept.remove(&folder);
        kept.bytes += bytes;
        kept.order.push_back(folder.clone());
        kept.listings.insert(folder, Arc::new(listing));
        while kept.bytes > self.limit {
            let Some(oldest) = kept.order.front().cloned() else { break };
            kept.remove(&oldest);
        }
    }

    /// Forgets the listing of a folder in which something was changed here.
    pub fn changed(&self, folder: &Place) {
        let now = self.clock.now();
        let mut kept = lock(&self.kept);
        kept.remove(folder);
        if kept.changes.len() == CHANGES {
            kept.changes.clear();
            kept.changed_all = now;
        }
        kept.changes.insert(folder.clone(), now);
    }

    /// Forgets the listings of a folder and of all below it.
    pub fn changed_below(&self, folder: &Place) {
        let now = self.clock.now();
        let is_below = |place: &Place| place.bucket == folder.bucket && place.key.starts_with(&*folder.key);
        let mut kept = lock(&self.kept);
        let below: Vec<Place> = kept.listings.keys().filter(|place| is_below(place)).cloned().collect();
        below.iter().for_each(|place| kept.remove(place));
        // Also what is on its way.
        kept.changed_all = now;
    }

    /// How long to believe what a listing of this folder says of its names.
    pub fn validity(&self, folder: &Place) -> Validity {
        let changed = lock(&self.kept).changed(folder);
        let recently = changed.age(self.clock.now()) < Validity::Listed.time();
        if recently { Validity::Asked } else { Validity::Listed }
    }
}

impl Kept {
    fn changed(&self, folder: &Place) -> Moment {
        self.changes.get(folder).copied().unwrap_or_default().max(self.changed_all)
    }

    fn remove(&mut self, folder: &Place) {
        if let Some(listing) = self.listings.remove(folder) {
            self.bytes -= listing.bytes();
            self.order.retain(|other| other != folder);
        }
    }
}

#[cfg(test)]
mod tests;
