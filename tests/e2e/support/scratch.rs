//! Folders that go away with their owner.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::tools;

/// A folder for sockets, configuration and logs; its path is short enough for a socket's name.
pub(crate) fn small() -> TempDir {
    tempfile::Builder::new().prefix("wave-e2e-").tempdir().expect("the temporary folder can be written")
}

/// A folder for image data, on the file system of the build, where `cached` is.
pub(crate) fn large() -> TempDir {
    tempfile::Builder::new().prefix("data-").tempdir_in(target()).expect("the target folder can be written")
}

/// A folder that is made by `make` and kept for as long as its inputs are the same; then that of others goes. `make`
/// gets an empty folder that becomes this one when it is complete, so an interrupted run leaves nothing behind that
/// looks whole.
pub(crate) fn cached(name: &str, inputs: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let digest = super::images::sha256(inputs.as_bytes());
    let folder = target().join(name);
    let path = folder.join(&digest["sha256:".len()..][..16]);
    if !path.exists() {
        std::fs::create_dir_all(&folder).expect("the target folder can be written");
        let draft = large();
        make(draft.path());
        let kept = std::fs::rename(draft.path(), &path);
        // Two runs at once make the same content: the first to finish wins.
        assert!(kept.is_ok() || path.exists(), "cannot keep {}: {kept:?}", path.display());
        let others =
            std::fs::read_dir(&folder).expect("it is there").map(|entry| entry.expect("an entry").path());
        for other in others.filter(|other| *other != path) {
            std::fs::remove_dir_all(other).expect("the folder is ours");
        }
    }
    path
}

/// Takes away what a container program has left mounted below a folder, innermost first.
pub(crate) fn unmount_below(folder: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("Linux tells its mounts");
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for point in
        points.filter(|point| Path::new(point).starts_with(folder)).collect::<Vec<_>>().into_iter().rev()
    {
        let _ = tools::command("umount").arg("--lazy").arg(point).status();
    }
}

fn target() -> &'static Path {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(path).expect("the target folder can be written");
    path
}
