//! A script of everyday commands, run on a mount and on a local folder: it prints the same and leaves the same.

use super::mount::{Mount, server};
use super::tools::Tool;
use crate::mounted::{BUCKET, Folder};

/// What is done. Each step prints its name, what its commands print, and their exit codes.
const SCRIPT: &str = include_str!("coreutils.sh");

/// What is left below the current folder: kind, name, bytes and target of everything.
const LEFT: &str = "find . -printf '%y %P %l\\n' | grep -v '^d  $' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum";

fn sh(folder: &std::path::Path, script: &str) -> String {
    Tool::new("sh", 240).args(["-c", script]).folder(folder).succeeds()
}

/// The first line that is not the same, for a message people can read.
#[track_caller]
fn same(mounted: &str, local: &str) {
    let mut step = "";
    for (line, expected) in mounted.lines().zip(local.lines()) {
        if let Some(name) = expected.strip_prefix("== ") {
            step = name;
        }
        assert_eq!(line, expected, "in step {step:?}");
    }
    assert_eq!(mounted.lines().count(), local.lines().count(), "after step {step:?}");
}

#[test]
fn everyday_commands_do_what_they_do_on_a_disk() {
    let server = server();
    let (mount, local) = (Mount::of(&server), Folder::new());
    let disk = local.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let expected = sh(&disk, SCRIPT);
    let steps = |text: &str, mark: &str| text.lines().filter(|line| line.starts_with(mark)).count();
    assert_eq!(steps(&expected, "== "), steps(SCRIPT, "step '"), "the script ended early on the disk");
    same(&sh(&mount.bucket(), SCRIPT), &expected);
    let left = sh(&disk, LEFT);
    same(&sh(&mount.bucket(), LEFT), &left);
    mount.end();
    // And the same again for somebody who knows nothing but S3.
    let mount = Mount::of(&server);
    same(&sh(&mount.bucket(), LEFT), &left);
    mount.end();
    assert_eq!(server.store().uploads(BUCKET), Vec::<String>::new());
    std::fs::remove_dir_all(disk).unwrap();
}
