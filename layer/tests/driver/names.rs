//! Keys and the names they have.

use std::collections::BTreeSet;

use crate::mounted::{BUCKET, Mounted};
use crate::support::s3::Object;

fn with_keys(keys: &[&str]) -> Mounted {
    let mounted = Mounted::new();
    for key in keys {
        mounted.server.store().put(BUCKET, key, Object::of(key.as_bytes().to_vec()));
    }
    mounted
}

/// The names in a folder.
fn names(mounted: &Mounted, folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(mounted.path(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[track_caller]
fn has(mounted: &Mounted, folder: &str, want: &[&str]) {
    assert_eq!(names(mounted, folder), want.iter().map(|name| (*name).to_owned()).collect(), "{folder:?}");
}

#[test]
fn every_key_that_can_be_a_name_is_one() {
    let long = "x".repeat(255);
    let keys = [
        "plain",
        "with space",
        "percent%20sign%",
        "plus+sign",
        "line\nbreak",
        "quote\"'&<>",
        "back\\slash",
        "emoji-\u{1f433}",
        "u\u{308}",
        "...",
        ".hidden",
        "~",
        "d/x",
        "d-x",
        "d.x",
        &long,
    ];
    let mounted = with_keys(&keys);
    let mut want: Vec<&str> = keys.iter().filter(|key| !key.contains('/')).copied().collect();
    want.push("d");
    has(&mounted, "", &want);
    for key in keys {
        assert_eq!(std::fs::read(mounted.path(key)).unwrap(), key.as_bytes(), "{key:?}");
    }
}

#[test]
fn keys_that_cannot_be_names_are_hidden_and_told_once() {
    let long = format!("a/{}", "x".repeat(256));
    let mounted = with_keys(&["a//b", "a/./c", "a/../d", "a/ok", "/top", "a/sub//e", &long]);
    for _ in 0..2 {
        has(&mounted, "a", &["ok", "sub"]);
        has(&mounted, "a/sub", &[]);
        has(&mounted, "", &["a"]);
    }
    let (code, said) = mounted.end();
    assert_eq!(code, Some(0));
    let hidden: Vec<&str> = said.lines().filter(|line| line.contains("are hidden")).collect();
    assert_eq!(hidden.len(), 3, "one line for each folder: {said}");
}

#[test]
fn folders_are_prefixes_and_markers() {
    let mounted = with_keys(&["implicit/x", "marked/", "marked/y", "empty/"]);
    has(&mounted, "", &["implicit", "marked", "empty"]);
    has(&mounted, "implicit", &["x"]);
    has(&mounted, "marked", &["y"]);
    has(&mounted, "empty", &[]);
    for folder in ["implicit", "marked", "empty"] {
        assert!(std::fs::metadata(mounted.path(folder)).unwrap().is_dir(), "{folder}");
    }
}

#[test]
fn a_folder_hides_the_object_of_its_name() {
    let mounted = with_keys(&["a", "a/x", "a-b", "a.c"]);
    assert!(std::fs::metadata(mounted.path("a")).unwrap().is_dir());
    has(&mounted, "", &["a", "a-b", "a.c"]);
    has(&mounted, "a", &["x"]);
    assert!(std::fs::metadata(mounted.path("a")).unwrap().is_dir());
}

/// The object and the folder are on different pages of the listing.
#[test]
fn a_folder_hides_an_object_of_another_page() {
    let mounted = with_keys(&["d/a", "d/a/x"]);
    let between = (0..2000).map(|n| format!("d/a-{n:04}"));
    mounted.server.store().fill(BUCKET, between, Object::of("x"));
    let listed = mounted.sh("ls -A d | grep -c '^a$'; ls -A d | wc -l");
    assert_eq!(listed, "1\n2001\n");
    assert_eq!(mounted.sh("stat -c %F d/a"), "directory\n");
}

#[test]
fn buckets_are_folders_of_the_mount_point() {
    let mounted = Mounted::with(|server, command| {
        server.store().bucket("other");
        server.store().put("other", "k", Object::of("v"));
        command.env("FUSION_BUCKETS", "s3://third/with/prefix");
    });
    let root = mounted.root().to_owned();
    let listed: BTreeSet<_> =
        std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(listed, [BUCKET, "third"].map(Into::into).into());
    assert!(root.join("third/with/prefix").is_dir(), "configured folders are there");
    assert_eq!(mounted.ops(), [], "and nothing was asked for");
    assert_eq!(std::fs::read(root.join("other/k")).unwrap(), b"v");
    assert!(!root.join("absent").exists());
}

#[test]
fn symbolic_links_lead_somewhere() {
    let mounted = with_keys(&["d/target"]);
    let store = mounted.server.store();
    store.put(BUCKET, "d/.fusion.symlinks", Object::of("link\nabsolute\n"));
    store.put(BUCKET, "d/link", Object::of("target"));
    store.put(BUCKET, "d/absolute", Object::of("/etc/passwd"));
    store.put(BUCKET, "d/file", Object::of("target"));
    assert_eq!(
        mounted.sh("cat d/link; readlink d/link d/absolute; stat -c %F d/link d/file"),
        "d/targettarget\n/etc/passwd\nsymbolic link\nregular file\n"
    );
    has(&mounted, "d", &["target", "link", "absolute", "file"]);
    assert_eq!(mounted.sh("find d -type l | sort"), "d/absolute\nd/link\n");
}

#[test]
fn a_large_folder_is_listed_whole() {
    let mounted = Mounted::new();
    let keys = (0..25_000).map(|n| format!("many/{n:06}"));
    mounted.server.store().fill(BUCKET, keys, Object::of("x"));
    assert_eq!(
        mounted.sh("ls many | wc -l; ls -l many | tail -n1 | awk '{print $5, $9}'"),
        "25000\n1 024999\n"
    );
}
