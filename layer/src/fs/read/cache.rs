//! Data of one version of an object, shared by all who read it.
//!
//! A [`Block`] is filled by one fetch and can be read while it is filled. Blocks are held by the windows of the files
//! that are open; the [`Source`] only knows them, so that a second reader of the same place finds them. When nobody
//! holds any block of a fetch any more, the fetch ends and its connection closes.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::pool::{Charge, Pool, SLAB};
use crate::fs::errno::Errno;
use crate::fs::inode::Ino;
use crate::fs::key::Place;
use crate::fs::sync::lock;
use crate::s3::{Body, Client, Etag, Get};

/// One version of an object.
#[derive(Debug)]
pub struct Source {
    client: Client,
    pool: Arc<Pool>,
    place: Place,
    etag: Etag,
    size: u64,
    blocks: Mutex<HashMap<u64, Weak<Block>>>,
}

/// The versions that are open, by inode: who opens one again reads from the same blocks.
#[derive(Debug, Default)]
pub struct Sources(Mutex<HashMap<Ino, Weak<Source>>>);

impl Sources {
    /// The source of an inode: the one that is open if it is of the same version and place, else this new one.
    pub fn get(&self, ino: Ino, new: Source) -> Arc<Source> {
        let mut sources = lock(&self.0);
        let is_same = |open: &Arc<Source>| open.etag == new.etag && open.place == new.place;
        if let Some(source) = sources.get(&ino).and_then(Weak::upgrade).filter(is_same) {
            return source;
        }
        let source = Arc::new(new);
        sources.insert(ino, Arc::downgrade(&source));
        source
    }

    /// Forgets an inode: it is another version now, or elsewhere. Who has it open keeps what he has.
    pub fn forget(&self, ino: Ino) {
        lock(&self.0).remove(&ino);
    }

    /// Forgets an inode that nobody has open any more.
    pub fn drop_unused(&self, ino: Ino) {
        let mut sources = lock(&self.0);
        if sources.get(&ino).is_some_and(|source| source.strong_count() == 0) {
            sources.remove(&ino);
        }
    }
}

/// Ends a fetch when the last block that belongs to it goes.
#[derive(Debug, Default)]
struct Fetching(OnceLock<AbortHandle>);

impl Drop for Fetching {
    fn drop(&mut self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}

/// A range of an object in memory, or on its way there.
#[derive(Debug)]
pub struct Block {
    range: Range<u64>,
    filling: Mutex<Filling>,
    full: OnceLock<Vec<u8>>,
    progress: Notify,
    pool: Arc<Pool>,
    fetch: Arc<Fetching>,
    _charge: Charge,
}

/// A block to fill, and its length.
type Target = (Weak<Block>, usize);

#[derive(Debug, Default)]
struct Filling {
    data: Vec<u8>,
    error: Option<Errno>,
}

impl Source {
    /// A version of the object at a place.
    pub fn new(client: Client, pool: Arc<Pool>, place: Place, etag: Etag, size: u64) -> Self {
        Self { client, pool, place, etag, size, blocks: Mutex::default() }
    }

