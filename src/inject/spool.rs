//! Inline layers of tokens, on disk under their digest.

use crate::oci::Digest;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A folder of layers, named by digest. What is there is whole: files appear by rename.
#[derive(Clone, Debug)]
pub struct Spool(Arc<PathBuf>);

/// A file this young may belong to a token that is just being made.
const YOUNG: Duration = Duration::from_secs(15 * 60);

impl Spool {
    /// The spool below the data directory; made unless it is there.
    pub fn open(data_dir: &Path) -> io::Result<Spool> {
        let dir = data_dir.join("layers");
        std::fs::create_dir_all(&dir)?;
        Ok(Spool(Arc::new(dir)))
    }

    /// Where the layer with this digest is, if it is.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.0.join(format!("{}-{}", digest.algorithm().as_str(), digest.hex()))
    }

    /// Writes a layer durably; one that is there already is only made young again.
    pub async fn put(&self, digest: Digest, content: Vec<u8>) -> io::Result<()> {
        let (path, dir) = (self.path(&digest), self.0.clone());
        let written = tokio::task::spawn_blocking(move || {
            let mut unique = [0; 8];
            getrandom::fill(&mut unique).map_err(io::Error::other)?;
            let temporary = dir.join(format!("{:016x}.tmp", u64::from_ne_bytes(unique)));
            let done = write(&temporary, &content).and_then(|()| std::fs::rename(&temporary, &path));
            if done.is_err() {
                // The file may not even be there; the error that counts is the first one.
                let _ = std::fs::remove_file(&temporary);
            }
            done?;
            // The name is durable when its folder is.
            std::fs::File::open(&*dir)?.sync_all()
        });
        written.await.unwrap_or_else(|_| Err(io::Error::other("writing was interrupted")))
    }

    /// Removes layers that no grant needs, and what an interrupted write left. Returns their count.
    pub fn sweep(&self, needed: &BTreeSet<Digest>, now: SystemTime) -> io::Result<usize> {
        let names: BTreeSet<PathBuf> = needed.iter().map(|digest| self.path(digest)).collect();
        let mut removed = 0;
        for entry in std::fs::read_dir(&*self.0)? {
            let entry = entry?;
            let age = entry.metadata()?.modified().ok().and_then(|made| now.duration_since(made).ok());
            if !names.contains(&entry.path()) && age.is_some_and(|age| age > YOUNG) {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_what_is_needed_or_young() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let (kept, lost) = (Digest::sha256("kept"), Digest::sha256("lost"));
        spool.put(kept, b"kept".to_vec()).await.unwrap();
        spool.put(lost, b"lost".to_vec()).await.unwrap();
        spool.put(lost, b"lost".to_vec()).await.unwrap();
        let needed = BTreeSet::from([kept]);
        assert_eq!(spool.sweep(&needed, SystemTime::now()).unwrap(), 0);
        assert_eq!(spool.sweep(&needed, SystemTime::now() + 2 * YOUNG).unwrap(), 1);
        assert_eq!(std::fs::read(spool.path(&kept)).unwrap(), b"kept");
        assert!(!spool.path(&lost).exists());
    }
}
