//! Objects that others replace while they are used here.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::mounted::{BUCKET, Mounted};
use crate::support::s3::{Object, generated};

const SIZE: u64 = 64 << 20;

fn bytes(seed: u64, offset: u64, length: usize) -> Vec<u8> {
    generated(seed, offset..offset + length as u64).concat()
}

fn put(mounted: &Mounted, seed: u64) {
    mounted.server.store().put(BUCKET, "file", Object::generated(seed, SIZE));
}

#[test]
fn an_open_file_is_of_its_version_or_stale() {
    let mounted = Mounted::new();
    put(&mounted, 1);
    let old = File::open(mounted.path("file")).unwrap();
    let mut buffer = vec![0; 4096];
    old.read_exact_at(&mut buffer, 0).unwrap();
    assert!(buffer == bytes(1, 0, 4096));
    put(&mounted, 2);
    // Far from what was read ahead.
    let error = old.read_exact_at(&mut buffer, SIZE - 4096).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(116), "{error}");
    // A new opening has the new version everywhere, also where the old one is in the page cache.
    let new = File::open(mounted.path("file")).unwrap();
    for offset in [0, 4096, SIZE - 4096] {
        new.read_exact_at(&mut buffer, offset).unwrap();
        assert!(buffer == bytes(2, offset, 4096), "at {offset}");
    }
    // And the old one still has what it had.
    old.read_exact_at(&mut buffer, 0).unwrap();
    assert!(buffer == bytes(1, 0, 4096));
}

#[test]
fn a_reader_sees_one_version_or_an_error() {
    let mounted = Mounted::new();
    put(&mounted, 0);
    std::thread::scope(|scope| {
        let path = mounted.path("file");
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let path = path.clone();
                scope.spawn(move || (0..8).map(|_| versions(&path)).collect::<Vec<_>>())
            })
            .collect();
        for seed in 1..30 {
            put(&mounted, seed);
            mounted.sh("sleep 0.05");
        }
        for reader in readers {
            for outcome in reader.join().unwrap() {
                match outcome {
                    Ok(versions) => assert_eq!(versions, 1, "one version in one opening"),
                    Err(error) => assert_eq!(error.raw_os_error(), Some(116), "{error}"),
                }
            }
        }
    });
}

/// How many versions one opening shows at four places.
fn versions(path: &std::path::Path) -> io::Result<usize> {
    let file = File::open(path)?;
    let mut seeds = std::collections::BTreeSet::new();
    for part in 0..4 {
        let offset = part * (SIZE / 4);
        let mut buffer = vec![0; 1000];
        file.read_exact_at(&mut buffer, offset)?;
        let seed = (0..30).find(|&seed| bytes(seed, offset, 1000) == buffer);
        seeds.insert(seed.expect("every byte is of some version"));
    }
    Ok(seeds.len())
}

#[test]
fn a_name_shows_the_newest_version_after_a_second() {
    let mounted = Mounted::new();
    let store = mounted.server.store();
    store.put(BUCKET, "text", Object::of("old"));
    assert_eq!(mounted.sh("cat text; ls -l >/dev/null; cat text"), "oldold");
    store.put(BUCKET, "text", Object::of("newer"));
    assert_eq!(mounted.sh("sleep 1.2; cat text; stat -c %s text"), "newer5\n");
    store.remove(BUCKET, "text");
    assert!(!mounted.try_sh("sleep 1.2; cat text").status.success());
    store.put(BUCKET, "text", Object::of("again"));
    assert_eq!(mounted.sh("sleep 1.2; cat text"), "again");
}

#[test]
fn a_removed_object_is_stale_where_it_is_open() {
    let mounted = Mounted::new();
    put(&mounted, 1);
    let file = File::open(mounted.path("file")).unwrap();
    mounted.server.store().remove(BUCKET, "file");
    let error = file.read_exact_at(&mut [0; 10], SIZE - 10).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(116), "{error}");
}

#[test]
fn an_object_becomes_a_folder() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "x", Object::of("file"));
    assert_eq!(mounted.sh("cat x"), "file");
    mounted.server.store().put(BUCKET, "x/y", Object::of("below"));
    assert_eq!(mounted.sh("sleep 1.2; stat -c %F x; cat x/y"), "directory\nbelow");
}

/// The kernel has pages of the version before.
#[test]
fn a_file_that_was_replaced_and_is_renamed_is_its_new_version() {
    let mounted = Mounted::new();
    put(&mounted, 1);
    mounted.sh("head -c 65536 file | cksum");
    put(&mounted, 2);
    std::fs::rename(mounted.path("file"), mounted.path("renamed")).unwrap();
    let new = File::open(mounted.path("renamed")).unwrap();
    let mut buffer = vec![0; 4096];
    for offset in [0, 8192, SIZE - 4096] {
        new.read_exact_at(&mut buffer, offset).unwrap();
        assert!(buffer == bytes(2, offset, 4096), "at {offset}");
    }
    assert!(!mounted.path("file").exists());
}
