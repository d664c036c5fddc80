//! Looks for blobs that have rotted on disk.

use super::disk::blob;
use super::store::Spool;
use crate::oci::{Digest, Digester};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// Between two rounds, of which the first begins as late.
const PAUSE: Duration = Duration::from_secs(60);

/// Verifies all blobs, one after the other and again and again, `rate` bytes a second; never when that is 0.
pub(super) async fn scrub(spool: &Spool, rate: u64) {
    if rate == 0 {
        return;
    }
    loop {
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = round(spool, rate).await {
            tracing::warn!(%error, "the blob cache cannot be verified");
        }
    }
}

/// Verifies all blobs once.
pub(super) async fn round(spool: &Spool, rate: u64) -> io::Result<()> {
    let disk = spool.disk().clone();
    let folders = blocking(move || {
        let mut folders = Vec::new();
        disk.each_folder(|folder, algorithm| {
            folders.push((folder.to_path_buf(), algorithm.to_string()));
            Ok(())
        })?;
        Ok(folders)
    });
    let mut folders = folders.await?;
    // Not from the same end after each start: a process that is often started would never get to the other.
    let mut random = [0; 4];
    if !folders.is_empty() && getrandom::fill(&mut random).is_ok() {
        let length = folders.len();
        folders.rotate_left(u32::from_ne_bytes(random) as usize % length);
    }
    for (folder, algorithm) in folders {
        for (path, digest) in blocking(move || blobs(&folder, &algorithm)).await? {
            if let Some(wrong) = wrong(path, digest, rate).await? {
                spool.forget(digest, Arc::new(wrong));
            }
        }
    }
    Ok(())
}

fn blobs(folder: &Path, algorithm: &str) -> io::Result<Vec<(PathBuf, Digest)>> {
    let mut blobs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(digest) = blob(algorithm, &entry.file_name()) {
            blobs.push((entry.path(), digest));
        }
    }
    Ok(blobs)
}

/// The file at `path`, unless it has this digest or is gone.
pub(super) async fn wrong(path: PathBuf, digest: Digest, rate: u64) -> io::Result<Option<File>> {
    let Some(mut digester) = digest.digester() else { return Ok(None) };
    let mut file = match blocking(move || File::open(path)).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    loop {
        let count;
        (file, digester, count) = blocking(move || Ok(take(file, digester))).await?;
        let count = match count {
            Ok(count) => count,
            // What cannot be read is no better than what is wrong.
            Err(error) => {
                tracing::warn!(%error, "a blob cannot be read from disk");
                return Ok(Some(file));
            }
        };
        if count == 0 {
            return Ok((digester.finish() != digest).then_some(file));
        }
        if rate < u64::MAX {
            tokio::time::sleep(Duration::from_secs_f64(count as f64 / rate as f64)).await;
        }
    }
}

/// Hashes the next piece.
fn take(mut file: File, mut digester: Digester) -> (File, Digester, io::Result<usize>) {
    let mut piece = vec![0; PIECE];
    let count = file.read(&mut piece).inspect(|count| digester.update(&piece[..*count]));
    (file, digester, count)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BlobCache, Config};
    use crate::scratch::Scratch;
    use crate::upstream::script::limits;
    use std::time::Instant;

    fn spool(scratch: &Scratch) -> Spool {
        let dir = Some(scratch.path().to_path_buf());
        Spool::open(&BlobCache { dir, ..Config::default().blob_cache }, &limits()).unwrap().unwrap()
    }

    fn put(scratch: &Scratch, digest: Digest, content: &[u8]) -> PathBuf {
        let hex = digest.hex();
        scratch.write(&format!("blobs/sha256/{}/{hex}", &hex[..2]), content)
    }

    #[tokio::test]
    async fn case_43_what_has_rotted_is_removed_and_nothing_else() {
        let scratch = Scratch::new();
        let spool = spool(&scratch);
        let content = vec![5; PIECE + 10];
        let right = put(&scratch, Digest::sha256(&content), &content);
        let rotten = put(&scratch, Digest::sha256("rotten"), b"rotteN");
        let cut = put(&scratch, Digest::sha256("cut"), b"cu");
        let stranger = scratch.write("blobs/sha256/ab/README", "x");
        round(&spool, u64::MAX).await.unwrap();
        while rotten.exists() || cut.exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(right.exists() && stranger.exists());
    }

    #[tokio::test]
    async fn it_takes_its_time() {
        let scratch = Scratch::new();
        let spool = spool(&scratch);
        let content = vec![5; 2 * PIECE];
        put(&scratch, Digest::sha256(&content), &content);
        let started = Instant::now();
        round(&spool, 10 * PIECE as u64).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(200));
    }
}
