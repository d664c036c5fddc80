//! How containers end, and what is in S3 then.

use super::images::{IMAGES, Image};
use super::servers::{BUCKET, S3};
use super::stage::{Engine, RIGHTS, Stage};
use super::steps::{self, Step, numbers};
use crate::support::clients::{Docker, Podman};

/// Numbers that are written: 70.9 MB, and more than the container may keep in memory.
const LAST: u64 = 9_000_000;
const MEMORY: &str = "--env=FUSION_MEMORY=32M";
/// Bytes per second on each connection: a part takes two seconds.
const RATE: &str = "4000000";

fn codes(stage: &Stage<impl Engine>) {
    let s3 = S3::own(&[]);
    let folder = format!("/fusion/s3/{BUCKET}");
    for image in IMAGES {
        for (end, code) in [(Step::Exit(0), 0), (Step::Exit(7), 7), (Step::Kill, 137)] {
            stage.run(image, &s3, &RIGHTS, &[Step::List(&folder), end]).ends_with(code);
        }
    }
}

/// A container that was sent a signal when it had begun to upload an object.
struct Interrupted {
    /// As the engine tells it.
    code: String,
    object: Option<Vec<u8>>,
}

impl Interrupted {
    /// `before` is what a shell does first; `name` is that of the container and of the object.
    fn by(signal: &str, stage: &Stage<impl Engine>, s3: &S3, image: Image, name: &str, before: &str) -> Self {
        let file = format!("/fusion/s3/{BUCKET}/{name}");
        let mut command = steps::command(image, &[Step::Count(&file, LAST)]);
        if let Some(script) = command.last_mut().filter(|_| image != Image::Scratch) {
            script.insert_str(0, before);
        }
        let options = [&RIGHTS[..], &[MEMORY, "--detach", "--name", name]].concat();
        stage.start(image, s3, &options, &command).ok();
        s3.has_answered(&format!("200 CreateUpload /{BUCKET}/{name} "));
        stage.engine(&["kill", "--signal", signal, name]).ok();
        let code = stage.engine(&["wait", name]).ok().trim().to_owned();
        stage.engine(&["rm", name]).ok();
        Self { code, object: s3.get(name) }
    }
}

fn signals(stage: &Stage<impl Engine>) {
    let (s3, whole) = (S3::own(&["--rate", RATE]), numbers(LAST));
    for image in IMAGES {
        // The command dies of it.
        let Interrupted { code, object } = Interrupted::by("TERM", stage, &s3, image, image.word(), "");
        assert_eq!(code, "143", "{image:?}");
        assert!(object.is_none_or(|object| object == whole), "{image:?}: a part of the object is visible");
        assert!(!s3.has_uploads(), "{image:?}: the upload was not taken back");
    }
    // The command goes on, and so does the container.
    let Interrupted { code, object } =
        Interrupted::by("TERM", stage, &s3, Image::Busybox, "deaf", "trap '' TERM\n");
    assert_eq!(code, "0");
    assert!(object.is_some_and(|object| object == whole), "the object is not whole");
    // Nothing of the container goes on.
    let Interrupted { code, object } = Interrupted::by("KILL", stage, &s3, Image::Debian, "killed", "");
    assert_eq!(code, "137");
    assert!(object.is_none_or(|object| object == whole), "a part of the object is visible");
}

#[test]
fn podman_ends_as_its_command_does() {
    let stage = Stage::new(Podman::new());
    codes(&stage);
    signals(&stage);
}

#[test]
fn docker_ends_as_its_command_does() {
    let stage = Stage::new(Docker::start());
    codes(&stage);
    signals(&stage);
}
