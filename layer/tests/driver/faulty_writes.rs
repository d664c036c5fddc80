//! Writing to a server that fails.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use crate::mounted::{BUCKET, Mounted, send};
use crate::support::s3::{Action, Object, Op, When};

const MIB: usize = 1 << 20;

fn bytes(len: usize) -> Vec<u8> {
    crate::support::s3::generated(11, 0..len as u64).concat()
}

fn body(mounted: &Mounted, key: &str) -> Option<Vec<u8>> {
    mounted.server.store().body(BUCKET, key).map(|body| body.to_vec())
}

#[track_caller]
fn survives(when: When, action: Action, len: usize) {
    let mounted = Mounted::new();
    mounted.server.faults().add(when, action);
    let data = bytes(len);
    fs::write(mounted.path("file"), &data).unwrap();
    assert!(body(&mounted, "file").unwrap() == data);
    assert!(mounted.server.faults().fired() > 0, "the fault was met");
    assert!(mounted.server.store().uploads(BUCKET).is_empty());
}

#[test]
fn bursts_of_503_are_survived() {
    let slow_down = || Action::Error { status: 503, code: "SlowDown" };
    survives(When::op(Op::UploadPart).times(6), slow_down(), 40 * MIB);
    survives(When::op(Op::PutObject).times(3), slow_down(), 1000);
    survives(When::op(Op::CreateUpload).times(2), slow_down(), 20 * MIB);
    survives(When::op(Op::CompleteUpload).times(2), slow_down(), 20 * MIB);
}

#[test]
fn resets_are_survived() {
    survives(When::op(Op::UploadPart).skip(1).times(3), Action::ResetUpload { at: 3_000_000 }, 40 * MIB);
    survives(When::op(Op::PutObject).times(1), Action::ResetAfterEffect, 1000);
    survives(When::op(Op::CompleteUpload).times(1), Action::ResetAfterEffect, 20 * MIB);
}

#[test]
fn an_error_in_a_granted_completion_is_an_error() {
    survives(When::op(Op::CompleteUpload).times(1), Action::ErrorBody { code: "InternalError" }, 20 * MIB);
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "file", Object::of("old"));
    mounted
        .server
        .faults()
        .add(When::op(Op::CompleteUpload).always(), Action::ErrorBody { code: "AccessDenied" });
    let mut file = File::create(mounted.path("file")).unwrap();
    file.write_all(&bytes(20 * MIB)).unwrap();
    assert!(file.sync_all().is_err());
    drop(file);
    assert_eq!(body(&mounted, "file").unwrap(), b"old");
}

#[test]
fn what_cannot_be_uploaded_is_told_at_close_and_at_the_end() {
    let mounted = Mounted::new();
    mounted
        .server
        .faults()
        .add(When::op(Op::PutObject).key("no").always(), Action::Error { status: 403, code: "AccessDenied" });
    let refused = mounted.try_sh("cp /etc/passwd no");
    assert!(!refused.status.success(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Permission denied"), "{refused:?}");
    mounted.sh("echo y > yes");
    assert_eq!(body(&mounted, "yes").unwrap(), b"y\n");
    let (code, said) = mounted.end();
    assert_eq!(code, Some(174), "{said}");
    assert!(said.contains("lost: s3://b/no ") && said.contains("EACCES"), "{said}");
    assert!(!said.contains("s3://b/yes"), "{said}");
}

#[test]
fn what_could_not_be_uploaded_is_tried_again() {
    let mounted = Mounted::new();
    let refusal = Action::Error { status: 403, code: "AccessDenied" };
    mounted.server.faults().add(When::op(Op::PutObject).key("file").times(1), refusal);
    let mut file = File::create(mounted.path("file")).unwrap();
    file.write_all(b"kept").unwrap();
    assert!(file.sync_all().is_err());
    file.sync_all().unwrap();
    drop(file);
    assert_eq!(body(&mounted, "file").unwrap(), b"kept");
    assert_eq!(mounted.end().0, Some(0));
}

#[test]
fn a_full_staging_disk_is_told_to_the_writer() {
    let disk = std::env::temp_dir().join(format!("fusion-full-{}", std::process::id()));
    fs::create_dir_all(&disk).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "none"])
        .arg(&disk)
        .status()
        .unwrap();
    assert!(mount.success());
    let mounted = Mounted::with(|_, command| {
        command.env("FUSION_CACHE_LOCATION", &disk);
    });
    let full = {
        let mut file =
            File::options().read(true).write(true).create(true).truncate(true).open(mounted.path("f"));
        let file = file.as_mut().unwrap();
        file.write_all(&bytes(20 * MIB)).unwrap_err()
    };
    assert_eq!(full.raw_os_error(), Some(28), "{full}");
    // Files that are written in order need no disk.
    fs::write(mounted.path("in-order"), bytes(20 * MIB)).unwrap();
    assert!(body(&mounted, "in-order").unwrap() == bytes(20 * MIB));
    drop(mounted);
    let _ = std::process::Command::new("umount").arg(&disk).status();
    let _ = fs::remove_dir(&disk);
}

