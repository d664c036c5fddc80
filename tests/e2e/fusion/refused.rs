//! Containers that lack something: with a word about what it is, or in another way.

use super::images::{IMAGES, Image};
use super::servers::{BUCKET, S3};
use super::stage::{Engine, RIGHTS, Stage};
use super::steps::Step;
use crate::support::clients::{Docker, Podman};

/// The exit code of a container that was to have the mount, and could not.
const NO_MOUNT: i32 = 174;

/// Without the device nothing of the command runs.
fn no_device(stage: &Stage<impl Engine>, s3: &S3) {
    for image in IMAGES {
        let said = stage.run(image, s3, &["--cap-add=SYS_ADMIN"], &[Step::Exit(0)]).ends_with(NO_MOUNT);
        assert!(said.contains("[fusion] ") && said.contains("--device /dev/fuse"), "{image:?}: {said}");
    }
}

/// The file is written and is there.
fn works(stage: &Stage<impl Engine>, s3: &S3, options: &[&str], name: &str) {
    for image in IMAGES {
        let key = format!("{}-{name}", image.word());
        let (folder, file) = (format!("/fusion/s3/{BUCKET}"), format!("/fusion/s3/{BUCKET}/{key}"));
        let steps =
            [Step::Line(&file, "one"), Step::Append(&file, "two"), Step::Cat(&file), Step::List(&folder)];
        let said = stage.run(image, s3, options, &steps).ok();
        assert!(said.starts_with("one\ntwo\n") && said.contains(&key), "{image:?}: {said}");
        assert_eq!(s3.get(&key).as_deref(), Some(&b"one\ntwo\n"[..]), "{image:?}");
    }
}

fn read_only(stage: &Stage<impl Engine>, s3: &S3) {
    works(stage, s3, &[&RIGHTS[..], &["--read-only"]].concat(), "read-only");
}

#[test]
fn podman_without_a_device_or_rights() {
    let (stage, s3) = (Stage::new(Podman::new()), S3::own(&[]));
    no_device(&stage, &s3);
    read_only(&stage, &s3);
    works(&stage, &s3, &["--user=1000:1000", &stage.open_device()], "user");
}

#[test]
fn docker_without_a_device_or_rights() {
    let (stage, s3) = (Stage::new(Docker::start()), S3::own(&[]));
    no_device(&stage, &s3);
    read_only(&stage, &s3);
    let device = stage.open_device();
    let user = ["--user=1000:1000", device.as_str()];
    works(&stage, &s3, &[&user[..], &["--security-opt=seccomp=unconfined"]].concat(), "user");
    // The usual filter for system calls lets nobody make a namespace.
    let said = stage.run(Image::Busybox, &s3, &user, &[Step::Exit(0)]).ends_with(NO_MOUNT);
    assert!(said.contains("--security-opt seccomp=unconfined"), "{said}");
}
