//! A layer: a tar file, compressed, with both digests.

use std::io::Write;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// `sha256:<hex>` of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// `sha256:<hex>` of a finished digest.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// A layer as registries store it.
#[derive(Clone)]
pub(crate) struct Layer {
    /// The compressed tar file.
    pub(crate) gzip: Vec<u8>,
    /// `sha256:<hex>` of `gzip`.
    pub(crate) digest: String,
    /// `sha256:<hex>` of the tar file.
    pub(crate) diff_id: String,
}

/// A tar file in the making. Paths have no leading slash; a folder's path ends with one.
pub(crate) struct Files(tar::Builder<Vec<u8>>);

impl Layer {
    /// A tar file as it is.
    pub(crate) fn of_tar(tar: &[u8], level: Compression) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(tar).expect("memory takes everything");
        let gzip = encoder.finish().expect("memory takes everything");
        Self { digest: sha256(&gzip), diff_id: sha256(tar), gzip }
    }

    /// One text file.
    pub(crate) fn of_text(path: &str, text: &str) -> Self {
        let mut files = Files::new();
        files.file(path, 0o644, text.as_bytes());
        files.pack(Compression::default())
    }

    /// The layer as a container-token request carries it.
    pub(crate) fn inline(&self) -> Value {
        json!({
            "location": format!("data:{}", BASE64_STANDARD.encode(&self.gzip)),
            "gzipDigest": self.digest, "gzipSize": self.gzip.len(), "tarDigest": self.diff_id,
        })
    }
}

impl Files {
    pub(crate) fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    pub(crate) fn folder(&mut self, path: &str, mode: u32) {
        self.entry(tar::EntryType::Directory, path, mode, b"");
    }

    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(tar::EntryType::Regular, path, mode, content);
    }

    pub(crate) fn symlink(&mut self, path: &str, target: &str) {
        let mut header = header(tar::EntryType::Symlink, 0o777, 0);
        self.0.append_link(&mut header, path, target).expect("memory takes everything");
    }

    pub(crate) fn pack(self, level: Compression) -> Layer {
        let tar = self.0.into_inner().expect("memory takes everything");
        Layer::of_tar(&tar, level)
    }

    fn entry(&mut self, kind: tar::EntryType, path: &str, mode: u32, content: &[u8]) {
        let mut header = header(kind, mode, content.len() as u64);
        self.0.append_data(&mut header, path, content).expect("memory takes everything");
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
