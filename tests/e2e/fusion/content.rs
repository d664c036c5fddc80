//! Listing, reading and writing.

use super::images::{IMAGES, Image};
use super::servers::{BUCKET, S3, hex_sum};
use super::stage::{Engine, RIGHTS, Stage};
use super::steps::{Step, numbers};
use crate::support::clients::{Docker, Podman};

/// Bytes of the object that is read from our own server; it makes them when they are asked for.
const LARGE: u64 = 1 << 30;
/// moto keeps objects in memory, and is slow.
const SMALL: u64 = 32 << 20;
/// Numbers that are written: 26.9 MB, which is more than one part.
const LAST: u64 = 3_500_000;

/// An object with the key `large`, its size, and its SHA-256.
struct Large {
    size: u64,
    sum: String,
}

fn reads(stage: &Stage<impl Engine>, s3: &S3, large: &Large) {
    let (folder, file) = (format!("/fusion/s3/{BUCKET}"), format!("/fusion/s3/{BUCKET}/large"));
    for image in IMAGES {
        let said = stage.run(image, s3, &RIGHTS, &[Step::List(&folder), Step::Sum(&file)]).ok();
        let is_listed = said.lines().any(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.contains(&large.size.to_string().as_str()) && words.last() == Some(&"large")
        });
        assert!(is_listed, "{image:?}: {said}");
        assert_eq!(said.lines().last(), Some(format!("{}  {file}", large.sum).as_str()), "{image:?}: {said}");
    }
}

fn writes(stage: &Stage<impl Engine>, s3: &S3) {
    let expected = numbers(LAST);
    for image in IMAGES {
        let folder = format!("/fusion/s3/{BUCKET}/{}", image.word());
        let path = |name: &str| format!("{folder}/{name}");
        let (notes, draft, numbers, link) = (path("notes.txt"), path("draft"), path("numbers"), path("link"));
        let steps = [
            Step::Mkdir(&folder),
            Step::Line(&notes, "one"),
            Step::Count(&draft, LAST),
            Step::Append(&notes, "two"),
            Step::Move(&draft, &numbers),
            Step::Link("notes.txt", &link),
            Step::Cat(&link),
            Step::Sum(&numbers),
        ];
        let said = stage.run(image, s3, &RIGHTS, &steps).ok();
        assert_eq!(said, format!("one\ntwo\n{}  {numbers}\n", hex_sum(&expected)), "{image:?}");
        is_written(s3, image, &expected);
        // Another container, which knows nothing of the first.
        let said = stage.run(image, s3, &RIGHTS, &[Step::List(&folder), Step::Cat(&link)]).ok();
        assert!(said.ends_with("one\ntwo\n"), "{image:?}: {said}");
        for name in ["notes.txt", "numbers"] {
            assert!(said.lines().any(|line| line.ends_with(&format!(" {name}"))), "{image:?}: {said}");
        }
        assert!(!said.contains("draft"), "{image:?}: {said}");
    }
}

/// What one image has written, as others see it who have no mount.
fn is_written(s3: &S3, image: Image, numbers: &[u8]) {
    let get = |name: &str| s3.get(&format!("{}/{name}", image.word()));
    assert_eq!(get("notes.txt").as_deref(), Some(&b"one\ntwo\n"[..]), "{image:?}");
    assert!(get("numbers").is_some_and(|found| found == numbers), "{image:?}: numbers");
    assert_eq!(get("draft"), None, "{image:?}");
    assert_eq!(get("link").as_deref(), Some(&b"notes.txt"[..]), "{image:?}");
    let links = get(".fusion.symlinks").expect("links are named in a list");
    assert_eq!(String::from_utf8_lossy(&links).trim_end(), "link", "{image:?}");
    assert!(!s3.has_uploads(), "{image:?}");
}

fn both_servers(stage: &Stage<impl Engine>) {
    let own = S3::own(&["--object", &format!("{BUCKET}/large={LARGE}")]);
    reads(stage, &own, &Large { size: LARGE, sum: own.sum("large") });
    writes(stage, &own);

    let moto = S3::moto();
    let body: Vec<u8> = (0..SMALL / 8).flat_map(|number| (number * 0x9e37_79b9).to_le_bytes()).collect();
    moto.put("large", &body);
    reads(stage, &moto, &Large { size: SMALL, sum: hex_sum(&body) });
    writes(stage, &moto);
}

#[test]
fn podman_reads_and_writes() {
    both_servers(&Stage::new(Podman::new()));
}

#[test]
fn docker_reads_and_writes() {
    both_servers(&Stage::new(Docker::start()));
}
