//! Reading objects.
//!
//! - [`pool`]: the budget for memory
//! - [`window`]: where a file is read, and how far ahead is worth it
//! - [`cache`]: data of one version of an object, on its way or there
//! - [`random`]: reads that do not stream
//! - [`smallfiles`]: the next files of a folder that is read file by file
//! - this file: one open file, which brings them together

pub mod budget;
pub mod cache;
pub mod pool;
pub mod random;
pub mod smallfiles;
pub mod window;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use cache::{Block, Source};
use pool::Holder;
use random::{Recent, holds};
use window::{Step, Window};

use super::errno::Errno;
use crate::fs::sync::lock;

/// What a read gives: a slice of a block, or bytes that were put together.
#[derive(Debug)]
pub struct Data(Held);

#[derive(Debug)]
enum Held {
    Block(Arc<Block>, Range<usize>),
    Bytes(Vec<u8>),
}

impl Data {
    /// No bytes: the end of a file.
    pub fn empty() -> Self {
        Self(Held::Bytes(Vec::new()))
    }

    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Held::Bytes(bytes))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Held::Block(block, range) => {
                &block.full().expect("a block that was full stays so")[range.clone()]
            }
            Held::Bytes(bytes) => bytes,
        }
    }
}

/// A file that was not read for this long gives its memory back when others need it.
const IDLE: Duration = Duration::from_secs(1);

/// A file that is open for reading.
#[derive(Debug)]
pub struct Reader {
    source: Arc<Source>,
    /// All of a small file, if it came with the opening.
    whole: Option<Arc<Block>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    window: Window,
    /// What the window holds, in order of the file.
    blocks: VecDeque<Arc<Block>>,
    recent: Recent,
    used: Option<Instant>,
}

/// Where the bytes of one read come from.
enum Piece {
    Block(Arc<Block>, Range<u64>),
    Missing(Range<u64>),
}

impl Reader {
    /// Opens a version of an object. `whole` is a block of all of it, if there is one already.
    pub fn new(source: Arc<Source>, whole: Option<Arc<Block>>) -> Arc<Self> {
        let pool = Arc::clone(source.pool());
        let reader = Arc::new(Self { source, whole, state: Mutex::default() });
        let holder: Weak<Self> = Arc::downgrade(&reader);
        pool.enter(holder);
        reader
    }

    /// The version it reads.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Reads `bytes` from `offset`, fewer only at the end of the object.
    ///
    /// # Errors
    /// What S3 says; `ESTALE` if the object was replaced or removed since it was opened.
    pub async fn read(&self, offset: u64, bytes: usize) -> Result<Data, Errno> {
        let end = offset.saturating_add(bytes as u64).min(self.source.size());
        if offset >= end {
            return Ok(Data::empty());
        }
        let range = offset..end;
        let pieces = self.plan(&range);
        if pieces.iter().any(|piece| matches!(piece, Piece::Missing(_))) {
            self.source.pool().ask_idle();
        }
        if let [Piece::Block(block, range)] = &pieces[..] {
            block.wait(range.end).await?;
            if block.full().is_some() {
                let start = block.range().start;
                let within = (range.start - start) as usize..(range.end - start) as usize;
                return Ok(Data(Held::Block(Arc::clone(block), within)));
            }
        }
        self.gather(pieces, bytes.min((end - offset) as usize)).await
    }

    /// Waits for all pieces, and then puts them together: what is waited for holds no buffer yet.
    async fn gather(&self, pieces: Vec<Piece>, bytes: usize) -> Result<Data, Errno> {
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            parts.push(match piece {
                Piece::Block(block, range) => (block, range),
                Piece::Missing(range) => (self.exact(&range).await, range),
            });
        }
        for (block, range) in &parts {
            block.wait(range.end).await?;
        }
        let mut data = Vec::with_capacity(bytes);
        for (block, range) in parts {
            block.copy(range, &mut data);
        }
        Ok(Data(Held::Bytes(data)))
    }

    /// Starts what this read makes worth fetching, and says where its bytes come from.
    fn plan(&self, range: &Range<u64>) -> Vec<Piece> {
        if let Some(block) = self.whole.as_ref().filter(|block| holds(block, range)) {
            return vec![Piece::Block(Arc::clone(block), range.clone())];
        }
        let mut state = lock(&self.state);
        let state = &mut *state;
        state.used = Some(Instant::now());
        state.drop_failed();
        let share = self.source.pool().share();
        let step = state.window.read(range, self.source.size(), share);
        if state.window.is_new() {
            state.blocks.clear();
        }
        if let Step::Stream(fetches) = step {
            state.recent.clear();
            for fetch in fetches {
                let start = fetch.start;
                match self.source.stream(fetch) {
                    Some(blocks) => state.blocks.extend(blocks),
                    None => {
                        state.window.cut(start);
                        break;
                    }
                }
            }
        }
        let pieces = state.pieces(range);
        let behind = state.window.behind(share);
        state.blocks.retain(|block| block.range().end > behind);
        pieces
    }

    /// The block of a range that no window holds.
    async fn exact(&self, range: &Range<u64>) -> Arc<Block> {
        let known = lock(&self.state).recent.find(range);
        if let Some(block) = known {
            return block;
        }
        let units = random::units(range, self.source.size());
        let bytes = (units.end - units.start) as usize;
        match self.source.pool().reserve_ahead(bytes) {
            Some(charge) => lock(&self.state).recent.fetch(&self.source, units, charge),
            // It must go with the answer, so it is not kept.
            None => {
                let charge = self.source.pool().reserve(bytes).await;
                self.source.exact(units, charge)
            }
        }
    }
}

impl State {
    fn drop_failed(&mut self) {
        if let Some(failed) = self.blocks.iter().find(|block| block.has_failed()) {
            self.window.cut(failed.range().start);
            let cut = failed.range().start;
            self.blocks.retain(|block| block.range().end <= cut);
        }
    }

    /// At most one piece is missing: who waits for memory must not hold some that others wait for.
    fn pieces(&self, range: &Range<u64>) -> Vec<Piece> {
        if !self.blocks.iter().any(|block| holds(block, range))
            && let Some(block) = self.recent.find(range)
        {
            return vec![Piece::Block(block, range.clone())];
        }
        let mut pieces = Vec::with_capacity(2);
        let mut at = range.start;
        for block in &self.blocks {
            let found = block.range();
            if found.end <= at || found.start >= range.end {
                continue;
            }
            if found.start > at {
                break;
            }
            let end = found.end.min(range.end);
            pieces.push(Piece::Block(Arc::clone(block), at..end));
            at = end;
        }
        if at < range.end {
            pieces.push(Piece::Missing(at..range.end));
        }
        pieces
    }
}

impl Holder for Reader {
    fn give_back_if_idle(&self) {
        // Who reads at this moment is not idle.
        let Ok(mut state) = self.state.try_lock() else { return };
        if state.used.is_some_and(|used| used.elapsed() >= IDLE) {
            let start = state.blocks.front().map_or(0, |block| block.range().start);
            state.window.cut(start);
            state.blocks.clear();
            state.recent.clear();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.source.pool().leave();
    }
}
