//! The inode table: what the kernel holds a number for, and nothing else.
//!
//! - An inode of a clean object stands for *one version* of it: name and ETag never change under a number. What the
//!   kernel keeps in its page cache by that number is therefore never a mixture. An object that was replaced gets
//!   a new number; the old one is *detached*: it has no name any more and lives until the kernel forgets it.
//! - An inode that is written here is *local*: its content is the kernel's and ours, S3 learns of it later. Nothing
//!   that S3 says replaces it.
//! - The kernel counts its lookups and takes them back by FORGET. An entry goes when that count, its children and
//!   its pins are all gone, so a table shrinks with the kernel's own caches.
//!
//! An entry takes less than 300 bytes for names of usual length.

use std::collections::{BTreeSet, HashMap, hash_map::RandomState};
use std::hash::BuildHasher;
use std::time::Duration;

use hashbrown::HashTable;

use super::attr::{Attr, Kind, MODE, Moment, Time};
use super::key::Place;
use crate::s3::Etag;
pub use found::{Found, Validity};

mod found;

/// An inode's number. Never used twice.
pub type Ino = u64;

/// The mount point, whose children are buckets.
pub const ROOT: Ino = 1;

/// Entries for which a table is not made smaller.
const LARGE: usize = 4096;

/// One entry.
#[derive(Debug)]
pub struct Node {
    parent: Ino,
    name: Box<str>,
    lookups: u64,
    children: u32,
    pins: u32,
    /// The version this is; `None` for directories, and for what S3 does not have yet.
    pub etag: Option<Etag>,
    /// Bytes.
    pub size: u64,
    /// Last change.
    pub modified: Time,
    /// When S3 last confirmed this.
    pub checked: Moment,
    /// How long that is believed.
    pub valid: Validity,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// In the archive: it has attributes, and cannot be read.
    pub archived: bool,
    local: bool,
    detached: bool,
    /// User and group, if not those of the mount.
    pub owner: Option<Box<(u32, u32)>>,
}

impl Node {
    /// The folder it is in; of a detached one, the folder it was in.
    pub fn parent(&self) -> Ino {
        self.parent
    }

    /// Its name there.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It is, or has been, written here and S3 does not have it yet.
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// Its name stands for it, and it is this version.
    pub fn is_version(&self, etag: &Etag) -> bool {
        !self.local && !self.detached && self.etag.as_ref() == Some(etag)
    }

    /// Its name stands for something else, or for nothing.
    pub fn is_detached(&self) -> bool {
        self.detached
    }

    /// How long it may be believed from `now` on.
    pub fn fresh_for(&self, now: Moment) -> Duration {
        if self.local {
            return Validity::Asked.time();
        }
        self.valid.time().saturating_sub(self.checked.age(now))
    }

    fn is_same(&self, found: &Found) -> bool {
        self.kind == found.kind && self.etag == found.etag
    }

    fn refresh(&mut self, found: Found) {
        // An answer that was under way while a newer one came is the older one.
        if found.checked < self.checked {
            return;
        }
        (self.size, self.archived) = (found.size, found.archived);
        (self.checked, self.valid) = (found.checked, found.valid);
        if self.kind != Kind::Directory {
            self.modified = found.modified;
        }
    }
}

/// All inodes. Methods take and return numbers; the caller holds the lock for as long as an answer has to stay true.
#[derive(Debug)]
pub struct Table {
    nodes: HashMap<Ino, Box<Node>>,
    names: HashTable<Ino>,
    hasher: RandomState,
    locals: HashMap<Ino, BTreeSet<Ino>>,
    next: Ino,
    owner: (u32, u32),
}

impl Table {
    /// A table with the mount point alone, made at `now`, of this user and group.
    pub fn new(now: Time, owner: (u32, u32)) -> Self {
        let root = Found::folder(now, Moment::LONG_AGO, Validity::Settled);
        let mut table = Self {
            nodes: HashMap::new(),
            names: HashTable::new(),
            hasher: RandomState::new(),
            locals: HashMap::new(),
            next: ROOT + 1,
            owner,
        };
        table.nodes.insert(ROOT, Box::new(node(0, "", root)));
        table
    }

    /// The number of entries, the mount point among them.
    #[allow(clippy::len_without_is_empty)] // It is never empty.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// An entry.
    pub fn get(&self, ino: Ino) -> Option<&Node> {
        self.nodes.get(&ino).map(Box::as_ref)
    }