#[test]
fn an_object_that_was_replaced_is_not_replaced_by_more_of_the_old_one() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "log", Object::of("one\n"));
    let mut file = File::options().append(true).open(mounted.path("log")).unwrap();
    file.write_all(b"two\n").unwrap();
    mounted.server.store().put(BUCKET, "log", Object::of("another"));
    assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(116));
    drop(file);
    assert_eq!(body(&mounted, "log").unwrap(), b"another");
    assert_eq!(mounted.end().0, Some(174));
}

#[test]
fn a_file_that_was_to_be_the_only_one_replaces_none() {
    let mounted = Mounted::new();
    let mut file = File::create_new(mounted.path("lock")).unwrap();
    file.write_all(b"mine").unwrap();
    mounted.server.store().put(BUCKET, "lock", Object::of("theirs"));
    assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(17));
    drop(file);
    assert_eq!(body(&mounted, "lock").unwrap(), b"theirs");
    let mut file = File::create_new(mounted.path("first")).unwrap();
    file.write_all(b"mine").unwrap();
    file.sync_all().unwrap();
    mounted.server.store().put(BUCKET, "first", Object::of("theirs"));
    file.write_all(b", again").unwrap();
    drop(file);
    assert_eq!(body(&mounted, "first").unwrap(), b"mine, again", "the last one wins, as without O_EXCL");
}

#[test]
fn a_server_without_conditions_is_written_to_without() {
    let mounted = Mounted::new();
    mounted.server.faults().add(
        When::op(Op::PutObject).header("if-none-match", "*").always(),
        Action::Error { status: 501, code: "NotImplemented" },
    );
    let mut file = File::create_new(mounted.path("file")).unwrap();
    file.write_all(b"text").unwrap();
    drop(file);
    assert_eq!(body(&mounted, "file").unwrap(), b"text");
}

#[test]
fn a_large_file_outlives_an_outage_at_its_end() {
    let mounted = Mounted::new();
    // As many as the attempts for one request.
    let outage = Action::Error { status: 500, code: "InternalError" };
    mounted.server.faults().add(When::op(Op::CompleteUpload).times(10), outage);
    let data = bytes(20 * MIB);
    let mut file = File::create(mounted.path("file")).unwrap();
    file.write_all(&data).unwrap();
    assert!(file.sync_all().is_err());
    assert_eq!(body(&mounted, "file"), None);
    file.write_all(b"more").unwrap();
    drop(file);
    assert!(body(&mounted, "file").unwrap() == [&data[..], b"more"].concat());
    let sent = mounted.requests().iter().filter(|entry| entry.op == Op::UploadPart).count();
    assert_eq!(sent, 4, "three, and what came later");
    assert_eq!(mounted.end().0, Some(0));
}

#[test]
fn what_there_is_no_time_to_finish_is_not_left_in_parts() {
    let mounted = Mounted::with(|_, command| {
        command.env("FUSION_STOP_SHUTDOWN_TIMEOUT", "1s");
    });
    mounted.server.faults().add(When::op(Op::CompleteUpload).always(), Action::Stall);
    let mut file = File::create(mounted.path("file")).unwrap();
    file.write_all(&bytes(20 * MIB)).unwrap();
    send("TERM", mounted.pid());
    assert!(mounted.server.log().wait(Op::AbortUpload, 1, Duration::from_secs(20)));
    let uploads = |mounted: &Mounted| mounted.server.store().uploads(BUCKET);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !uploads(&mounted).is_empty() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(uploads(&mounted).is_empty());
    drop(file);
    let (code, said) = mounted.ended();
    assert_eq!(code, Some(174));
    assert!(said.contains("lost: s3://b/file "), "{said}");
}

