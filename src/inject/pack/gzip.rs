//! The compressor of packed layers, behind one small interface.

use flate2::{Compression, GzBuilder, write::GzEncoder};
use std::io::{self, Write};

/// gzip without time and name (RFC 1952, 2.3: `MTIME` 0, `OS` 255), so that equal content gives equal bytes.
pub(super) struct Gzip<W: Write>(GzEncoder<W>);

impl<W: Write> Gzip<W> {
    /// Compresses into `target` at `level`, 0 to 9.
    pub(super) fn new(target: W, level: u32) -> Gzip<W> {
        let header = GzBuilder::new().mtime(0).operating_system(255);
        Gzip(header.write(target, Compression::new(level.min(9))))
    }

    /// Writes the end of the stream.
    pub(super) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
