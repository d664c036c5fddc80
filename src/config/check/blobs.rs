//! `wave.blob-cache`: blobs on disk.

use super::super::BlobCache;
use super::super::keys::Key;
use super::super::reader::{Reader, path};
use super::super::relaxed::Slot;
use super::super::units::{bytes, bytes_or_zero, count, duration, duration_or_zero, percent, truth};

pub(super) static KEYS: [Key; 13] = [
    Key::unset("wave.blob-cache.dir", "directory of the blobs that are kept; without it none are"),
    Key::new("wave.blob-cache.max-size", "50GiB", "what they may take there; the longest unread go first"),
    Key::new(
        "wave.blob-cache.finish-fill",
        "50",
        "percent of a blob that must be there for the rest to be fetched though nobody reads on",
    ),
    // Each holds some 600 KiB; an image has some ten layers.
    Key::new("wave.blob-cache.max-fills", "32", "blobs fetched into it at the same time; more pass through"),
    // A repository that was closed to somebody is open to him for so much longer, for what is on disk.
    Key::new(
        "wave.blob-cache.proof-ttl",
        "5m",
        "how long it is believed that upstream lets somebody read a blob",
    ),
    // Some 300 bytes each.
    Key::new("wave.blob-cache.max-proofs", "100000", "how many such beliefs are held"),
    Key::new(
        "wave.blob-cache.quarantine",
        "1m",
        "how long a blob that came with a wrong digest is not fetched again, and answered 502",
    ),
    // 50 GiB in four hours, at some percent of one core.
    Key::new(
        "wave.blob-cache.scrub-rate",
        "4MiB",
        "bytes a second that are verified in the background; 0 is none",
    ),
    Key::new("wave.blob-cache.verify-reads", "false", "hash blobs whenever they are read whole from it"),
    // Who lost access while a registry is down is not known to have lost it for so much longer.
    Key::new(
        "wave.blob-cache.stale-ttl",
        "1d",
        "how long after a registry's last word its manifests and tags, and the blobs that are there, are served when it \
         is down; 0s is never",
    ),
    Key::new(
        "wave.blob-cache.documents-size",
        "1GiB",
        "what manifests and configurations take there besides",
    ),
    // A file each, which takes a block of most disks.
    Key::new("wave.blob-cache.max-documents", "100000", "how many of these are kept"),
    Key::new("wave.blob-cache.max-notes", "100000", "notes of where tags point and who may read what"),
];

pub(super) fn blob_cache(read: &mut Reader) -> BlobCache {
    let dir = read.optional(&Slot::of("wave.blob-cache.dir"), path);
    if let Some(dir) = dir.as_ref().filter(|dir| read.files.happens_to_exist(dir)) {
        read.problem("wave.blob-cache.dir", format!("{} is a file", dir.display()));
    }
    BlobCache {
        dir,
        max_size: read.value("wave.blob-cache.max-size", bytes),
        finish_fill: read.value("wave.blob-cache.finish-fill", percent),
        max_fills: read.value("wave.blob-cache.max-fills", count),
        proof_ttl: read.value("wave.blob-cache.proof-ttl", duration),
        max_proofs: read.value("wave.blob-cache.max-proofs", count),
        quarantine: read.value("wave.blob-cache.quarantine", duration_or_zero),
        scrub_rate: read.value("wave.blob-cache.scrub-rate", bytes_or_zero),
        verify_reads: read.value("wave.blob-cache.verify-reads", truth),
        stale_ttl: read.value("wave.blob-cache.stale-ttl", duration_or_zero),
        documents_size: read.value("wave.blob-cache.documents-size", bytes),
        max_documents: read.value("wave.blob-cache.max-documents", count),
        max_notes: read.value("wave.blob-cache.max-notes", count),
    }
}
