//! Contents, as programs read them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::mounted::{BUCKET, Mounted};
use crate::support::s3::{Object, Op, generated};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A mount with one generated object.
fn with_object(key: &str, seed: u64, size: u64) -> Mounted {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, key, Object::generated(seed, size));
    mounted
}

/// The bytes of a generated object.
fn bytes(seed: u64, start: u64, length: u64) -> Vec<u8> {
    generated(seed, start..start + length).concat()
}

#[test]
fn a_large_object_is_read_whole_and_once() {
    let mounted = with_object("dir/large", 1, GIB);
    let mut hash = Sha256::new();
    generated(1, 0..GIB).iter().for_each(|piece| hash.update(piece));
    let want: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(mounted.sh("sha256sum dir/large"), format!("{want}  dir/large\n"));
    let requests = mounted.requests();
    let gets: Vec<_> = requests.iter().filter(|entry| entry.op == Op::GetObject).collect();
    assert!(gets.iter().all(|get| get.header("if-match").is_some()), "every read is of one version");
    assert!(gets.len() <= 200, "{} requests", gets.len());
    let read: u64 = gets.iter().map(|get| get.bytes_out).sum();
    assert!((GIB..GIB + 32 * MIB).contains(&read), "{read} bytes");
}

#[test]
fn memory_stays_in_its_budget() {
    let mounted = Mounted::with(|server, command| {
        server.store().put(BUCKET, "large", Object::generated(2, GIB));
        command.env("FUSION_MEMORY", "32M");
    });
    mounted.sh("for i in 1 2 3 4; do dd if=large bs=1M skip=$((i*200)) count=200 status=none | cksum >&2 & done; wait");
    let status = std::fs::read_to_string(format!("/proc/{}/status", mounted.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 100 * KIB, "{kib} KiB");
}

#[test]
fn random_reads_fetch_what_they_need() {
    let mounted = with_object("large", 3, 4 * GIB);
    let file = File::open(mounted.path("large")).unwrap();
    mounted.requests();
    let mut place = 88_172_645_463_325_252_u64;
    let mut buffer = vec![0; 64 * KIB as usize];
    for _ in 0..100 {
        place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let offset = (place >> 20) % (4 * GIB - 64 * KIB);
        file.read_exact_at(&mut buffer, offset).unwrap();
        assert!(buffer == bytes(3, offset, 64 * KIB), "at {offset}");
    }
    let requests = mounted.requests();
    assert!(requests.iter().all(|entry| entry.op == Op::GetObject));
    assert!(requests.iter().all(|get| get.bytes_out <= 256 * KIB), "no read-ahead");
    assert!(requests.len() <= 205, "{} requests", requests.len());
}

#[test]
fn many_read_at_once_at_random_places() {
    let mounted = with_object("large", 4, GIB);
    let path = mounted.path("large");
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let file = File::open(&path).unwrap();
            scope.spawn(move || {
                let mut buffer = vec![0; 100_000];
                for round in 0..20 {
                    let offset = (thread * 977 + round * 7919) * 131_071 % (GIB - 100_000);
                    file.read_exact_at(&mut buffer, offset).unwrap();
                    assert!(buffer == bytes(4, offset, 100_000), "at {offset}");
                }
            });
        }
    });
}

#[test]
fn two_streams_of_one_object() {
    let mounted = with_object("large", 5, 64 * MIB);
    let sums = mounted.sh("(cksum <large & cksum <large; wait) | uniq -c | wc -l");
    assert_eq!(sums.trim(), "1");
}

#[test]
fn a_file_that_is_sought_in() {
    let mounted = with_object("file", 6, 10 * MIB + 17);
    let file = File::open(mounted.path("file")).unwrap();
    let size = 10 * MIB + 17;
    for (offset, length) in [
        (size - 1000, 1000),
        (0, 10),
        (5 * MIB - 3, 7),
        (4 * MIB, 3 * MIB),
        (0, 2 * MIB),
        (9 * MIB, MIB),
        (MIB - 1, 2),
    ] {
        let mut buffer = vec![0; length as usize];
        file.read_exact_at(&mut buffer, offset).unwrap();
        assert!(buffer == bytes(6, offset, length), "{length} bytes at {offset}");
    }
    let mut rest = vec![0; 100];
    assert_eq!(file.read_at(&mut rest, size - 1).unwrap(), 1, "the end is the end");
    assert_eq!(file.read_at(&mut rest, size + 5).unwrap(), 0);
}

#[test]
fn small_and_empty_objects() {
    let mounted = Mounted::new();
    for size in [0, 1, 4095, 4096, 131_072, 131_073, MIB, MIB + 1] {
        mounted.server.store().put(BUCKET, &format!("size-{size}"), Object::generated(size, size));
        let content = std::fs::read(mounted.path(&format!("size-{size}"))).unwrap();
        assert!(content == bytes(size, 0, size), "{size}");
    }
}

/// A program is mapped, not read.
#[test]
fn a_program_on_the_mount_runs() {
    let mounted = Mounted::new();
    let program = std::fs::read(env!("CARGO_BIN_EXE_fusion")).unwrap();
    mounted.server.store().put(BUCKET, "bin/fusion", Object::of(program));
    let output = Command::new(mounted.path("bin/fusion")).arg("version").output().unwrap();
    assert_eq!(output.stdout, concat!("fusion ", env!("CARGO_PKG_VERSION"), "\n").as_bytes(), "{output:?}");
}

#[test]
fn coreutils() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "text", Object::of("one\ntwo\nthree\n"));
    mounted.server.store().put(BUCKET, "d/e/f", Object::of("deep"));
    assert_eq!(
        mounted.sh("cat text; head -n1 text; tail -n1 text; wc -c <text"),
        "one\ntwo\nthree\none\nthree\n14\n"
    );
    assert_eq!(mounted.sh("cd d/e; cat f; cd ..; ls; cat ../text | sort | head -n1"), "deepe\none\n");
    assert_eq!(mounted.sh("find . -type f | sort"), "./d/e/f\n./text\n");
    assert_eq!(mounted.sh("stat -c '%s %a %F' text d"), "14 755 regular file\n0 755 directory\n");
    assert_eq!(mounted.sh("cp -r . /dev/null 2>/dev/null || grep -r two ."), "./text:two\n");
    assert_eq!(mounted.sh("dd if=text bs=1 skip=4 count=3 status=none"), "two");
}