    /// Bytes of the object.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The version.
    pub fn etag(&self) -> &Etag {
        &self.etag
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The budget its blocks are taken from.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The blocks of a range, which are fetched unless somebody else reads the same place. `None` if there is no
    /// memory to read ahead.
    pub fn stream(self: &Arc<Self>, range: Range<u64>) -> Option<Vec<Arc<Block>>> {
        let cuts = cuts(&range);
        {
            let known = lock(&self.blocks);
            let find = |cut: &Range<u64>| {
                let block = known.get(&cut.start)?.upgrade()?;
                (block.range == *cut && !block.has_failed()).then_some(block)
            };
            if let Some(blocks) = cuts.iter().map(find).collect() {
                return Some(blocks);
            }
        }
        let charges: Option<Vec<Charge>> =
            cuts.iter().map(|cut| self.pool.reserve_ahead((cut.end - cut.start) as usize)).collect();
        let blocks = self.begin(cuts.into_iter().zip(charges?).collect());
        let mut known = lock(&self.blocks);
        if known.len() >= 64 {
            known.retain(|_, block| block.strong_count() > 0);
        }
        known.extend(blocks.iter().map(|block| (block.range.start, Arc::downgrade(block))));
        drop(known);
        self.start(&blocks, None);
        Some(blocks)
    }

    /// One block for a range that somebody waits for.
    pub fn exact(self: &Arc<Self>, range: Range<u64>, charge: Charge) -> Arc<Block> {
        let blocks = self.begin(vec![(range, charge)]);
        self.start(&blocks, None);
        blocks.into_iter().next().expect("one range gives one block")
    }

    /// One block for a whole object whose body is on its way.
    pub fn whole(self: &Arc<Self>, body: Body, charge: Charge) -> Arc<Block> {
        let blocks = self.begin(vec![(0..self.size, charge)]);
        self.start(&blocks, Some(body));
        blocks.into_iter().next().expect("one range gives one block")
    }

    fn begin(&self, cuts: Vec<(Range<u64>, Charge)>) -> Vec<Arc<Block>> {
        let fetch = Arc::new(Fetching::default());
        let block = |(range, charge): (Range<u64>, Charge)| {
            let data = self.pool.buffer((range.end - range.start) as usize);
            Arc::new(Block {
                range,
                filling: Mutex::new(Filling { data, error: None }),
                full: OnceLock::new(),
                progress: Notify::new(),
                pool: Arc::clone(&self.pool),
                fetch: Arc::clone(&fetch),
                _charge: charge,
            })
        };
        cuts.into_iter().map(block).collect()
    }

    fn start(self: &Arc<Self>, blocks: &[Arc<Block>], body: Option<Body>) {
        let source = Arc::clone(self);
        let fetch = Arc::clone(&blocks[0].fetch);
        let range = blocks[0].range.start..blocks[blocks.len() - 1].range.end;
        let weak: Vec<Target> = blocks.iter().map(|block| (Arc::downgrade(block), block.len())).collect();
        let task = tokio::spawn(async move {
            let result = match body {
                Some(body) => fill(body, &weak).await,
                None => source.fetch(range, &weak).await,
            };
            if let Err(error) = result {
                weak.iter().filter_map(|(block, _)| block.upgrade()).for_each(|block| block.fail(error));
            }
        });
        let _ = fetch.0.set(task.abort_handle());
    }

    async fn fetch(&self, range: Range<u64>, blocks: &[Target]) -> Result<(), Errno> {
        let get = Get { range: Some(range), if_match: Some(&self.etag) };
        let object = self.client.get_resumed(&self.place.bucket, &self.place.key, get).await;
        fill(object.map_err(|error| Errno::of_read(&error))?.body, blocks).await
    }
}

/// Pours a body into blocks, in order. One that nobody holds any more is passed over.
async fn fill(mut body: Body, blocks: &[Target]) -> Result<(), Errno> {
    let mut at = blocks.iter();
    let (mut block, mut left) = (None, 0);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| Errno::of_read(&error))?;
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            if left == 0 {
                let Some((next, bytes)) = at.next() else { return Err(Errno::EIO) };
                (block, left) = (Some(next), *bytes);
            }
            let (now, later) = rest.split_at(left.min(rest.len()));
            if let Some(block) = block.and_then(Weak::upgrade) {
                block.append(now);
            }
            left -= now.len();
            rest = later;
        }
    }
    if left == 0 && at.next().is_none() { Ok(()) } else { Err(Errno::EIO) }
}

/// Cuts a range at the boundaries of slabs.
fn cuts(range: &Range<u64>) -> Vec<Range<u64>> {
    let mut cuts = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let end = ((at / SLAB as u64 + 1) * SLAB as u64).min(range.end);
        cuts.push(at..end);
        at = end;
    }
    cuts
}

impl Block {
    /// What it holds of the object.
    pub fn range(&self) -> &Range<u64> {
        &self.range
    }

    /// It will never be full.
    pub fn has_failed(&self) -> bool {
        lock(&self.filling).error.is_some()
    }

    /// The data, when all of it is there.
    pub fn full(&self) -> Option<&[u8]> {
        self.full.get().map(Vec::as_slice)
    }

    fn len(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }

    /// Waits until the block is filled up to `end`, a place in the object.
    ///
    /// # Errors
    /// Why the fetch ended before that.
    pub async fn wait(&self, end: u64) -> Result<(), Errno> {
        let wanted = (end - self.range.start) as usize;
        loop {
            let mut progress = std::pin::pin!(self.progress.notified());
            progress.as_mut().enable();
            if self.full.get().is_some() {
                return Ok(());
            }
            {
                let filling = lock(&self.filling);
                // `full` may have been set, and `data` moved there, since we looked.
                if self.full.get().is_some() || filling.data.len() >= wanted {
                    return Ok(());
                }
                if let Some(error) = filling.error {
                    return Err(error);
                }
            }
            progress.await;
        }
    }

    /// Appends a range of the object that has been waited for.
    pub fn copy(&self, range: Range<u64>, to: &mut Vec<u8>) {
        let (start, end) =
            ((range.start - self.range.start) as usize, (range.end - self.range.start) as usize);
        if let Some(full) = self.full() {
            return to.extend_from_slice(&full[start..end]);
        }
        let filling = lock(&self.filling);
        match self.full() {
            Some(full) => to.extend_from_slice(&full[start..end]),
            None => to.extend_from_slice(&filling.data[start..end]),
        }
    }

    fn append(&self, bytes: &[u8]) {
        let mut filling = lock(&self.filling);
        filling.data.extend_from_slice(bytes);
        if filling.data.len() == self.len() {
            let _ = self.full.set(std::mem::take(&mut filling.data));
        }
        drop(filling);
        self.progress.notify_waiters();
    }

    fn fail(&self, error: Errno) {
        if self.full.get().is_none() {
            lock(&self.filling).error = Some(error);
            self.progress.notify_waiters();
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(full) = self.full.take() {
            self.pool.give_back(full);
        }
    }
}
