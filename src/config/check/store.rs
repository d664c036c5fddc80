//! What we keep: `wave.data-dir`, `wave.layer-path`, `wave.tokens`, `wave.cache`.

use super::super::keys::Key;
use super::super::reader::{Reader, path};
use super::super::relaxed::Slot;
use super::super::units::{bytes, count, duration, duration_or_zero};
use super::super::{Cache, Tokens};
use std::path::{Path, PathBuf};

/// Where `make pack` puts the layer.
const LAYER_PATH: &str = "pack/layers/layer.json";
/// One container-token request may be this large, and must fit.
const TOKEN_REQUEST: u64 = 32 << 20;

pub(super) static KEYS: [Key; 10] = [
    Key::new("wave.data-dir", "data", "directory for tokens, what was served to whom, and layers"),
    Key::told(
        "wave.layer-path",
        "`pack/layers/layer.json` when it exists",
        "the layer that is appended to images",
    ),
    // A pipeline runs for a day and then some; an hour, as once, expired in the middle.
    Key::new("wave.tokens.duration", "36h", "life of a container token")
        .also(&["wave.tokens.cache.duration"]),
    Key::new("wave.tokens.max-count", "100000", "live tokens; more are answered 429")
        .also(&["wave.tokens.cache.max-size"]),
    Key::new("wave.tokens.max-bytes", "1GiB", "what live tokens take on disk, inline layers included"),
    // A rewritten manifest and config of one image are some 10 KiB: 256MiB are tens of thousands of images.
    Key::new("wave.cache.max-bytes", "256MiB", "rewritten documents in memory"),
    // Each takes a few requests upstream, and memory for the documents of one image.
    Key::new("wave.cache.max-derivations", "256", "images rewritten at the same time; more are answered 503"),
    // Docker Hub counts each look at a tag; a push is seen this much later.
    Key::new("wave.cache.tag-ttl", "20s", "how long a tag is believed to stay where it was"),
    // Some 500 bytes each: half a gigabyte on disk at most.
    Key::new("wave.cache.max-roots", "1000000", "served digests that survive a restart"),
    Key::new("wave.cache.root-ttl", "30d", "how long they are kept after their last use"),
];

pub(super) fn data_dir(read: &mut Reader) -> PathBuf {
    let dir = read.value("wave.data-dir", path);
    if read.files.happens_to_exist(&dir) {
        read.problem("wave.data-dir", format!("{} is a file", dir.display()));
    }
    dir
}

/// `wave.layer-path: none`: images without a token pass as they are.
const NO_LAYER: &str = "none";

pub(super) fn layer_path(read: &mut Reader) -> Option<PathBuf> {
    let slot = Slot::of("wave.layer-path");
    if read.is_set(&slot) {
        // The default applies to a path that exists, so there has to be a word for "no layer".
        return read.existing_file_or(&slot, NO_LAYER);
    }
    read.files.happens_to_exist(Path::new(LAYER_PATH)).then(|| LAYER_PATH.into())
}

pub(super) fn tokens(read: &mut Reader) -> Tokens {
    let tokens = Tokens {
        duration: read.value("wave.tokens.duration", duration),
        max_count: read.value("wave.tokens.max-count", count),
        max_bytes: read.value("wave.tokens.max-bytes", bytes),
    };
    if tokens.max_bytes < TOKEN_REQUEST {
        read.problem(
            "wave.tokens.max-bytes",
            "must be at least 32MiB, the size of one container-token request",
        );
    }
    tokens
}

pub(super) fn cache(read: &mut Reader) -> Cache {
    Cache {
        max_bytes: read.value("wave.cache.max-bytes", bytes),
        max_derivations: read.value("wave.cache.max-derivations", count),
        tag_ttl: read.value("wave.cache.tag-ttl", duration_or_zero),
        max_roots: read.value("wave.cache.max-roots", count),
        root_ttl: read.value("wave.cache.root-ttl", duration),
    }
}
