//! One pass over a layer: digest and size as it is, digest of its tar, and whether it is a layer at all.

use crate::oci::{Algorithm, Compression, Digest, Digester};
use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader, ReadBuf};

/// What a layer turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Digest of the bytes as they are.
    pub digest: Digest,
    /// Their count.
    pub size: u64,
    /// Digest of the tar.
    pub diff_id: Digest,
    /// How the tar is compressed, by its first bytes.
    pub compression: Compression,
}

/// Why bytes are not a layer.
#[derive(Debug)]
pub enum Flaw {
    /// They cannot be read.
    Read(io::Error),
    /// They do not decompress; trailing bytes behind the last member count.
    Compression(io::Error),
    /// They grow beyond what a layer of this size may.
    Bomb,
    /// What comes out is no tar.
    Tar,
}

const BUFFER: usize = 64 * 1024;
/// A tar may be this many times as large as its compressed form, and a fixed amount above that: text compresses
/// ten times, zeros a thousand times.
const MAX_RATIO: u64 = 200;
const MAX_BASE: u64 = 256 << 20;

/// Measures a layer of `size` bytes, as far as that is known; the limit of its expansion depends on it.
pub async fn measure(source: impl AsyncRead + Unpin, size: u64) -> Result<Measured, Flaw> {
    let mut source = BufReader::with_capacity(BUFFER, Tap::new(source));
    let compression = match source.fill_buf().await.map_err(Flaw::Read)? {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    };
    let limit = MAX_BASE + MAX_RATIO * size;
    let diff_id = match compression {
        Compression::None => tar(&mut source, u64::MAX).await?,
        Compression::Gzip => {
            let mut decoder = GzipDecoder::new(&mut source);
            decoder.multiple_members(true);
            tar(decoder, limit).await?
        }
        Compression::Zstd => {
            let mut decoder = ZstdDecoder::new(&mut source);
            decoder.multiple_members(true);
            tar(decoder, limit).await?
        }
    };
    let rest = source.fill_buf().await.map_err(Flaw::Read)?;
    if !rest.is_empty() {
        return Err(Flaw::Compression(io::Error::other("bytes behind the end")));
    }
    let (digest, size) = source.into_inner().finish();
    Ok(Measured { digest, size, diff_id, compression })
}

/// Measures a file, on a thread where decompression keeps nobody waiting.
pub async fn measure_file(path: &Path) -> Result<Measured, Flaw> {
    let path = path.to_path_buf();
    let runtime = tokio::runtime::Handle::current();
    let measured = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            let file = tokio::fs::File::open(&path).await.map_err(Flaw::Read)?;
            let size = file.metadata().await.map_err(Flaw::Read)?.len();
            measure(file, size).await
        })
    });
    measured.await.unwrap_or_else(|_| Err(Flaw::Read(io::Error::other("measuring was interrupted"))))
}

/// The digest of a tar of at most `limit` bytes.
async fn tar(mut content: impl AsyncRead + Unpin, limit: u64) -> Result<Digest, Flaw> {
    let mut digester = Digester::new(Algorithm::Sha256).expect("sha256 can be computed");
    let mut buffer = vec![0; BUFFER];
    let (mut head, mut total) = (Vec::with_capacity(BLOCK), 0);
    loop {
        let count = content.read(&mut buffer).await.map_err(Flaw::Compression)?;
        if count == 0 {
            break;
        }
        let bytes = &buffer[..count];
        total += count as u64;
        if total > limit {
            return Err(Flaw::Bomb);
        }
        let wanted = (BLOCK - head.len()).min(count);
        head.extend_from_slice(&bytes[..wanted]);
        digester.update(bytes);
    }
    if is_tar(&head) { Ok(digester.finish()) } else { Err(Flaw::Tar) }
}

const BLOCK: usize = 512;

/// Is this the first block of a tar: a header whose checksum is right, or the zeros of an empty one?
pub(super) fn is_tar(head: &[u8]) -> bool {
    let Ok(block) = <&[u8; BLOCK]>::try_from(head) else { return false };
    if block.iter().all(|&byte| byte == 0) {
        return true;
    }
    let field = std::str::from_utf8(&block[148..156]).unwrap_or_default();
    let declared = u32::from_str_radix(field.trim_matches(|c: char| c == '\0' || c == ' '), 8);
    // The checksum field counts as spaces.
    let sum: u32 = block.iter().enumerate().map(|(at, &b)| if (148..156).contains(&at) { 32 } else { u32::from(b) }).sum();
    declared == Ok(sum)
}

/// Hashes and counts what is read through it.
struct Tap<R> {
    inner: R,
    digester: Digester,
    count: u64,
}

impl<R> Tap<R> {
    fn new(inner: R) -> Tap<R> {
        Tap { inner, digester: Digester::new(Algorithm::Sha256).expect("sha256 can be computed"), count: 0 }
    }

    fn finish(self) -> (Digest, u64) {
        (self.digester.finish(), self.count)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Tap<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let new = &buffer.filled()[before..];
        self.digester.update(new);
        self.count += new.len() as u64;
        Poll::Ready(Ok(()))
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Read(error) => write!(f, "cannot be read: {error}"),
            Flaw::Compression(error) => write!(f, "does not decompress: {error}"),
            Flaw::Bomb => f.write_str("expands beyond all reason"),
            Flaw::Tar => f.write_str("is not a tar archive"),
        }
    }
}

impl std::error::Error for Flaw {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn tiny_tar(text: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        builder.append_data(&mut header, "foo.txt", text.as_bytes()).unwrap();
        builder.into_inner().unwrap()
    }

    async fn of(bytes: &[u8]) -> Result<Measured, Flaw> {
        measure(bytes, bytes.len() as u64).await
    }

    #[tokio::test]
    async fn plain_gzip_and_several_members() {
        let tar = tiny_tar("hello");
        let diff_id = Digest::sha256(&tar);
        let plain = of(&tar).await.unwrap();
        assert_eq!((plain.digest, plain.diff_id, plain.compression), (diff_id, diff_id, Compression::None));
        let one = gzip(&tar);
        let measured = of(&one).await.unwrap();
        let want = Measured {
            digest: Digest::sha256(&one),
            size: one.len() as u64,
            diff_id,
            compression: Compression::Gzip,
        };
        assert_eq!(measured, want);
        let two = [gzip(&tar[..100]), gzip(&tar[100..])].concat();
        assert_eq!(of(&two).await.unwrap().diff_id, diff_id);
    }

    #[tokio::test]
    async fn what_is_no_layer() {
        let layer = gzip(&tiny_tar("hello"));
        assert!(matches!(of(b"hello").await, Err(Flaw::Tar)));
        assert!(matches!(of(b"").await, Err(Flaw::Tar)));
        assert!(matches!(of(&gzip(&[7; 2000])).await, Err(Flaw::Tar)));
        assert!(matches!(of(&layer[..layer.len() - 9]).await, Err(Flaw::Compression(_))));
        assert!(matches!(of(&[&layer[..], b"garbage"].concat()).await, Err(Flaw::Compression(_))));
    }

    #[tokio::test]
    async fn a_bomb_is_cut() {
        let source = gzip(&vec![0; (MAX_BASE + (1 << 20)) as usize]);
        assert!(matches!(measure(&source[..], 0).await, Err(Flaw::Bomb)));
    }
}
