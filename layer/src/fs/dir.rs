//! Reading folders: pages of LIST as a stream, the next page on its way while one is read.
//!
//! A cookie, the kernel's place in a folder, is the number of the item after it: `.` and `..`, then what S3 lists, then
//! from `LOCAL` on what is only here. A folder of any size is read with the memory of few pages; the pages are kept
//! all together only as long as they can become a listing that answers lookups.

mod stream;

use std::collections::HashMap;
use std::sync::Arc;

use super::attr::{Entry, Kind};
use super::errno::Errno;
use super::inode::{Found, Ino, ROOT, Validity};
use super::key::Place;
use super::{Fs, config_entry};
use stream::Stream;

/// Cookies of `.` and `..`.
const DOTS: u64 = 2;
/// First cookie of names that S3 does not list yet.
const LOCAL: u64 = 1 << 62;

/// Takes the names of a folder.
pub trait Sink: Send {
    /// Takes a name with the attributes of its inode, of which a lookup is counted. True if it had no room.
    fn entry(&mut self, cookie: u64, name: &str, entry: &Entry) -> bool;
    /// Takes a name with its kind and, if it has one, the number of its inode. True if it had no room.
    fn name(&mut self, cookie: u64, name: &str, ino: Option<Ino>, kind: Kind) -> bool;
}

/// What the kernel wants to know of each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Name and kind.
    Names,
    /// Attributes as well, which count as a lookup.
    Attributes,
}

/// A folder that is open.
#[derive(Debug)]
pub struct OpenDir {
    ino: Ino,
    place: Place,
    reading: tokio::sync::Mutex<Reading>,
}

/// One pass through a folder.
#[derive(Debug)]
struct Reading {
    stream: Stream,
    /// The names that were only here when the pass began: they are given at its end, and by no page, whatever becomes
    /// of them meanwhile.
    locals: HashMap<Box<str>, Ino>,
    begun: bool,
}

impl Fs {
    /// Opens a folder. Asks S3 for nothing.
    ///
    /// # Errors
    /// `ENOTDIR`, or `ESTALE` for an inode that is not known.
    pub fn opendir(self: &Arc<Self>, ino: Ino) -> Result<u64, Errno> {
        let place = self.folder(ino)?;
        self.foresee(ino, &place);
        let reading = tokio::sync::Mutex::new(self.begin_reading(ino, &place));
        Ok(self.dirs.add(OpenDir { ino, place, reading }))
    }

    fn begin_reading(&self, ino: Ino, place: &Place) -> Reading {
        let table = self.table();
        let named = |ino| Some((table.get(ino)?.name().into(), ino));
        let locals = table.locals(ino).filter_map(named).collect();
        drop(table);
        // After the names: what is committed from now on is among them.
        let current = self.listings.get(place).filter(|known| known.is_current(self.clock.now()));
        let stream = current.map_or_else(Stream::default, |listing| Stream::of(&listing));
        Reading { stream, locals, begun: false }
    }

    /// Closes a folder.
    pub fn releasedir(&self, handle: u64) {
        self.dirs.remove(handle);
    }

