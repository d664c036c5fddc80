//! Asynchronous commit: faster, and in an order in which nobody sees a result before its files.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use crate::mounted::{BUCKET, Mounted, send};
use crate::support::s3::{Action, Op, Shape, When};

fn mounted() -> Mounted {
    Mounted::with(|_, command| {
        command.env("FUSION_ASYNC_COMMIT", "1");
    })
}

#[test]
fn closing_does_not_wait_and_the_exit_code_does() {
    let mounted = mounted();
    fs::create_dir(mounted.path("task")).unwrap();
    mounted.requests();
    mounted.server.faults().add(
        When::op(Op::PutObject).key_prefix("task/out").always(),
        Action::Delay(Duration::from_millis(300)),
    );
    let start = Instant::now();
    for n in 0..40 {
        fs::write(mounted.path(&format!("task/out{n}")), format!("{n}")).unwrap();
    }
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "one after the other takes twelve: {:?}",
        start.elapsed()
    );
    assert_eq!(fs::read(mounted.path("task/out39")).unwrap(), b"39", "it is read before it is uploaded");
    fs::write(mounted.path("task/.exitcode"), "0").unwrap();
    let requests = mounted.requests();
    let puts: Vec<_> = requests.iter().filter(|entry| entry.op == Op::PutObject).collect();
    assert_eq!(puts.len(), 41);
    let exit = puts.iter().find(|put| put.key == "task/.exitcode").unwrap();
    for put in puts.iter().filter(|put| put.key != exit.key) {
        assert!(put.finished.unwrap() <= exit.started, "{} after the exit code", put.key);
    }
}

#[test]
fn a_result_is_not_told_without_its_files() {
    let mounted = mounted();
    let refusal = Action::Error { status: 403, code: "AccessDenied" };
    mounted.server.faults().add(When::op(Op::PutObject).key("out").always(), refusal);
    fs::write(mounted.path("out"), "result").unwrap();
    let mut exit = File::create(mounted.path(".exitcode")).unwrap();
    exit.write_all(b"0").unwrap();
    assert!(exit.sync_all().is_err());
    drop(exit);
    assert_eq!(mounted.server.store().body(BUCKET, ".exitcode"), None);
    let (code, said) = mounted.end();
    assert_eq!(code, Some(174));
    assert!(said.contains("lost: s3://b/out ") && said.contains("lost: s3://b/.exitcode "), "{said}");
}

#[test]
fn a_result_is_not_told_when_a_file_was_given_up() {
    let mounted = mounted();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "exec yes > out"]).current_dir(mounted.path(""));
    let mut writer = command.spawn().unwrap();
    assert!(mounted.server.log().wait(Op::UploadPart, 3, Duration::from_secs(20)));
    send("KILL", writer.id());
    writer.wait().unwrap();
    assert!(mounted.server.log().wait(Op::AbortUpload, 1, Duration::from_secs(20)));
    assert!(!mounted.try_sh("echo 137 > .exitcode; cat .exitcode; sync .exitcode").status.success());
    let (code, said) = mounted.end();
    assert_eq!(code, Some(174));
    assert!(said.contains("lost: s3://b/out ") && said.contains("lost: s3://b/.exitcode "), "{said}");
}

#[test]
fn a_redirection_is_uploaded_before_the_exit_code() {
    let mounted = mounted();
    let slow = Action::Delay(Duration::from_millis(500));
    mounted.server.faults().add(When::op(Op::PutObject).key("out").always(), slow);
    mounted.sh("(echo a; echo b) > out; echo 0 > .exitcode");
    let requests = mounted.requests();
    let put = |key: &str| requests.iter().rfind(|put| put.op == Op::PutObject && put.key == key).unwrap();
    assert!(put("out").finished.unwrap() <= put(".exitcode").started);
}

#[test]
fn fsync_rename_and_the_end_wait_for_all() {
    let mounted = mounted();
    mounted.server.shape(Shape { first_byte: Duration::from_millis(100), rate: None });
    fs::write(mounted.path("a"), "a").unwrap();
    fs::write(mounted.path("b"), "b").unwrap();
    fs::rename(mounted.path("a"), mounted.path("c")).unwrap();
    assert_eq!(mounted.server.store().keys(BUCKET), ["b", "c"]);
    fs::write(mounted.path("d"), "d").unwrap();
    let mut file = File::create(mounted.path("e")).unwrap();
    file.write_all(b"e").unwrap();
    file.sync_all().unwrap();
    assert_eq!(mounted.server.store().keys(BUCKET), ["b", "c", "d", "e"]);
    drop(file);
    let (code, said) = mounted.end();
    assert_eq!((code, said.trim()), (Some(0), ""));
}
