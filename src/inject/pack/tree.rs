//! The folder to pack, as a sorted list of entries.

use super::Failure;
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What is in the folder.
pub(super) struct Tree {
    /// Sorted by the bytes of their names, so parents come first.
    pub(super) entries: Vec<Entry>,
    /// Bytes of all files.
    pub(super) total: u64,
}

/// One entry of the archive.
pub(super) struct Entry {
    /// Relative, `/` between components and behind the name of a directory.
    pub(super) name: String,
    /// Where it is now.
    pub(super) path: PathBuf,
    /// Permission bits, set-id and sticky included.
    pub(super) mode: u32,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Directory,
    /// With its size in bytes.
    File(u64),
    /// To the target as it is written.
    Symlink(String),
    /// To an earlier entry of the archive.
    Hardlink(String),
}

/// Folders of the system, some of them symlinks in most base images (`/bin -> usr/bin`). An entry for the directory would
/// replace the symlink and with it everything behind it, or change owner and mode of the image's own, so only what is
/// inside such a folder is written.
const SYSTEM: [&str; 14] = [
    "bin/",
    "etc/",
    "lib/",
    "lib32/",
    "lib64/",
    "libx32/",
    "sbin/",
    "usr/",
    "usr/bin/",
    "usr/lib/",
    "usr/lib32/",
    "usr/lib64/",
    "usr/libx32/",
    "usr/sbin/",
];
const WHITEOUT: &str = ".wh.";

/// Lists `dir`. What cannot be in a layer is refused: devices, fifos, sockets, names that clients take for
/// whiteouts (image-spec, layer.md) and names that are not UTF-8. Extended attributes are not looked at.
pub(super) fn scan(dir: &Path) -> Result<Tree, Failure> {
    let mut tree = Tree { entries: Vec::new(), total: 0 };
    walk(dir, "", &mut tree.entries)?;
    tree.entries.retain(|entry| !SYSTEM.contains(&&*entry.name));
    tree.entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    link(&mut tree)?;
    Ok(tree)
}

fn walk(dir: &Path, prefix: &str, entries: &mut Vec<Entry>) -> Result<(), Failure> {
    let io = |error| Failure::io(dir, error);
    for found in fs::read_dir(dir).map_err(io)? {
        let path = found.map_err(io)?.path();
        let metadata = fs::symlink_metadata(&path).map_err(|error| Failure::io(&path, error))?;
        let name = name(&path)?;
        let (kind, name) = (kind(&path, &metadata)?, format!("{prefix}{name}"));
        match kind {
            Kind::Directory => {
                let name = format!("{name}/");
                walk(&path, &name, entries)?;
                entries.push(Entry { name, path, mode: metadata.mode() & 0o7777, kind });
            }
            _ => entries.push(Entry { name, path, mode: metadata.mode() & 0o7777, kind }),
        }
    }
    Ok(())
}

fn name(path: &Path) -> Result<&str, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    match name.ok_or_else(|| Failure::new(path, "the name is not UTF-8"))? {
        name if name.starts_with(WHITEOUT) => {
            Err(Failure::new(path, "names that start with '.wh.' delete files of the image; rename it"))
        }
        name => Ok(name),
    }
}

fn kind(path: &Path, metadata: &Metadata) -> Result<Kind, Failure> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Ok(Kind::Directory);
    }
    if kind.is_file() {
        return Ok(Kind::File(metadata.len()));
    }
    if kind.is_symlink() {
        let target = fs::read_link(path).map_err(|error| Failure::io(path, error))?;
        let text = target.to_str().ok_or_else(|| Failure::new(path, "the target is not UTF-8"))?;
        return Ok(Kind::Symlink(text.into()));
    }
    let what = match kind {
        kind if kind.is_fifo() => "a fifo",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Failure::new(path, format!("{what} cannot be in a layer")))
}

/// Files with several names become a file and hard links to it; adds up the sizes of the others.
fn link(tree: &mut Tree) -> Result<(), Failure> {
    let mut first: HashMap<(u64, u64), String> = HashMap::new();
    for entry in &mut tree.entries {
        let Kind::File(size) = entry.kind else { continue };
        let metadata = fs::symlink_metadata(&entry.path).map_err(|error| Failure::io(&entry.path, error))?;
        if metadata.nlink() > 1 {
            let inode = (metadata.dev(), metadata.ino());
            if let Some(target) = first.get(&inode) {
                entry.kind = Kind::Hardlink(target.clone());
                continue;
            }
            first.insert(inode, entry.name.clone());
        }
        tree.total += size;
    }
    Ok(())
}
