//! The file system: asynchronous, and without knowledge of the kernel. Its methods are the kernel's requests in types
//! of our own; [`crate::fuse`] is the only caller besides tests.
//!
//! - [`key`]: names and keys
//! - [`inode`]: the numbers the kernel holds
//! - [`attr`]: attributes and clocks
//! - [`errno`]: errors of S3 as error numbers
//! - [`lookup`]: from a name to what it stands for
//! - [`listing`], [`dir`]: folders
//! - [`symlink`]: symbolic links
//! - [`sync`]: locks that outlive a panic
//! - [`open`]: opening and closing files
//! - [`read`]: data of objects
//! - [`walk`]: what is likely to be asked for next
//! - [`write`]: files that are written
//! - [`names`], [`rename`], [`links`], [`copy`]: names that come, go and move
//!
//! Locks are held for the look at a table and never while something is waited for.

pub mod attr;
pub mod copy;
pub mod dir;
pub mod errno;
pub mod handles;
pub mod inode;
pub mod key;
pub mod links;
pub mod listing;
pub mod lookup;
mod moving;
pub mod names;
pub mod open;
pub mod read;
pub mod rename;
pub mod symlink;
pub mod sync;
pub mod walk;
pub mod write;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::config::fusion::Fusion;
use crate::s3::{Client, Object};
use attr::{Attr, Clock, Entry, Kind, Moment, Time};
use errno::Errno;
use handles::Handles;
use inode::{Found, Ino, Table, Validity};
use key::Place;
use listing::Listings;
use read::pool::Pool;
use sync::lock;

/// Folders of which it is remembered that they hide keys.
const HIDING: usize = 1024;

/// A mounted file system.
#[derive(Debug)]
pub struct Fs {
    /// What the caller set.
    pub settings: Fusion,
    /// What speaks to S3.
    pub client: Client,
    /// The clock for freshness.
    pub clock: Clock,
    /// The budget for memory.
    pub pool: Arc<Pool>,
    /// Listings that answer lookups.
    pub listings: Listings,
    /// Lists of symbolic links.
    pub link_lists: symlink::LinkLists,
    /// Files that are open.
    pub files: Handles<open::OpenFile>,
    /// Folders that are open.
    pub dirs: Handles<dir::OpenDir>,
    /// Files that are written.
    pub written: write::files::Files,
    /// Where this is mounted, as the kernel names it, if it is.
    pub mount_point: OnceLock<PathBuf>,
    /// When this was mounted: the time of folders, which have none in S3.
    pub mounted: Time,
    table: Mutex<Table>,
    list_locks: links::ListLocks,
    moving: moving::Moving,
    sources: read::cache::Sources,
    small: read::smallfiles::SmallFiles,
    file_walks: walk::Walks,
    folder_walks: walk::Walks,
    ahead: walk::Ahead,
    hiding: Mutex<HashSet<Place>>,
}

impl Fs {
    /// A file system of this user and group. Asks S3 for nothing.
    pub fn new(settings: Fusion, client: Client, owner: (u32, u32)) -> Arc<Self> {
        let clock = Clock::start();
        let mounted = Time::from(std::time::SystemTime::now());
        let budget = settings.memory.unwrap_or_else(read::budget::default);
        // The rest is for listings, and for the buffers of connections.
        let pool = Arc::new(Pool::new(budget / 4 * 3));
        Arc::new(Self {
            listings: Listings::new(clock, usize::try_from(budget / 8).unwrap_or(usize::MAX)),
            written: write::files::Files::new(write::context::Context::new(
                client.clone(),
                Arc::clone(&pool),
                settings.cache_location.clone(),
            )),
            settings,
            client,
            clock,
            pool,
            link_lists: symlink::LinkLists::default(),
            files: Handles::default(),
            dirs: Handles::default(),
            mount_point: OnceLock::new(),
            mounted,
            table: Mutex::new(Table::new(mounted, owner)),
            list_locks: links::ListLocks::default(),
            moving: moving::Moving::default(),
            sources: read::cache::Sources::default(),
            small: read::smallfiles::SmallFiles::default(),
            file_walks: walk::Walks::default(),
            folder_walks: walk::Walks::default(),
            ahead: walk::Ahead::default(),
            hiding: Mutex::default(),
        })
    }

    /// The inode table. The guard must not be held across an await.
    pub fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// Takes back lookups of the kernel.
    pub fn forget(&self, ino: Ino, lookups: u64) {
        self.table().forget(ino, lookups);
    }

    /// The attributes of an inode, and how long to believe them. An inode is one version of an object, so S3 is not
    /// asked: what the name stands for by now is found out by lookup and open.
    ///
    /// # Errors
    /// `ESTALE` for an inode that is not known.
    pub fn getattr(&self, ino: Ino) -> Result<Entry, Errno> {
        let table = self.table();
        let attr = table.attr(ino).ok_or(Errno::ESTALE)?;
        Ok(Entry { attr, ttl: Validity::Asked.time() })
    }

    /// The place of a folder.
    ///
    /// # Errors
    /// `ENOTDIR`, or `ESTALE` for an inode that is not known.
    pub fn folder(&self, ino: Ino) -> Result<Place, Errno> {
        let table = self.table();
        match table.get(ino).map(|node| node.kind) {
            Some(Kind::Directory) => table.place(ino).ok_or(Errno::ESTALE),
            Some(_) => Err(Errno::ENOTDIR),
            None => Err(Errno::ESTALE),
        }
    }

    /// An inode's answer to a lookup, believed for what is left of its time.
    pub fn entry_of(&self, table: &Table, ino: Ino) -> Option<Entry> {
        let attr: Attr = table.attr(ino)?;
        Some(Entry { attr, ttl: table.get(ino)?.fresh_for(self.clock.now()) })
    }

    /// Notes that an inode may be of an old version: the next lookup and the next open ask S3.
    pub fn doubt(&self, ino: Ino) {
        let mut table = self.table();
        let Some(node) = table.get_mut(ino) else { return };
        node.checked = Moment::LONG_AGO;
        if let Some(place) = table.place(ino) {
            self.listings.changed(&place.folder());
        }
    }

    /// Notes that names of a folder were changed here, or that they are known to have been changed elsewhere.
    pub fn changed(&self, folder: &Place) {
        self.listings.changed(folder);
    }

    fn parent_of(&self, ino: Ino) -> Ino {
        self.table().get(ino).map_or(inode::ROOT, |node| node.parent().max(inode::ROOT))
    }

    fn first_time_hidden(&self, folder: &Place) -> bool {
        let mut hiding = lock(&self.hiding);
        hiding.len() < HIDING && hiding.insert(folder.clone())
    }
}

/// A folder that is there by configuration.
fn config_entry(fs: &Fs) -> Found {
    Found::folder(fs.mounted, fs.clock.now(), Validity::Settled)
}

/// A whole body.
///
/// # Errors
/// `EFBIG` if it is longer than `most` bytes, before anything is read.
pub async fn collect(mut object: Object, most: u64) -> Result<Vec<u8>, Errno> {
    if object.range.end - object.range.start > most {
        return Err(Errno::EFBIG);
    }
    let mut bytes = Vec::with_capacity((object.range.end - object.range.start) as usize);
    while let Some(chunk) = object.body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| Errno::of_read(&error))?);
    }
    Ok(bytes)
}