    /// Gives the names from a cookie on to `sink` until it has no room, or the folder ends, or more would have to be
    /// waited for. A folder that has ended gives none.
    ///
    /// # Errors
    /// What S3 says, if there is no name to give before it says so.
    pub async fn readdir(
        self: &Arc<Self>,
        handle: u64,
        cookie: u64,
        detail: Detail,
        sink: &mut impl Sink,
    ) -> Result<(), Errno> {
        let dir = self.dirs.get(handle).ok_or(Errno::EBADF)?;
        let mut at = cookie;
        while at < DOTS {
            let (name, ino) = if at == 0 { (".", dir.ino) } else { ("..", self.parent_of(dir.ino)) };
            at += 1;
            if sink.name(at, name, Some(ino), Kind::Directory) {
                return Ok(());
            }
        }
        if dir.ino == ROOT {
            return self.read_root(at, detail, sink);
        }
        let mut reading = dir.reading.lock().await;
        if cookie == 0 && std::mem::replace(&mut reading.begun, true) {
            // Somebody reads it again from the start.
            *reading = Reading { begun: true, ..self.begin_reading(dir.ino, &dir.place) };
        }
        let Reading { stream, locals, .. } = &mut *reading;
        while at < LOCAL {
            let number = at - DOTS;
            if number < stream.base {
                // Back to where nothing is kept any more: from the start again.
                *stream = Stream::default();
            }
            let Some(page) = stream.page_at(number) else {
                let waits = !stream.is_ready();
                if waits && at > cookie.max(DOTS) {
                    return Ok(());
                }
                match stream.advance(self, &dir.place).await {
                    Ok(true) => {}
                    Ok(false) => at = LOCAL,
                    // Those that were given are not lost: who asks for more is told.
                    Err(_) if at > cookie => return Ok(()),
                    Err(errno) => return Err(errno),
                }
                continue;
            };
            let (items, first) = page;
            for item in &items.items[(number - first) as usize..] {
                let is_local = locals.contains_key(item.name());
                if !is_local && self.give(&dir, at + 1, item, stream, detail, sink) {
                    return Ok(());
                }
                at += 1;
            }
        }
        self.read_locals(&dir, locals, at, detail, sink);
        Ok(())
    }

    fn give(
        &self,
        dir: &OpenDir,
        cookie: u64,
        item: &super::listing::Item,
        stream: &Stream,
        detail: Detail,
        sink: &mut impl Sink,
    ) -> bool {
        let mut table = self.table();
        if detail == Detail::Names {
            return sink.name(cookie, item.name(), table.child(dir.ino, item.name()), item.kind);
        }
        let found = item.found(stream.checked, self.listings.validity(&dir.place), self.mounted);
        give_entry(&mut table, self, dir.ino, cookie, item.name(), found, sink)
    }

    fn read_root(&self, mut at: u64, detail: Detail, sink: &mut impl Sink) -> Result<(), Errno> {
        let names: Vec<&str> = self.settings.buckets.names().skip((at - DOTS) as usize).collect();
        for name in names {
            at += 1;
            let mut table = self.table();
            let full = match detail {
                Detail::Names => sink.name(at, name, table.child(ROOT, name), Kind::Directory),
                Detail::Attributes => give_entry(&mut table, self, ROOT, at, name, config_entry(self), sink),
            };
            if full {
                break;
            }
        }
        Ok(())
    }

    /// Names that S3 did not list, or listed in an older version, when the pass began. The numbers that their inodes
    /// had then are the order.
    fn read_locals(
        &self,
        dir: &OpenDir,
        locals: &HashMap<Box<str>, Ino>,
        at: u64,
        detail: Detail,
        sink: &mut impl Sink,
    ) {
        let mut table = self.table();
        let after = at - LOCAL;
        let mut locals: Vec<(Ino, &str)> = locals.iter().map(|(name, &ino)| (ino, &**name)).collect();
        locals.retain(|&(ino, _)| ino > after);
        locals.sort_unstable();
        for (order, name) in locals {
            // It may have gone, or be another one by now.
            let Some(ino) = table.child(dir.ino, name) else { continue };
            let Some(attr) = table.attr(ino) else { continue };
            let full = match detail {
                Detail::Names => sink.name(LOCAL + order, name, Some(ino), attr.kind),
                Detail::Attributes => {
                    let entry = Entry { attr, ttl: Validity::Asked.time() };
                    let full = sink.entry(LOCAL + order, name, &entry);
                    if !full {
                        table.remember(ino);
                    }
                    full
                }
            };
            if full {
                return;
            }
        }
    }
}

/// Gives one name with its attributes, and counts the lookup if it was taken.
fn give_entry(
    table: &mut super::inode::Table,
    fs: &Fs,
    parent: Ino,
    cookie: u64,
    name: &str,
    found: Found,
    sink: &mut impl Sink,
) -> bool {
    let ino = table.found(parent, name, found);
    table.remember(ino);
    let entry = fs.entry_of(table, ino).expect("it was just added");
    let full = sink.entry(cookie, name, &entry);
    if full {
        table.forget(ino, 1);
    }
    full
}
