//! One budget for all data in memory: what is read ahead, what is being read, and what waits to be written.
//!
//! The budget is counted in units of 128 KiB. Who needs memory to answer a request waits for it in a queue; who only
//! reads ahead never waits, and never takes the last quarter. So every request is answered in the end, as long as what
//! was waited for ends by itself: the answer to a read, an upload. Data that waits for somebody else's next request
//! must be taken by [`Pool::reserve_ahead`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fs::sync::lock;

/// Bytes of the unit in which memory is counted.
const UNIT: usize = 128 << 10;
/// Bytes of a slab, the buffer that is kept for the next one.
pub const SLAB: usize = 1 << 20;
/// Slabs kept while files are open.
const SPARE: usize = 16;
/// Time between two rounds that ask idle readers for their memory.
const ROUND: Duration = Duration::from_millis(500);

/// Somebody who holds memory for data that may not be asked for any more.
pub trait Holder: Send + Sync {
    /// Gives memory back if it was not used of late. Must not wait.
    fn give_back_if_idle(&self);
}

/// The budget.
#[derive(Debug)]
pub struct Pool {
    units: Arc<Semaphore>,
    total: usize,
    readers: AtomicUsize,
    spare: Mutex<Vec<Vec<u8>>>,
    holders: Mutex<Holders>,
}

struct Holders {
    all: Vec<Weak<dyn Holder>>,
    asked: Instant,
}

impl std::fmt::Debug for Holders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} holders", self.all.len())
    }
}

/// Memory that was taken from the budget, given back when this is dropped.
#[derive(Debug)]
pub struct Charge {
    units: OwnedSemaphorePermit,
}

impl Charge {
    /// Bytes taken.
    pub fn bytes(&self) -> u64 {
        (self.units.num_permits() * UNIT) as u64
    }

    /// Adds what another charge has taken.
    pub fn join(&mut self, other: Self) {
        self.units.merge(other.units);
    }

    /// Parts with so many bytes, or with all.
    pub fn split(&mut self, bytes: u64) -> Self {
        let units = bytes.div_ceil(UNIT as u64).min(self.units.num_permits() as u64) as usize;
        Self { units: self.units.split(units).expect("there are as many") }
    }

    /// Gives back what is more than `bytes` need.
    pub fn shrink(&mut self, bytes: u64) {
        let needed = bytes.div_ceil(UNIT as u64) * UNIT as u64;
        drop(self.split(self.bytes().saturating_sub(needed)));
    }
}

impl Pool {
    /// A budget of this many bytes.
    pub fn new(bytes: u64) -> Self {
        let total =
            usize::try_from(bytes / UNIT as u64).unwrap_or(usize::MAX).clamp(64, Semaphore::MAX_PERMITS);
        Self {
            units: Arc::new(Semaphore::new(total)),
            total,
            readers: AtomicUsize::new(0),
            spare: Mutex::new(Vec::new()),
            holders: Mutex::new(Holders { all: Vec::new(), asked: Instant::now() }),
        }
    }

    /// The whole budget, in bytes.
    pub fn size(&self) -> usize {
        self.total * UNIT
    }

    /// What nobody has taken, in bytes.
    pub fn free(&self) -> usize {
        self.units.available_permits() * UNIT
    }

    /// Takes memory for an answer that somebody waits for. More than a quarter of the budget is counted as a quarter.
    pub async fn reserve(&self, bytes: usize) -> Charge {
        let units = self.units_of(bytes).min(self.total / 4);
        let units = Arc::clone(&self.units).acquire_many_owned(units as u32).await;
        Charge { units: units.expect("the budget is never closed") }
    }

    /// Takes memory for data that nobody has asked for yet, unless less than a quarter would be left.
    pub fn reserve_ahead(&self, bytes: usize) -> Option<Charge> {
        let units = self.units_of(bytes);
        if self.units.available_permits() < units + self.total / 4 {
            return None;
        }
        let units = Arc::clone(&self.units).try_acquire_many_owned(units as u32).ok()?;
        Some(Charge { units })
    }

    /// What one of the files that are open for reading may read ahead, in bytes.
    pub fn share(&self) -> u64 {
        let readers = self.readers.load(Ordering::Relaxed).max(1);
        (self.size() / 4 * 3 / readers) as u64
    }

