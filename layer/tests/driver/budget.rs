//! Round trips: what is asked of S3 for what programs do.

use crate::mounted::{BUCKET, Mounted};
use crate::support::s3::{Object, Op};

/// A mount of these keys, each with its key as content.
fn with_keys(keys: &[&str]) -> Mounted {
    let mounted = Mounted::new();
    for key in keys {
        mounted.server.store().put(BUCKET, key, Object::of(key.as_bytes().to_vec()));
    }
    mounted
}

#[test]
fn the_mount_itself_asks_for_nothing() {
    let mounted = Mounted::new();
    mounted.sh(":; stat . >/dev/null; stat .. >/dev/null; ls .. >/dev/null; df . >/dev/null");
    assert_eq!(mounted.ops(), []);
}

#[test]
fn a_lookup_is_one_pair() {
    let mounted = with_keys(&["large-enough"]);
    mounted.server.store().put(BUCKET, "large", Object::generated(1, 5000));
    mounted.sh("stat large >/dev/null; stat large >/dev/null");
    assert_eq!(mounted.ops(), [Op::HeadObject, Op::ListObjects]);
    assert!(!mounted.try_sh("stat absent").status.success());
    assert_eq!(mounted.ops(), [Op::HeadObject, Op::ListObjects]);
    mounted.sh("cat large >/dev/null");
    assert_eq!(mounted.ops(), [Op::GetObject], "what was looked up a moment ago is opened without asking");
}

/// Only the first small file of a folder makes the folder's links be read.
#[test]
fn small_files_may_be_links() {
    let mounted = with_keys(&["d/1", "d/2"]);
    mounted.sh("stat d/1 >/dev/null");
    let requests = mounted.requests();
    assert_eq!(
        requests.len(),
        5,
        "a folder, a file and the links: {:?}",
        requests.iter().map(|r| r.op).collect::<Vec<_>>()
    );
    mounted.sh("stat d/2 >/dev/null");
    assert_eq!(mounted.ops(), [Op::HeadObject, Op::ListObjects]);
}

#[test]
fn a_listing_is_one_request_for_a_thousand_names() {
    let mounted = Mounted::new();
    mounted.server.store().fill(BUCKET, (0..10_000).map(|n| format!("{n:05}")), Object::of("x"));
    assert_eq!(mounted.sh("ls -l | wc -l"), "10001\n");
    assert_eq!(mounted.ops(), vec![Op::ListObjects; 10]);
    mounted.sh("stat 00000 05000 09999 >/dev/null");
    assert_eq!(mounted.ops(), [], "the listing answers lookups");
}

#[test]
fn names_alone_need_no_attributes() {
    let mounted = with_keys(&["d/a", "d/b", "d/c/x"]);
    mounted.sh("ls -A d >/dev/null");
    // The folder is looked up, and listed.
    assert_eq!(mounted.ops(), [Op::HeadObject, Op::ListObjects, Op::ListObjects]);
}

#[test]
fn a_file_of_a_listed_folder_is_read_in_one_request() {
    let mounted = with_keys(&["d/a", "d/b"]);
    mounted.sh("ls -l d >/dev/null");
    mounted.requests();
    assert_eq!(mounted.sh("cat d/a"), "d/a");
    assert_eq!(mounted.ops(), [Op::GetObject]);
    mounted.sh("sleep 1.2");
    assert_eq!(mounted.sh("cat d/b"), "d/b");
    let requests = mounted.requests();
    assert_eq!(
        requests.iter().map(|entry| entry.op).collect::<Vec<_>>(),
        [Op::GetObject],
        "confirmed by reading it"
    );
}

#[test]
fn what_the_kernel_has_is_not_read_again() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "file", Object::generated(1, 3 << 20));
    mounted.sh("cat file >/dev/null");
    mounted.requests();
    mounted.sh("cat file >/dev/null");
    assert!(!mounted.ops().contains(&Op::GetObject));
    mounted.sh("sleep 1.2; cat file >/dev/null");
    // Looked up anew, once or, on a slow machine, more often; and still the same version.
    let ops = mounted.ops();
    assert!(ops.contains(&Op::HeadObject) && !ops.contains(&Op::GetObject), "{ops:?}");
}

/// The folder is read in order: after a few files the next ones come together.
#[test]
fn a_walk_through_small_files_is_foreseen() {
    let mounted = Mounted::new();
    mounted.server.store().fill(BUCKET, (0..200).map(|n| format!("d/{n:03}")), Object::generated(1, 1000));
    mounted.sh("cat d/* | cksum");
    assert!(mounted.server.log().max_in_flight() >= 4, "several at a time");
    let requests = mounted.requests();
    let gets = requests.iter().filter(|entry| entry.op == Op::GetObject).count();
    assert_eq!(gets, 200, "each is read once");
    assert!(requests.len() <= 204, "{} requests", requests.len());
}

#[test]
fn find_lists_each_folder_once() {
    let mounted = Mounted::new();
    let keys = (0..40).flat_map(|folder| (0..10).map(move |file| format!("tree/{folder:02}/{file}")));
    mounted.server.store().fill(BUCKET, keys, Object::of("x"));
    assert_eq!(mounted.sh("find tree -type f | wc -l"), "400\n");
    assert!(mounted.server.log().max_in_flight() >= 4, "several at a time");
    let requests = mounted.requests();
    assert_eq!(requests.iter().filter(|entry| entry.op == Op::GetObject).count(), 0);
    assert!(requests.len() <= 43, "{} requests", requests.len());
}

/// As after `ls -l` in a folder that is too large for its listing to be kept.
#[test]
fn lookups_in_order_are_foreseen() {
    let mounted = Mounted::new();
    mounted.server.store().fill(BUCKET, (0..3000).map(|n| format!("d/{n:04}")), Object::generated(1, 10_000));
    mounted.sh("for n in $(seq -w 0001 0400); do echo d/$n; done | xargs stat -c %s | uniq");
    let requests = mounted.requests();
    assert!(requests.len() <= 60, "{} requests for 400 names", requests.len());
}
