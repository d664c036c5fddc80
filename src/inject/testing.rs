//! Parts of the tests of this folder: small layers, and what serves them.

use super::{Injector, Kept, Measures, Parts};
use crate::grant::{Layer, Source};
use crate::oci::{Compression, Digest};
use crate::scratch::Scratch;
use crate::stack;
use crate::upstream::guard::Private;
use crate::upstream::{Registries, script};
use std::io::Write as _;
use std::sync::Arc;

/// A tar with one file.
pub(crate) fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncReadExt as _;
    let mut encoder = async_compression::tokio::bufread::ZstdEncoder::new(content);
    let mut out = Vec::new();
    encoder.read_to_end(&mut out).now_or_never().unwrap().unwrap();
    out
}

/// A gzip layer with one file and what it promises.
pub(crate) fn layer_of(name: &str, content: &[u8]) -> (Vec<u8>, Layer) {
    let tar = tar_of(name, content);
    let bytes = gzip(&tar);
    let layer = Layer {
        digest: Digest::sha256(&bytes),
        size: bytes.len() as u64,
        diff_id: Digest::sha256(&tar),
        compression: Compression::Gzip,
        platforms: Vec::new(),
        source: Source::Spooled,
    };
    (bytes, layer)
}

/// What inline layers may take in the tests.
pub(crate) const MAX_BYTES: u64 = 64 << 10;

/// An injector over the real stacks towards other registries, with private addresses allowed for layers.
pub(crate) fn injector(scratch: &Scratch, registries: Arc<Registries>, private: Private) -> Injector {
    let limits = script::limits();
    Injector::open(Parts {
        upstream: stack::upstream(&limits, stack::http(&limits, &registries)),
        remote: stack::remote(&limits, private),
        registries,
        data_dir: scratch.path().join("data"),
        kept: Kept::open(scratch.path().join("data/default")).unwrap(),
        max_bytes: MAX_BYTES,
        private,
        measures: Measures::new(),
    })
    .unwrap()
}
