//! Programs that go through a folder in the order of its listing: `cat *`, `find`. What they come to next is fetched
//! before they ask, many at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::Fs;
use super::inode::{Ino, ROOT};
use super::key::Place;
use super::listing::{Item, Listing, Position};
use crate::fs::sync::lock;

/// Items that may be left out between two steps.
const SKIP: usize = 4;
/// Folders that are followed at a time.
const FOLDERS: usize = 256;
/// Sub-folders that are listed ahead.
const AHEAD: usize = 16;
/// Sub-folders in order after which the rest is expected.
const STEPS: u32 = 2;

/// Folders that are being listed before anybody has asked.
#[derive(Clone, Debug, Default)]
pub struct Ahead(Arc<Mutex<HashMap<Place, Arc<Semaphore>>>>);

/// One of them; when this goes, those who wait for it go on.
#[derive(Debug)]
struct Listed {
    ahead: Ahead,
    place: Place,
}

impl Ahead {
    /// Notes that a folder will be listed; `None` if that is known.
    fn begin(&self, place: &Place) -> Option<Listed> {
        let mut ahead = lock(&self.0);
        if ahead.contains_key(place) {
            return None;
        }
        ahead.insert(place.clone(), Arc::new(Semaphore::new(0)));
        Some(Listed { ahead: self.clone(), place: place.clone() })
    }

    /// Waits for the listing of a folder, if it is on its way. True if it was.
    pub async fn wait(&self, place: &Place) -> bool {
        let Some(listed) = lock(&self.0).get(place).cloned() else { return false };
        // There are no permits: this ends when it is closed.
        let _ = listed.acquire().await;
        true
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(listed) = lock(&self.ahead.0).remove(&self.place) {
            listed.close();
        }
    }
}

/// Where programs are in folders.
#[derive(Debug, Default)]
pub struct Walks(Mutex<HashMap<Place, Walk>>);

#[derive(Debug)]
struct Walk {
    listing: Arc<Listing>,
    at: Position,
    steps: u32,
    /// What is before this was expected already.
    expected: Position,
}

impl Walks {
    /// Notes a step to the item of this name. Of the next `ahead` items that `wanted` picks, returns those that were
    /// not returned before, once there were `enough` steps in order.
    pub fn step(
        &self,
        folder: &Place,
        listing: Arc<Listing>,
        name: &str,
        (enough, ahead): (u32, usize),
        wanted: impl Fn(&Item) -> bool,
    ) -> Vec<Item> {
        let Some(at) = listing.position(name) else { return Vec::new() };
        let mut walks = lock(&self.0);
        if walks.len() >= FOLDERS && !walks.contains_key(folder) {
            walks.clear();
        }
        let fresh = || Walk { listing: Arc::clone(&listing), at, steps: 0, expected: at };
        let walk = walks.entry(folder.clone()).or_insert_with(fresh);
        // Positions are those of one listing.
        if !Arc::ptr_eq(&walk.listing, &listing) {
            let expected = walk.listing.at(walk.expected).and_then(|item| listing.position(item.name()));
            let before = walk.listing.at(walk.at).and_then(|item| listing.position(item.name()));
            *walk = Walk {
                steps: walk.steps,
                at: before.unwrap_or(at),
                expected: expected.unwrap_or(at),
                ..fresh()
            };
        }
        let mut next = listing.after(walk.at).filter(|(_, item)| wanted(item)).take(SKIP);
        if next.any(|(position, _)| position == at) {
            walk.steps += 1;
        } else if walk.at != at {
            *walk = fresh();
        }
        walk.at = at;
        if walk.steps < enough {
            return Vec::new();
        }
        let expected = walk.expected;
        let coming = listing.after(at).filter(|(_, item)| wanted(item)).take(ahead);
        let new: Vec<_> = coming.filter(|(position, _)| *position > expected).collect();
        if let Some((last, _)) = new.last() {
            walk.expected = *last;
        }
        new.into_iter().map(|(_, item)| item.clone()).collect()
    }
}

impl Fs {
    /// Notes that a folder is opened, and lists its siblings if they are likely to be opened next.
    pub(super) fn foresee(self: &Arc<Self>, ino: Ino, place: &Place) {
        let (parent, name) = {
            let table = self.table();
            let Some(node) = table.get(ino).filter(|node| node.parent() > ROOT) else { return };
            let Some(parent) = table.place(node.parent()) else { return };
            (parent, Box::<str>::from(node.name()))
        };
        let Some(listing) = self.listings.get(&parent) else { return };
        let is_folder = |item: &Item| item.kind == super::attr::Kind::Directory;
        for item in self.folder_walks.step(&parent, listing, &name, (STEPS, AHEAD), is_folder) {
            let key = format!("{}{}/", parent.key, item.name());
            let sibling = Place { bucket: place.bucket.clone(), key };
            let Some(listed) = self.ahead.begin(&sibling) else { continue };
            let fs = Arc::clone(self);
            tokio::spawn(async move {
                fs.list_ahead(sibling).await;
                drop(listed);
            });
        }
    }
}