    /// An entry, to be changed.
    pub fn get_mut(&mut self, ino: Ino) -> Option<&mut Node> {
        self.nodes.get_mut(&ino).map(Box::as_mut)
    }

    /// The inode that a name stands for.
    pub fn child(&self, parent: Ino, name: &str) -> Option<Ino> {
        let nodes = &self.nodes;
        self.names.find(self.hash(parent, name), |ino| is_at(&nodes[ino], parent, name)).copied()
    }

    /// The attributes of an inode.
    pub fn attr(&self, ino: Ino) -> Option<Attr> {
        let node = self.get(ino)?;
        let (uid, gid) = node.owner.as_deref().copied().unwrap_or(self.owner);
        let (kind, size, modified, mode) = (node.kind, node.size, node.modified, node.mode);
        Some(Attr { ino, kind, size, modified, mode, uid, gid, named: !node.detached })
    }

    /// Gives an inode another user or group, or both.
    pub fn set_owner(&mut self, ino: Ino, uid: Option<u32>, gid: Option<u32>) {
        let common = self.owner;
        let Some(node) = self.get_mut(ino) else { return };
        let now = node.owner.as_deref().copied().unwrap_or(common);
        let owner = (uid.unwrap_or(now.0), gid.unwrap_or(now.1));
        node.owner = (owner != common).then(|| Box::new(owner));
    }

    /// Where an inode is in S3. `None` if it is not in the table.
    pub fn place(&self, ino: Ino) -> Option<Place> {
        let mut names = Vec::new();
        let mut at = ino;
        while at != ROOT {
            let node = self.get(at)?;
            names.push(&*node.name);
            at = node.parent;
        }
        names.reverse();
        let folder = self.get(ino)?.kind == Kind::Directory;
        Some(Place::of(&names, folder))
    }

    /// The inode of a name of which S3 has said something, a new one if it stands for another version by now. The
    /// caller must [`Self::remember`] it under the same lock.
    ///
    /// A local inode is left as it is: S3 does not know yet. So is one of which something newer is known.
    pub fn found(&mut self, parent: Ino, name: &str, found: Found) -> Ino {
        if let Some(ino) = self.child(parent, name) {
            let node = self.nodes.get_mut(&ino).expect("a name leads to an entry");
            if node.local {
                return ino;
            }
            if node.is_same(&found) {
                node.refresh(found);
                return ino;
            }
            if found.checked < node.checked {
                return ino;
            }
            self.detach(ino);
        }
        self.add(parent, name, found)
    }

    /// A new inode in the place of none. The caller must [`Self::remember`] or [`Self::pin`] it.
    pub fn add(&mut self, parent: Ino, name: &str, found: Found) -> Ino {
        debug_assert_eq!(self.child(parent, name), None, "a name stands for one inode");
        let ino = self.next;
        self.next += 1;
        self.nodes.insert(ino, Box::new(node(parent, name, found)));
        self.count_child(parent, 1);
        self.attach(ino);
        ino
    }

    /// Takes the name away from an inode, which lives on for those who have it.
    pub fn detach(&mut self, ino: Ino) {
        self.set_local(ino, false);
        let Some(node) = self.nodes.get(&ino).filter(|node| !node.detached) else { return };
        let hash = self.hash(node.parent, &node.name);
        if let Ok(found) = self.names.find_entry(hash, |other| *other == ino) {
            found.remove();
        }
        self.nodes.get_mut(&ino).expect("it was just there").detached = true;
        self.drop_unused(ino);
    }

    /// Gives an inode another name, which must stand for nothing. What is below a folder moves with it.
    pub fn rename(&mut self, ino: Ino, parent: Ino, name: &str) {
        debug_assert_eq!(self.child(parent, name), None, "a name stands for one inode");
        let Some(old) = self.nodes.get(&ino).filter(|node| !node.detached) else { return };
        let (old_parent, local) = (old.parent, old.local);
        self.set_local(ino, false);
        let hash = self.hash(old_parent, &self.nodes[&ino].name);
        if let Ok(found) = self.names.find_entry(hash, |other| *other == ino) {
            found.remove();
        }
        self.count_child(parent, 1);
        let node = self.nodes.get_mut(&ino).expect("it was just there");
        (node.parent, node.name) = (parent, name.into());
        self.attach(ino);
        self.set_local(ino, local);
        self.count_child(old_parent, -1);
        self.drop_unused(old_parent);
    }

