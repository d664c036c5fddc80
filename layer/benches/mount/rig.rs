//! The server with its objects, and a folder for mounts.

use std::fs;
use std::path::PathBuf;

use crate::support::s3::{Object, Server, generated};

/// The bucket that is mounted.
pub(crate) const BUCKET: &str = "bench";
/// Bytes of a small object.
const SMALL: u64 = 1 << 10;

/// What all scenarios share.
pub(crate) struct Rig {
    /// The server.
    pub(crate) server: Server,
    /// The program under test.
    pub(crate) program: PathBuf,
    /// Holds the mount points and what the drivers write beside them.
    pub(crate) folder: PathBuf,
    /// Sizes and counts are divided by it.
    pub(crate) divisor: u64,
}

impl Rig {
    /// A server whose bucket holds all that is read.
    pub(crate) fn new(program: PathBuf, divisor: u64) -> Self {
        let folder = std::env::temp_dir().join(format!("fusion-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for mounts");
        let rig = Self { server: Server::start(), program, folder, divisor };
        let store = rig.server.store();
        store.bucket(BUCKET);
        store.put(BUCKET, "big", Object::generated(1, rig.sequential_bytes()));
        // With an ETag that is their MD5, which rclone compares.
        let small = || Object::of(generated(2, 0..SMALL).concat());
        store.fill(BUCKET, (0..rig.count(10_000)).map(|n| format!("list/{n:07}")), small());
        store.fill(BUCKET, (0..rig.count(500)).map(|n| format!("cat/{n:07}")), small());
        let tree =
            (0..rig.count(100)).flat_map(|folder| (0..100).map(move |n| format!("tree/{folder:03}/{n:03}")));
        store.fill(BUCKET, tree, small());
        rig
    }

    /// Bytes of the object that is read in one go.
    pub(crate) fn sequential_bytes(&self) -> u64 {
        (2 << 30) / self.divisor
    }

    /// Bytes of the object that is written.
    pub(crate) fn written_bytes(&self) -> u64 {
        (512 << 20) / self.divisor
    }

    /// So many at full size.
    pub(crate) fn count(&self, full: u64) -> u64 {
        (full / self.divisor).max(2)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Mount points that could not be taken away keep their folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
