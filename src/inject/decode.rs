//! From compressed bytes to the digest of the tar.

use super::archive::Archive;
use super::refusal::Refusal;
use crate::oci::{Algorithm, Compression, Digest, Digester};
use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use std::io::{Cursor, ErrorKind};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt as _};

/// What a layer turns out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Digest of the tar.
    pub(super) diff_id: Digest,
    /// How it is compressed, by its first bytes.
    pub(super) compression: Compression,
}

const BUFFER: usize = 64 * 1024;
/// A layer may inflate to this much whatever its size, and to [`RATIO`] times its size beyond: real layers stay
/// below 20, deflate ends at 1032 and zstd nowhere.
const FREE: u64 = 64 << 20;
const RATIO: u64 = 200;
/// What an inline layer may inflate to: whoever makes a token waits for it, and others wait for him.
const INLINE: u64 = 1 << 30;

/// What a layer of `size` compressed bytes may inflate to.
pub(super) fn limit(size: u64) -> u64 {
    size.saturating_mul(RATIO).saturating_add(FREE)
}

/// The same for an inline layer.
pub(super) fn inline_limit(size: u64) -> u64 {
    limit(size).min(INLINE)
}

/// Decompresses a layer, to `limit` bytes at most, and checks that it is a tar archive. gzip may have several
/// members (RFC 1952, 2.2) and zstd several frames (RFC 8878, 3.1); all of them count.
///
/// Heavy on the processor: run it on a blocking thread. Errors of `reader` come back as [`Refusal::Stream`].
pub(super) async fn decode(
    mut reader: impl AsyncBufRead + Unpin + Send,
    limit: u64,
) -> Result<Content, Refusal> {
    let mut sink = Sink::new(limit);
    let mut kind = None;
    loop {
        let head = peek(&mut reader).await?;
        let found = magic(&head);
        let end = head.is_empty();
        let member = Cursor::new(head).chain(&mut reader);
        match (kind, found) {
            (Some(_), _) if end => break,
            (Some(kind), found) if kind != found => return Err(Refusal::BehindStream),
            (_, Compression::None) => {
                kind = Some(found);
                drain(member, &mut sink).await?;
                break;
            }
            (_, Compression::Gzip) => drain(GzipDecoder::new(member), &mut sink).await?,
            (_, Compression::Zstd) => drain(ZstdDecoder::new(member), &mut sink).await?,
        }
        kind = Some(found);
    }
    sink.archive.finish()?;
    Ok(Content { diff_id: sink.digester.finish(), compression: kind.unwrap_or(Compression::None) })
}

struct Sink {
    digester: Digester,
    archive: Archive,
    seen: u64,
    limit: u64,
    buffer: Vec<u8>,
}

impl Sink {
    fn new(limit: u64) -> Sink {
        Sink {
            digester: Digester::new(Algorithm::Sha256).expect("sha256 can be computed"),
            archive: Archive::new(),
            seen: 0,
            limit,
            buffer: vec![0; BUFFER],
        }
    }
}

async fn drain(mut source: impl AsyncRead + Unpin, sink: &mut Sink) -> Result<(), Refusal> {
    loop {
        let count = source.read(&mut sink.buffer).await.map_err(refusal)?;
        let bytes = &sink.buffer[..count];
        if bytes.is_empty() {
            return Ok(());
        }
        sink.seen += count as u64;
        if sink.seen > sink.limit {
            return Err(Refusal::TooLarge(sink.limit));
        }
        sink.digester.update(bytes);
        sink.archive.update(bytes)?;
    }
}

/// Up to four bytes: enough to know what follows. Every member and frame is longer.
async fn peek(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>, Refusal> {
    let mut head = Vec::with_capacity(4);
    reader.take(4).read_to_end(&mut head).await.map_err(refusal)?;
    Ok(head)
}

fn magic(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
        // A skippable frame.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
        _ => Compression::None,
    }
}

fn refusal(error: std::io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::UnexpectedEof => Refusal::CutOff,
        _ => Refusal::Stream(error.to_string()),
    }
}
