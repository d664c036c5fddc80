//! The beginning of a blob as a reader had it from disk, for a body that brings the rest from elsewhere.

use crate::oci::Digester;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Bytes that are hashed at once, behind which others may have the disk.
const PIECE: u64 = 256 << 10;

/// `digester` behind the first `count` bytes of `file`. `turns` bounds how many do this at the same time.
pub(super) async fn hashed(
    file: Arc<File>,
    count: u64,
    mut digester: Digester,
    turns: Arc<Semaphore>,
) -> io::Result<Digester> {
    for at in (0..count).step_by(PIECE as usize) {
        let permit = turns.clone().acquire_owned().await.map_err(io::Error::other)?;
        let file = file.clone();
        let hash = move || {
            let _permit = permit;
            let mut piece = vec![0; PIECE.min(count - at) as usize];
            file.read_exact_at(&mut piece, at)?;
            digester.update(&piece);
            Ok(digester)
        };
        digester = spawn_blocking(hash).await.map_err(io::Error::other).flatten()?;
    }
    Ok(digester)
}
