//! One pass over a layer: digest, size, digest of the tar.

use super::decode::{self, decode};
use super::refusal::Refusal;
use crate::grant::Layer;
use crate::oci::{Algorithm, Compression, Digest, Digester};
use futures_util::FutureExt as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

/// What a layer is, whatever anybody said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Digest of the compressed layer.
    pub digest: Digest,
    /// Size of the compressed layer in bytes.
    pub size: u64,
    /// Digest of the tar.
    pub diff_id: Digest,
    /// How it is compressed.
    pub compression: Compression,
}

/// Measures an inline layer. Blocks for as long as decompressing takes: seconds for a large one.
pub fn bytes(content: &[u8]) -> Result<Measured, Refusal> {
    measure(&mut Tap::new(content), decode::inline_limit(content.len() as u64))
}

/// Measures the layer in a file. Blocks as [`bytes()`] does. The outer error is that of reading.
pub fn file(path: &Path) -> io::Result<Result<Measured, Refusal>> {
    let file = File::open(path)?;
    let limit = decode::limit(file.metadata()?.len());
    let mut tap = Tap::new(file);
    let result = measure(&mut tap, limit);
    match tap.failed {
        Some(error) => Err(error),
        None => Ok(result),
    }
}

impl Measured {
    /// Is this what `layer` promises?
    pub fn keeps(&self, layer: &Layer) -> Result<(), Refusal> {
        if self.size != layer.size {
            return Err(Refusal::Size(layer.size, self.size));
        }
        if self.digest != layer.digest {
            return Err(Refusal::digest(layer.digest, self.digest));
        }
        if self.compression != layer.compression {
            return Err(Refusal::Compression(layer.compression, self.compression));
        }
        if self.diff_id != layer.diff_id {
            return Err(Refusal::diff_id(layer.diff_id, self.diff_id));
        }
        Ok(())
    }
}

fn measure<R: Read + Unpin + Send>(tap: &mut Tap<R>, limit: u64) -> Result<Measured, Refusal> {
    let content = decode(&mut *tap, limit).now_or_never().expect("a local source is always ready")?;
    let (digest, size) = (tap.digester.clone().finish(), tap.seen);
    Ok(Measured { digest, size, diff_id: content.diff_id, compression: content.compression })
}

const BUFFER: usize = 256 * 1024;

/// Hashes and counts what is read through it. Always ready, so it blocks.
struct Tap<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    digester: Digester,
    seen: u64,
    /// The error of the source, kept apart from those of the decoder.
    failed: Option<io::Error>,
}

impl<R: Read> Tap<R> {
    fn new(source: R) -> Tap<R> {
        let digester = Digester::new(Algorithm::Sha256).expect("sha256 can be computed");
        Tap { source, buffer: vec![0; BUFFER], start: 0, end: 0, digester, seen: 0, failed: None }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start < self.end {
            return Ok(());
        }
        let count = loop {
            match self.source.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let copy = io::Error::from(error.kind());
                    self.failed = Some(error);
                    return Err(copy);
                }
                Ok(count) => break count,
            }
        };
        (self.start, self.end) = (0, count);
        self.digester.update(&self.buffer[..count]);
        self.seen += count as u64;
        Ok(())
    }
}

impl<R: Read + Unpin> AsyncBufRead for Tap<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        this.fill()?;
        Poll::Ready(Ok(&this.buffer[this.start..this.end]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().start += amount;
    }
}

impl<R: Read + Unpin> AsyncRead for Tap<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.fill()?;
        let count = target.remaining().min(this.end - this.start);
        target.put_slice(&this.buffer[this.start..this.start + count]);
        this.start += count;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