    /// Marks an inode as written here, or as known to S3.
    pub fn set_local(&mut self, ino: Ino, local: bool) {
        let Some(node) = self.nodes.get_mut(&ino).filter(|node| node.local != local) else { return };
        node.local = local;
        let parent = node.parent;
        if local {
            self.locals.entry(parent).or_default().insert(ino);
        } else if let Some(siblings) = self.locals.get_mut(&parent) {
            siblings.remove(&ino);
            if siblings.is_empty() {
                self.locals.remove(&parent);
            }
        }
    }

    /// The local inodes of a folder.
    pub fn locals(&self, parent: Ino) -> impl Iterator<Item = Ino> + '_ {
        self.locals.get(&parent).into_iter().flatten().copied()
    }

    /// All local inodes, in no order.
    pub fn all_locals(&self) -> impl Iterator<Item = Ino> + '_ {
        self.locals.values().flatten().copied()
    }

    /// Counts one lookup: the kernel is given this inode.
    pub fn remember(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.lookups += 1;
        }
    }

    /// Takes back lookups. True if the entry is gone.
    pub fn forget(&mut self, ino: Ino, lookups: u64) -> bool {
        let Some(node) = self.nodes.get_mut(&ino) else { return true };
        node.lookups = node.lookups.saturating_sub(lookups);
        self.drop_unused(ino)
    }

    /// Keeps an inode whatever the kernel forgets, until as many [`Self::unpin`].
    pub fn pin(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.pins += 1;
        }
    }

    /// Takes back one pin.
    pub fn unpin(&mut self, ino: Ino) {
        if let Some(node) = self.nodes.get_mut(&ino) {
            node.pins = node.pins.saturating_sub(1);
            self.drop_unused(ino);
        }
    }

    fn attach(&mut self, ino: Ino) {
        let node = &self.nodes[&ino];
        let hash = self.hash(node.parent, &node.name);
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.names.insert_unique(hash, ino, |ino| hash_of(hasher, nodes[ino].parent, &nodes[ino].name));
    }

    fn count_child(&mut self, parent: Ino, by: i32) {
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children = node.children.saturating_add_signed(by);
        }
    }

    /// Removes an entry that nobody holds, and then its parents that were held by it alone.
    fn drop_unused(&mut self, ino: Ino) -> bool {
        let mut at = ino;
        loop {
            let Some(node) = self.nodes.get(&at) else { return true };
            if at == ROOT || node.lookups > 0 || node.children > 0 || node.pins > 0 || node.local {
                return at != ino;
            }
            let (parent, detached) = (node.parent, node.detached);
            if !detached {
                let hash = self.hash(parent, &node.name);
                if let Ok(found) = self.names.find_entry(hash, |other| *other == at) {
                    found.remove();
                }
            }
            self.nodes.remove(&at);
            self.shrink();
            self.count_child(parent, -1);
            at = parent;
        }
    }

    /// Gives memory back when most of the table has gone.
    fn shrink(&mut self) {
        let room = self.nodes.capacity();
        if room < LARGE || self.nodes.len() > room / 8 {
            return;
        }
        let len = self.nodes.len() * 2;
        self.nodes.shrink_to(len);
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.names.shrink_to(len, |ino| hash_of(hasher, nodes[ino].parent, &nodes[ino].name));
    }

    fn hash(&self, parent: Ino, name: &str) -> u64 {
        hash_of(&self.hasher, parent, name)
    }
}

fn node(parent: Ino, name: &str, found: Found) -> Node {
    Node {
        parent,
        name: name.into(),
        lookups: 0,
        children: 0,
        pins: 0,
        etag: found.etag,
        size: found.size,
        modified: found.modified,
        checked: found.checked,
        valid: found.valid,
        kind: found.kind,
        mode: MODE,
        archived: found.archived,
        local: false,
        detached: false,
        owner: None,
    }
}

fn is_at(node: &Node, parent: Ino, name: &str) -> bool {
    node.parent == parent && *node.name == *name
}

fn hash_of(hasher: &RandomState, parent: Ino, name: &str) -> u64 {
    hasher.hash_one((parent, name))
}

#[cfg(test)]
mod tests;
