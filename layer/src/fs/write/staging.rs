//! A file on local disk that holds the changed bytes of an object, and those that were read.
//!
//! Nothing here waits for the network: the caller asks what is absent, fetches it and gives it back. The reading and
//! writing itself blocks, for the time a local disk takes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::parts::MIB;
use super::ranges::Ranges;

/// Changes are kept in steps of this, as the pieces of an upload are much larger.
const STEP: u64 = MIB;
/// Ranges of present bytes that may be on their own; then whole steps are fetched to join them.
const CROWD: usize = 32 << 10;

/// The staged bytes of one file, and which they are.
#[derive(Debug)]
pub struct Staging {
    file: Arc<File>,
    size: u64,
    /// So many bytes of the object are still those of the file, where neither `present` nor `dirty` says otherwise.
    base: u64,
    present: Ranges,
    dirty: Ranges,
}

impl Staging {
    /// An empty staging file for an object of `base` bytes.
    ///
    /// # Errors
    /// Of the file system that holds the staging file.
    pub fn new(file: File, base: u64) -> io::Result<Self> {
        file.set_len(base)?;
        Ok(Self {
            file: Arc::new(file),
            size: base,
            base,
            present: Ranges::default(),
            dirty: Ranges::default(),
        })
    }

    /// Length of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What must be fetched from the object before `range` can be read.
    #[must_use]
    pub fn absent(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.present.gaps(range.start..range.end.min(self.base))
    }

    /// What must be fetched from the object before `range` can be written: nothing, unless so many places have been
    /// written that telling them apart costs too much memory.
    #[must_use]
    pub fn absent_to_write(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        if self.present.len() < CROWD {
            return Vec::new();
        }
        self.absent(range.start / STEP * STEP..range.end.next_multiple_of(STEP))
    }

    /// Bytes that the file has on its disk once it has `range` as well.
    #[must_use]
    pub fn bytes_with(&self, range: Range<u64>) -> u64 {
        let len = |ranges: &mut dyn Iterator<Item = Range<u64>>| -> u64 {
            ranges.map(|range| range.end - range.start).sum()
        };
        len(&mut self.present.iter()) + len(&mut self.present.gaps(range).into_iter())
    }

    /// The file, to read and write at offsets; what was written is then told by [`wrote`](Self::wrote) or
    /// [`fetched`](Self::fetched).
    #[must_use]
    pub fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// The caller's bytes are there.
    pub fn wrote(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.size = self.size.max(range.end);
        self.dirty.insert(range.start / STEP * STEP..range.end.next_multiple_of(STEP));
        if self.present.len() >= CROWD {
            // Around the new bytes all is here (`absent_to_write`), or zero as it is behind the object's end.
            let step = range.start / STEP * STEP..range.end.next_multiple_of(STEP).min(self.size);
            self.present.insert(step.start.max(self.base)..step.end);
        }
        self.present.insert(range);
    }

    /// The object's bytes are there.
    pub fn fetched(&mut self, range: Range<u64>) {
        self.present.insert(range);
    }

    /// Makes the file longer, with zeros, or shorter.
    ///
    /// # Errors
    /// Of the file system that holds the staging file.
    pub fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.file.set_len(size)?;
        self.size = size;
        self.base = self.base.min(size);
        self.present.truncate(size);
        self.dirty.truncate(size.next_multiple_of(STEP));
        Ok(())
    }

    /// Ranges in which the object is what the file is.
    #[must_use]
    pub fn kept(&self) -> Vec<Range<u64>> {
        self.dirty.gaps(0..self.base)
    }

    /// The object is what the file is.
    pub fn committed(&mut self) {
        // The object's end may have lain before zeros that only the length of the staging file tells.
        self.present.insert(self.base..self.size);
        self.base = self.size;
        self.dirty.clear();
    }
}

