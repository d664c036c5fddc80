//! `fsx`: random reads, writes, truncations and mappings of one file, each read compared with what must be there.
//!
//! `FUSION_FSX_OPERATIONS` is their number, 100 000 in `make layer-full`. A run is repeated by `FUSION_FSX_SEED`.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::mount::{Mount, server};
use super::tools::{Tool, size};
use crate::mounted::{BUCKET, Folder};
use crate::support::s3::{Action, Op, Server, When};

/// A file below the size of one part. Holes cannot be punched and links of a file do not share it, so neither is
/// tried.
const SMALL: &str = "
flen = 262144
[opsize]
max = 65536
[weights]
close_open = 1
read = 10
write = 10
mapread = 10
mapwrite = 10
invalidate = 1
truncate = 1
fsync = 1
fdatasync = 1
sendfile = 2
posix_fadvise = 4
copy_file_range = 1
";

/// A file of several parts, which has to go through multipart uploads with parts that are copied.
const LARGE: &str = "
flen = 33554432
[opsize]
max = 1048576
[weights]
close_open = 2
read = 10
write = 10
mapread = 4
mapwrite = 4
truncate = 1
fsync = 1
sendfile = 2
posix_fadvise = 4
";

/// What goes wrong, one after the other, all of which a client can mend by itself.
const FAULTS: &[(Op, Action)] = &[
    (Op::PutObject, Action::Error { status: 503, code: "SlowDown" }),
    (Op::GetObject, Action::Error { status: 503, code: "SlowDown" }),
    (Op::PutObject, Action::Reset),
    (Op::PutObject, Action::ResetAfterEffect),
    (Op::GetObject, Action::Truncate { at: 1000 }),
    (Op::PutObject, Action::Error { status: 500, code: "InternalError" }),
    (Op::GetObject, Action::Close),
    (Op::PutObject, Action::ResetUpload { at: 10_000 }),
    (Op::GetObject, Action::ResetAt { at: 5000 }),
    (Op::PutObject, Action::ErrorAfter { status: 500, code: "InternalError" }),
    (Op::PutObject, Action::Close),
    (Op::GetObject, Action::ResetAfterEffect),
    (Op::PutObject, Action::Delay(Duration::from_millis(50))),
];

/// The same for uploads in parts. Not for their beginning: an upload whose name was never heard stays where it is.
const FAULTS_OF_PARTS: &[(Op, Action)] = &[
    (Op::UploadPart, Action::ResetUpload { at: 100_000 }),
    (Op::CompleteUpload, Action::ErrorBody { code: "InternalError" }),
    (Op::GetObject, Action::Truncate { at: 100_000 }),
    (Op::UploadPart, Action::Error { status: 503, code: "SlowDown" }),
    (Op::CompleteUpload, Action::ResetAfterEffect),
    (Op::UploadPart, Action::ResetAfterEffect),
    (Op::CompleteUpload, Action::ErrorAfter { status: 500, code: "InternalError" }),
    (Op::GetObject, Action::ResetAt { at: 1_000_000 }),
    (Op::CompleteUpload, Action::Reset),
];

/// What is done to a file.
struct Exercise {
    /// fsx.toml.
    settings: &'static str,
    operations: u64,
    /// The longest time it may take.
    seconds: u64,
}

/// Many operations on a small file: so many, or as many as the environment says.
fn small(operations: u64) -> Exercise {
    let operations = size("FUSION_FSX_OPERATIONS", operations);
    Exercise { settings: SMALL, operations, seconds: 60 + operations / 20 }
}

/// A twentieth of them on a large file, of which each commit is many megabytes.
fn large(operations: u64) -> Exercise {
    let operations = size("FUSION_FSX_OPERATIONS", operations) / 20;
    Exercise { settings: LARGE, operations, seconds: 60 + operations }
}

/// Runs it on a file of a new mount, with `beside` going on until it ends.
fn exercise(server: &Server, exercise: &Exercise, beside: impl FnMut() + Send) {
    let mount = Mount::of(server);
    let artifacts = Folder::new();
    let config = artifacts.path().join("fsx.toml");
    fs::write(&config, exercise.settings).unwrap();
    let file = mount.bucket().join("fsx");
    let seed = size("FUSION_FSX_SEED", u64::from(std::process::id()));
    let numbers = ["-S", &seed.to_string(), "-N", &exercise.operations.to_string()];
    let tool = Tool::new("fsx", exercise.seconds).args(numbers);
    tool.args(["-f".as_ref(), config.as_path(), "-P".as_ref(), artifacts.path(), &file])
        .succeeds_beside(beside);
    let seen = fs::read(&file).unwrap();
    mount.end();
    let stored = server.store().body(BUCKET, "fsx").expect("what was closed is an object");
    assert!(seen == stored, "the object is not what the mount showed: seed {seed}");
    assert_eq!(server.store().uploads(BUCKET), Vec::<String>::new(), "uploads are left over");
    fs::remove_file(config).unwrap();
}

/// Plans these faults in turn and counts those that happened. Each has a moment for it; then some requests pass.
fn faults<'a>(
    server: &'a Server,
    list: &'static [(Op, Action)],
    fired: &'a AtomicUsize,
) -> impl FnMut() + Send + 'a {
    let mut next = list.iter().cycle();
    move || {
        let (op, action) = next.next().expect("a cycle has no end");
        // The log has an end, and its counts with it.
        server.log().clear();
        server.faults().add(When::op(*op), action.clone());
        server.log().wait(*op, 3, Duration::from_millis(100));
        fired.fetch_add(server.faults().fired(), Ordering::Relaxed);
        server.faults().clear();
    }
}

#[test]
fn fsx_finds_every_byte_where_it_was_written() {
    exercise(&server(), &small(5000), || {
        std::thread::park_timeout(Duration::from_millis(50));
    });
}

#[test]
fn fsx_finds_every_byte_where_it_was_written_while_the_service_fails() {
    let (server, fired) = (server(), AtomicUsize::new(0));
    exercise(&server, &small(3000), faults(&server, FAULTS, &fired));
    let fired = fired.into_inner();
    assert!(fired >= FAULTS.len(), "{fired} faults");
}

#[test]
fn fsx_finds_every_byte_of_a_file_of_several_parts_while_the_service_fails() {
    let (server, fired) = (server(), AtomicUsize::new(0));
    exercise(&server, &large(3000), faults(&server, FAULTS_OF_PARTS, &fired));
    let fired = fired.into_inner();
    assert!(fired >= FAULTS_OF_PARTS.len() / 2, "{fired} faults");
}
