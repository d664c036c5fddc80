//! What is packed: real files, chosen by their paths and sizes alone.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder to look in, the names that count, and how much to take of it.
struct Part {
    from: &'static str,
    wanted: fn(&str) -> bool,
    bytes: u64,
}

/// Three parts of code to one of text, as layers with programs have it.
const PARTS: [Part; 2] = [
    Part { from: "/usr/lib", wanted: is_shared_object, bytes: 96 << 20 },
    Part { from: "/usr/share/doc", wanted: |_| true, bytes: 32 << 20 },
];

/// Larger files would be most of the content.
const LARGEST: u64 = 8 << 20;

/// What has been copied.
pub(crate) struct Content {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

impl Content {
    /// Fills the new folder `to`.
    pub(crate) fn copy(to: &Path) -> Content {
        let mut content = Content { files: 0, bytes: 0 };
        for Part { from, wanted, bytes } in PARTS {
            let mut left = bytes;
            for (path, size) in files(Path::new(from), wanted) {
                // What does not fit any more is left out, and smaller files may fill the gap.
                let Some(rest) = left.checked_sub(size) else { continue };
                left = rest;
                let copy = to.join(path.strip_prefix("/").expect("an absolute path"));
                fs::create_dir_all(copy.parent().expect("it has one")).expect("a scratch folder takes it");
                fs::copy(&path, &copy).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                content.files += 1;
            }
            assert!(left < bytes / 4, "{from} has too little to pack: {left} of {bytes} bytes are missing");
            content.bytes += bytes - left;
        }
        content
    }
}

fn is_shared_object(name: &str) -> bool {
    name.ends_with(".so") || name.contains(".so.")
}

/// The regular files below `folder` with their sizes, sorted by path. Symbolic links are not followed.
fn files(folder: &Path, wanted: fn(&str) -> bool) -> Vec<(PathBuf, u64)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.expect("an entry");
            let metadata = entry.metadata().expect("of an entry");
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.is_file()
                && (1..=LARGEST).contains(&metadata.len())
                && entry.file_name().to_str().is_some_and(wanted)
            {
                found.push((entry.path(), metadata.len()));
            }
        }
    }
    found.sort();
    found
}