/// Fills `buffer` from `offset` on; what lies behind the end of the file is zero.
///
/// # Errors
/// Of the file system that holds the file.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => {
                buffer[done..].fill(0);
                break;
            }
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // Sets of one range are meant.
mod tests {
    use super::*;
    use crate::fs::write::area::Area;
    use crate::fs::write::model::Random;

    fn staging(base: u64) -> Staging {
        Staging::new(Area::within(std::env::temp_dir()).open().unwrap(), base).unwrap()
    }

    fn fetch(staging: &mut Staging, object: &[u8], ranges: Vec<Range<u64>>) {
        for range in ranges {
            let bytes = &object[range.start as usize..range.end as usize];
            staging.file().write_all_at(bytes, range.start).unwrap();
            staging.fetched(range);
        }
    }

    fn read(staging: &mut Staging, object: &[u8], range: Range<u64>) -> Vec<u8> {
        let absent = staging.absent(range.clone());
        fetch(staging, object, absent);
        let mut buffer = vec![1; (range.end - range.start) as usize];
        read_at(&staging.file(), &mut buffer, range.start).unwrap();
        buffer
    }

    #[test]
    fn a_staged_object_is_what_a_vector_is() {
        let mut random = Random::seeded(5);
        const MOST: u64 = 6 * MIB;
        for round in 0..30 {
            let len = random.below(MOST) as usize;
            let mut object = random.bytes(len);
            let mut model = object.clone();
            let mut staging = staging(object.len() as u64);
            for _ in 0..25 {
                match random.below(6) {
                    0 => {
                        let size = random.below(MOST);
                        staging.truncate(size).unwrap();
                        model.resize(size as usize, 0);
                    }
                    1 => {
                        // What is kept is the object's, all else the staging file's: together the new object.
                        let size = model.len() as u64;
                        let mut new = read(&mut staging, &object, 0..size);
                        for range in staging.kept() {
                            let range = range.start as usize..range.end as usize;
                            new[range.clone()].copy_from_slice(&object[range]);
                        }
                        assert!(new == model, "round {round}");
                        object = new;
                        staging.committed();
                        assert_eq!(
                            staging.kept().iter().map(|kept| kept.end - kept.start).sum::<u64>(),
                            size
                        );
                    }
                    2 | 3 => {
                        let end = random.below(model.len() as u64 + 1);
                        let range = random.below(end + 1)..end;
                        let want = &model[range.start as usize..range.end as usize];
                        assert!(read(&mut staging, &object, range.clone()) == want, "round {round}");
                    }
                    _ => {
                        let len = random.below(100_000) as usize;
                        let data = random.bytes(len);
                        let at = random.below(MOST);
                        staging.file().write_all_at(&data, at).unwrap();
                        staging.wrote(at..at + data.len() as u64);
                        let end = at as usize + data.len();
                        model.resize(model.len().max(if data.is_empty() { 0 } else { end }), 0);
                        model[at as usize..][..data.len()].copy_from_slice(&data);
                    }
                }
                assert_eq!(staging.size(), model.len() as u64);
            }
        }
    }

    #[test]
    fn a_crowd_of_small_writes_is_joined_by_fetching() {
        let mut staging = staging(MIB << 10);
        for n in 0..CROWD as u64 {
            assert!(staging.absent_to_write(&(n * 8192..n * 8192 + 1)).is_empty());
            staging.wrote(n * 8192..n * 8192 + 1);
        }
        let at = 512 * MIB + 5;
        assert_eq!(staging.absent_to_write(&(at..at + 1)), [512 * MIB..513 * MIB]);
    }

    #[test]
    fn a_crowd_behind_the_end_of_the_object_is_joined_by_zeros() {
        let mut staging = staging(0);
        for n in 0..2 * CROWD as u64 {
            assert!(staging.absent_to_write(&(n * 8192..n * 8192 + 1)).is_empty());
            staging.wrote(n * 8192..n * 8192 + 1);
        }
        assert!(staging.present.len() <= CROWD + CROWD / 64, "one range a step at most");
    }
}