    /// Counts a reader that reads ahead.
    pub fn enter(&self, reader: Weak<dyn Holder>) {
        self.readers.fetch_add(1, Ordering::Relaxed);
        let mut holders = lock(&self.holders);
        if holders.all.len() == holders.all.capacity() {
            holders.all.retain(|holder| holder.strong_count() > 0);
        }
        holders.all.push(reader);
    }

    /// Asks those who hold memory and do not use it to give it back. Must not be called with a lock of a holder.
    pub fn ask_idle(&self) {
        let mut holders = lock(&self.holders);
        if holders.asked.elapsed() < ROUND {
            return;
        }
        holders.asked = Instant::now();
        let all: Vec<_> = holders.all.iter().filter_map(Weak::upgrade).collect();
        drop(holders);
        all.iter().for_each(|holder| holder.give_back_if_idle());
    }

    /// Counts a reader that is gone. With the last one the spare slabs go as well.
    pub fn leave(&self) {
        if self.readers.fetch_sub(1, Ordering::Relaxed) == 1 {
            lock(&self.spare).clear();
            lock(&self.holders).all.retain(|holder| holder.strong_count() > 0);
        }
    }

    /// An empty buffer of at least this capacity, which the caller has taken from the budget.
    pub fn buffer(&self, bytes: usize) -> Vec<u8> {
        let spare = if bytes == SLAB { lock(&self.spare).pop() } else { None };
        spare.unwrap_or_else(|| Vec::with_capacity(bytes))
    }

    /// Takes a buffer back for the next one.
    pub fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() != SLAB || self.readers.load(Ordering::Relaxed) == 0 {
            return;
        }
        buffer.clear();
        let mut spare = lock(&self.spare);
        if spare.len() < SPARE {
            spare.push(buffer);
        }
    }

    fn units_of(&self, bytes: usize) -> usize {
        bytes.div_ceil(UNIT).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    struct Nobody;

    impl Holder for Nobody {
        fn give_back_if_idle(&self) {}
    }

    fn nobody() -> Weak<dyn Holder> {
        Weak::<Nobody>::new()
    }

    #[tokio::test]
    async fn reading_ahead_leaves_a_quarter() {
        let pool = Pool::new(32 << 20);
        let ahead: Vec<Charge> = std::iter::from_fn(|| pool.reserve_ahead(MIB)).collect();
        assert_eq!(ahead.len(), 24);
        let demand = pool.reserve(8 * MIB).await;
        assert_eq!(pool.free(), 0);
        drop((ahead, demand));
        assert_eq!(pool.free(), pool.size());
    }

    #[test]
    fn charges_are_joined_and_parted() {
        let pool = Pool::new(32 << 20);
        let mut charge = pool.reserve_ahead(MIB).unwrap();
        charge.join(pool.reserve_ahead(2 * MIB).unwrap());
        assert_eq!(charge.bytes(), 3 << 20);
        let part = charge.split(1 << 20);
        charge.shrink(1);
        assert_eq!((part.bytes(), charge.bytes()), (1 << 20, UNIT as u64));
        assert_eq!(pool.free(), pool.size() - MIB - UNIT);
        drop((part, charge.split(u64::MAX), charge));
        assert_eq!(pool.free(), pool.size());
    }

    #[tokio::test]
    async fn demand_waits_for_its_turn() {
        let pool = Arc::new(Pool::new(8 << 20));
        let held: Vec<Charge> = vec![pool.reserve(2 * MIB).await, pool.reserve(2 * MIB).await];
        let more = vec![pool.reserve(2 * MIB).await, pool.reserve(2 * MIB).await];
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.reserve(64 * MIB).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        drop(waiting.await.unwrap());
        drop(more);
        assert_eq!(pool.free(), 8 * MIB);
    }

    #[test]
    fn readers_share_three_quarters() {
        let pool = Pool::new(128 << 20);
        assert_eq!(pool.share(), 96 << 20);
        (0..64).for_each(|_| pool.enter(nobody()));
        assert_eq!(pool.share(), 96 << 20 >> 6);
    }

    #[test]
    fn slabs_are_used_again_while_files_are_open() {
        let pool = Pool::new(32 << 20);
        pool.enter(nobody());
        pool.give_back(pool.buffer(SLAB));
        assert_eq!(pool.spare.lock().unwrap().len(), 1);
        assert_eq!(pool.buffer(SLAB).capacity(), SLAB);
        assert_eq!(pool.spare.lock().unwrap().len(), 0);
        pool.give_back(Vec::with_capacity(SLAB));
        pool.leave();
        assert_eq!(pool.spare.lock().unwrap().len(), 0);
    }
}