#[test]
fn a_killed_driver_leaves_the_old_object_or_none() {
    for old in [None, Some("old")] {
        let mounted = Mounted::new();
        if let Some(old) = old {
            mounted.server.store().put(BUCKET, "file", Object::of(old));
        }
        let mut file = File::create(mounted.path("file")).unwrap();
        file.write_all(&bytes(30 * MIB)).unwrap();
        assert!(mounted.server.log().wait(Op::UploadPart, 2, Duration::from_secs(10)));
        send("KILL", mounted.pid());
        let _ = file.write_all(&bytes(10 * MIB));
        drop(file);
        assert_eq!(body(&mounted, "file"), old.map(|old| old.as_bytes().to_vec()));
    }
}

#[test]
fn a_killed_writer_leaves_the_old_object_or_none_but_its_logs() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "old", Object::of("old"));
    for (signal, key) in [("TERM", "old"), ("KILL", "new")] {
        mounted.server.log().clear();
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("echo begun > log; exec yes > {key}")]).current_dir(mounted.path(""));
        let mut writer = command.spawn().unwrap();
        assert!(mounted.server.log().wait(Op::UploadPart, 3, Duration::from_secs(20)));
        send(signal, writer.id());
        writer.wait().unwrap();
        assert!(mounted.server.log().wait(Op::AbortUpload, 1, Duration::from_secs(20)));
        assert_eq!(mounted.server.log().count(Op::CompleteUpload), 0);
        assert_eq!(body(&mounted, "log").unwrap(), b"begun\n");
    }
    assert_eq!(fs::read(mounted.path("old")).unwrap(), b"old");
    assert_eq!(body(&mounted, "new"), None);
    let (code, said) = mounted.end();
    assert_eq!(code, Some(174));
    assert!(said.contains("lost: s3://b/new was not written: EINTR"), "{said}");
}

#[test]
fn a_killed_writer_does_not_end_what_another_writes() {
    let mounted = Mounted::new();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "exec yes > file"]).current_dir(mounted.path(""));
    let mut writer = command.spawn().unwrap();
    assert!(mounted.server.log().wait(Op::UploadPart, 3, Duration::from_secs(20)));
    let other = File::options().append(true).open(mounted.path("file")).unwrap();
    send("KILL", writer.id());
    writer.wait().unwrap();
    send("TERM", mounted.pid());
    assert!(mounted.server.log().wait(Op::CompleteUpload, 1, Duration::from_secs(20)));
    drop(other);
    let (code, said) = mounted.ended();
    assert_eq!((code, said.trim()), (Some(0), ""));
}

#[test]
fn a_terminated_driver_finishes_what_is_closed() {
    let mounted = Mounted::new();
    let data = bytes(30 * MIB);
    let mut file = File::create(mounted.path("file")).unwrap();
    file.write_all(&data).unwrap();
    send("TERM", mounted.pid());
    let deadline = Instant::now() + Duration::from_secs(20);
    while body(&mounted, "file").is_none() {
        assert!(Instant::now() < deadline, "the upload is completed before the driver ends");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(body(&mounted, "file").unwrap() == data);
    drop(file);
    let (code, said) = mounted.ended();
    assert_eq!((code, said.trim()), (Some(0), ""));
}

#[test]
fn an_object_that_was_replaced_is_not_mixed_with_the_new_one() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "big", Object::of(bytes(30 * MIB)));
    let file = File::options().write(true).open(mounted.path("big")).unwrap();
    mounted.server.store().put(BUCKET, "big", Object::of("another"));
    std::os::unix::fs::FileExt::write_all_at(&file, b"patch", 12 * MIB as u64).unwrap();
    let error = file.sync_all().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(116), "{error}");
    drop(file);
    assert_eq!(body(&mounted, "big").unwrap(), b"another");
}
