//! Small files that are read one after the other, in the order of their folder: the next ones are fetched together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::cache::{Block, Source};
use crate::fs::Fs;
use crate::fs::attr::{Kind, Moment};
use crate::fs::inode::Ino;
use crate::fs::key::Place;
use crate::fs::listing::Item;
use crate::fs::sync::lock;
use crate::s3::Etag;

/// Largest file that is fetched before it is opened, in bytes.
const SMALL: u64 = 256 << 10;
/// Files that are fetched ahead.
const AHEAD: usize = 32;
/// Files opened in order after which the next ones are expected.
const STEPS: u32 = 3;
/// How long what was fetched waits to be opened.
const KEPT: Duration = Duration::from_secs(10);
/// Most files that wait.
const MOST: usize = 1024;

/// Files that were fetched and not opened yet.
#[derive(Debug, Default)]
pub struct SmallFiles(Mutex<HashMap<Place, Ready>>);

/// The whole content of a file, there or on its way.
#[derive(Debug)]
pub struct Ready {
    /// All of it.
    pub block: Arc<Block>,
    /// When S3 was asked for it: a version that was the newest then.
    pub checked: Moment,
    etag: Etag,
}

impl SmallFiles {
    /// The content of a version, for whom opens it.
    pub fn take(&self, place: &Place, etag: &Etag) -> Option<Ready> {
        let ready = lock(&self.0).remove(place)?;
        (ready.etag == *etag && !ready.block.has_failed()).then_some(ready)
    }

    fn put(&self, place: Place, ready: Ready) {
        let mut waiting = lock(&self.0);
        let now = ready.checked;
        if waiting.len() >= AHEAD {
            waiting.retain(|_, other| other.checked.age(now) < KEPT);
        }
        if waiting.len() < MOST {
            waiting.insert(place, ready);
        }
    }
}

impl Fs {
    /// Notes that a file is opened, and fetches the next ones if they are likely to be opened next.
    pub(in crate::fs) fn fetch_next_files(self: &Arc<Self>, parent: Ino, place: &Place, size: u64) {
        if size > SMALL {
            return;
        }
        let Ok(folder) = self.folder(parent) else { return };
        let Some(listing) = self.listings.get(&folder) else { return };
        let name = place.key.strip_prefix(&folder.key).unwrap_or_default();
        let is_small = |item: &Item| item.kind == Kind::File && (1..=SMALL).contains(&item.size());
        for item in self.file_walks.step(&folder, listing, name, (STEPS, AHEAD), is_small) {
            let (Ok(place), Some(etag)) = (folder.child(item.name()), item.etag()) else { continue };
            let Some(charge) = self.pool.reserve_ahead(item.size() as usize) else { return };
            let checked = self.clock.now();
            let (client, pool) = (self.client.clone(), Arc::clone(&self.pool));
            let source = Source::new(client, pool, place.clone(), etag.clone(), item.size());
            let block = Arc::new(source).exact(0..item.size(), charge);
            self.small.put(place, Ready { block, checked, etag });
        }
    }
}
