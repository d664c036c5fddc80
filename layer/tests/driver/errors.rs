//! What programs are told when S3 refuses.

use std::fs::File;
use std::io::{self, ErrorKind};

use crate::mounted::{BUCKET, Mounted};
use crate::support::s3::{Action, Object, Op, Settings, When};

const EBUSY: i32 = 16;

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn what_is_absent_is_absent() {
    let mounted = Mounted::new();
    assert_eq!(File::open(mounted.path("absent")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(File::open(mounted.root().join("no-such-bucket")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(File::open(mounted.root().join("not a bucket")).unwrap_err().kind(), ErrorKind::NotFound);
    mounted.requests();
    assert!(File::open(mounted.root().join(".git")).is_err());
    assert_eq!(mounted.ops(), [], "a name no bucket can have is not asked for");
}

#[test]
fn refused_is_not_absent() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "secret", Object::of("x"));
    let denied = Action::Error { status: 403, code: "AccessDenied" };
    mounted.server.faults().add(When::any().always(), denied);
    assert_eq!(File::open(mounted.path("secret")).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(std::fs::metadata(mounted.path("other")).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(
        std::fs::read_dir(mounted.path("")).unwrap().next().unwrap().unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
    mounted.server.faults().clear();
    assert_eq!(mounted.sh("cat secret"), "x", "nothing was remembered");
}

/// With rights for objects and none to list, known names can be read.
#[test]
fn known_names_need_no_right_to_list() {
    let mounted = Mounted::with(|server, command| {
        server.store().bucket_with("closed", Settings { list_denied: true, ..Settings::default() });
        server.store().put("closed", "work/run/file", Object::of("content"));
        command.env("FUSION_WORK", "/fusion/s3/closed/work/run");
    });
    let file = mounted.root().join("closed/work/run/file");
    assert_eq!(std::fs::read(&file).unwrap(), b"content");
    let absent = mounted.root().join("closed/work/run/absent");
    assert_eq!(File::open(absent).unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// Where a folder may not be listed but S3 says of an object that it is absent, files can be made.
#[test]
fn absent_is_absent_where_only_listing_is_refused() {
    let mounted = Mounted::new();
    let denied = Action::Error { status: 403, code: "AccessDenied" };
    mounted.server.faults().add(When::op(Op::ListObjects).always(), denied);
    assert_eq!(File::open(mounted.path("absent")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_burst_of_refusals_is_survived() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "d/file", Object::generated(1, 5 << 20));
    let slow_down = || Action::Error { status: 503, code: "SlowDown" };
    for op in [Op::HeadObject, Op::ListObjects, Op::GetObject] {
        mounted.server.faults().add(When::op(op).times(3), slow_down());
    }
    assert_eq!(mounted.sh("ls d; wc -c <d/file; cat d/file | wc -c"), "file\n5242880\n5242880\n");
    assert_eq!(mounted.server.faults().fired(), 9);
}

#[test]
fn what_is_in_the_archive_has_attributes_and_cannot_be_read() {
    let mounted = Mounted::new();
    let archived = Object::of("cold").with("x-amz-storage-class", "GLACIER");
    mounted.server.store().put(BUCKET, "d/cold", archived);
    assert_eq!(mounted.sh("stat -c %s d/cold"), "4\n");
    assert_eq!(errno(File::open(mounted.path("d/cold"))), Some(EBUSY));
    assert_eq!(mounted.sh("ls d"), "cold\n");
    assert_eq!(errno(File::open(mounted.path("d/cold"))), Some(EBUSY));
    let (_, said) = mounted.end();
    assert!(said.contains("s3://b/d/cold is in the archive"), "{said}");
}

/// A listing says of an object that it is in the archive, and not that it was restored.
#[test]
fn what_was_restored_can_be_read_after_a_listing() {
    let mounted = Mounted::new();
    let restored = Object::of("warm")
        .with("x-amz-storage-class", "GLACIER")
        .with("x-amz-restore", "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2029 00:00:00 GMT\"");
    mounted.server.store().put(BUCKET, "d/warm", restored);
    assert_eq!(mounted.sh("ls -l d >&2; cat d/warm"), "warm");
}
