//! Other names, and second names.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::mounted::{BUCKET, Mounted};
use crate::support::s3::{Action, Object, Op, When};

fn text(mounted: &Mounted, key: &str) -> Option<String> {
    mounted.server.store().body(BUCKET, key).map(|body| String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn an_object_is_copied_and_deleted() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "old", Object::of("text").with("x-amz-meta-a", "kept"));
    fs::metadata(mounted.path("old")).unwrap();
    mounted.requests();
    fs::rename(mounted.path("old"), mounted.path("new")).unwrap();
    assert_eq!(mounted.ops(), [Op::CopyObject, Op::DeleteObject, Op::HeadObject, Op::ListObjects]);
    assert_eq!(mounted.server.store().keys(BUCKET), ["new"]);
    assert_eq!(mounted.server.store().get(BUCKET, "new").unwrap().header("x-amz-meta-a"), Some("kept"));
    assert_eq!(mounted.sh("cat new; ls"), "textnew\n");
    assert!(!mounted.path("old").exists());
}

#[test]
fn a_file_that_s3_does_not_have_is_renamed_without_a_request() {
    let mounted = Mounted::new();
    let mut file = File::create(mounted.path("tmp")).unwrap();
    file.write_all(b"one ").unwrap();
    let inode = file.metadata().unwrap().ino();
    mounted.sh("test ! -e final");
    mounted.requests();
    fs::rename(mounted.path("tmp"), mounted.path("final")).unwrap();
    assert!(mounted.ops().iter().all(|op| matches!(op, Op::HeadObject | Op::ListObjects)));
    file.write_all(b"two").unwrap();
    drop(file);
    assert_eq!(mounted.server.store().keys(BUCKET), ["final"]);
    assert_eq!(text(&mounted, "final").unwrap(), "one two");
    assert_eq!(fs::metadata(mounted.path("final")).unwrap().ino(), inode);
}

#[test]
fn the_new_name_replaces_what_it_stood_for() {
    let mounted = Mounted::new();
    mounted.sh("echo a > a; echo b > b; mv -f a b; cat b");
    assert_eq!(text(&mounted, "b").unwrap(), "a\n");
    assert_eq!(mounted.server.store().keys(BUCKET), ["b"]);
    mounted.sh("echo c > c; ! mv -n c b 2>/dev/null || true; test -e c; cat c");
    let mut open = File::create(mounted.path("d")).unwrap();
    open.write_all(b"lost with its name").unwrap();
    mounted.sh("mv c d");
    drop(open);
    assert_eq!(text(&mounted, "d").unwrap(), "c\n");
    assert_eq!(mounted.sh("cat d; ls"), "c\nb\nd\n");
}

#[test]
fn a_folder_is_renamed_with_all_below_it() {
    let mounted = Mounted::new();
    let store = mounted.server.store();
    for n in 0..50 {
        store.put(BUCKET, &format!("dir/sub/{n}"), Object::of(format!("{n}")));
    }
    store.put(BUCKET, "dir/", Object::of(""));
    store.put(BUCKET, "dir/file", Object::of("file"));
    mounted.sh("ls -R dir > /dev/null");
    let mut open = File::create(mounted.path("dir/open")).unwrap();
    open.write_all(b"open").unwrap();
    mounted.requests();
    fs::rename(mounted.path("dir"), mounted.path("moved")).unwrap();
    let requests = mounted.requests();
    let count = |op: Op| requests.iter().filter(|entry| entry.op == op).count();
    assert_eq!((count(Op::CopyObject), count(Op::DeleteObjects), count(Op::DeleteObject)), (52, 1, 0));
    drop(open);
    let keys = store.keys(BUCKET);
    assert_eq!(keys.len(), 53);
    assert!(keys.iter().all(|key| key.starts_with("moved/")), "{keys:?}");
    assert_eq!(text(&mounted, "moved/open").unwrap(), "open");
    assert_eq!(
        mounted.sh("cat moved/sub/17 moved/file moved/open; ls; ls moved"),
        "17fileopenmoved\nfile\nopen\nsub\n"
    );
}

#[test]
fn a_folder_replaces_only_an_empty_one() {
    let mounted = Mounted::new();
    mounted.sh("mkdir a b c; echo 1 > a/1; echo 2 > b/2; mv -T a c; cat c/1");
    assert!(!mounted.try_sh("mv -T c b").status.success());
    assert_eq!(mounted.server.store().keys(BUCKET), ["b/", "b/2", "c/", "c/1"]);
}

#[test]
fn links_are_objects_and_lines_of_a_list() {
    let mounted = Mounted::new();
    mounted.sh("mkdir d; ln -s /fusion/s3/other/x.fq d/x.fq; ln -sfn ../y d/y; ln -sfn z d/y");
    assert_eq!(text(&mounted, "d/.fusion.symlinks").unwrap(), "x.fq\ny");
    assert_eq!(text(&mounted, "d/x.fq").unwrap(), "/fusion/s3/other/x.fq");
    assert_eq!(mounted.sh("readlink d/x.fq d/y; ls -a d"), "/fusion/s3/other/x.fq\nz\n.\n..\nx.fq\ny\n");
    mounted.sh("mv d/y d/w; echo file > d/f; mv d/f d/x.fq; test ! -L d/x.fq");
    assert_eq!(text(&mounted, "d/.fusion.symlinks").unwrap(), "w");
    assert_eq!(mounted.sh("readlink d/w; cat d/x.fq"), "z\nfile\n");
    mounted.sh("rm d/w d/x.fq; rmdir d");
    assert!(mounted.server.store().keys(BUCKET).is_empty());
}

#[test]
fn a_name_left_in_the_list_does_not_make_a_link_of_a_file() {
    let mounted = Mounted::new();
    mounted.sh("ln -s target gone; ln -s target other");
    mounted.server.store().remove(BUCKET, "gone");
    mounted.sh("sleep 1.1; echo file > gone; echo other > tmp; mv tmp other");
    assert_eq!(text(&mounted, ".fusion.symlinks").unwrap(), "");
    let fresh = mounted.sh("ls -l | cut -c 1 | sort -u");
    assert_eq!(fresh, "-\nt\n");
}

#[test]
fn a_second_name_is_a_file_where_a_link_was() {
    let mounted = Mounted::new();
    mounted.sh("ln -s target name; echo text > file");
    mounted.server.store().remove(BUCKET, "name");
    mounted.sh("sleep 1.1; ln file name");
    assert_eq!(text(&mounted, ".fusion.symlinks").unwrap(), "");
}

#[test]
fn a_link_has_a_name_of_one_line() {
    let mounted = Mounted::new();
    for name in ["a\nb", "a\r"] {
        let made = std::os::unix::fs::symlink("target", mounted.path(name));
        assert_eq!(made.unwrap_err().raw_os_error(), Some(22));
        std::os::unix::fs::symlink("target", mounted.path("link")).unwrap();
        let renamed = fs::rename(mounted.path("link"), mounted.path(name));
        assert_eq!(renamed.unwrap_err().raw_os_error(), Some(22));
        fs::remove_file(mounted.path("link")).unwrap();
    }
}

#[test]
fn a_link_that_cannot_be_copied_leaves_no_line() {
    let mounted = Mounted::new();
    mounted.sh("mkdir d; ln -s target link");
    let refusal = Action::Error { status: 403, code: "AccessDenied" };
    mounted.server.faults().add(When::op(Op::CopyObject), refusal);
    assert!(!mounted.try_sh("mv link d/other").status.success());
    assert_eq!(text(&mounted, "d/.fusion.symlinks").unwrap(), "");
    assert_eq!(mounted.sh("readlink link"), "target\n");
}

#[test]
fn a_link_stays_one_when_it_cannot_be_removed() {
    let mounted = Mounted::new();
    mounted.sh("ln -s target link");
    let refusal = Action::Error { status: 403, code: "AccessDenied" };
    mounted.server.faults().add(When::op(Op::DeleteObject), refusal);
    assert!(!mounted.try_sh("rm link").status.success());
    assert_eq!(text(&mounted, ".fusion.symlinks").unwrap(), "link");
    mounted.sh("rm link");
    assert_eq!(mounted.server.store().keys(BUCKET), [".fusion.symlinks"]);
}

#[test]
fn a_folder_stays_if_there_is_no_bucket_for_it() {
    let mounted = Mounted::new();
    mounted.sh("mkdir old; echo text > old/file");
    let gone = Action::Error { status: 404, code: "NoSuchBucket" };
    mounted.server.faults().add(When::op(Op::CopyObject).always(), gone);
    assert!(fs::rename(mounted.path("old"), mounted.path("new")).is_err());
    assert_eq!(mounted.server.store().keys(BUCKET), ["old/", "old/file"]);
}

#[test]
fn what_was_replaced_by_an_open_file_does_not_come_back() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "final", Object::of("old"));
    let mut file = File::create(mounted.path("tmp")).unwrap();
    file.write_all(b"new").unwrap();
    fs::rename(mounted.path("tmp"), mounted.path("final")).unwrap();
    fs::remove_file(mounted.path("final")).unwrap();
    drop(file);
    assert!(mounted.server.store().keys(BUCKET).is_empty());
    assert_eq!(mounted.sh("ls"), "");
}

#[test]
fn what_is_written_during_a_rename_goes_to_the_new_name() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "old", Object::of("one\n"));
    mounted.sh("cat old");
    let slow = Action::Delay(Duration::from_millis(700));
    mounted.server.faults().add(When::op(Op::CopyObject).always(), slow);
    let append = |name: &str, text: &str| {
        let path = mounted.path(name);
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    std::thread::scope(|scope| {
        let renames = scope.spawn(|| fs::rename(mounted.path("old"), mounted.path("new")).unwrap());
        assert!(mounted.server.log().wait(Op::CopyObject, 1, Duration::from_secs(10)));
        append("old", "two\n");
        renames.join().unwrap();
    });
    assert_eq!(mounted.server.store().keys(BUCKET), ["new"]);
    assert_eq!(text(&mounted, "new").unwrap(), "one\ntwo\n");
    assert_eq!(mounted.sh("cat new"), "one\ntwo\n");
}

#[test]
fn what_is_written_while_a_folder_moves_goes_with_it() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "dir/old", Object::of("one\n"));
    let folder = File::open(mounted.path("dir")).unwrap();
    let mut at = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&folder));
    at.push('/');
    assert_eq!(fs::read(format!("{at}old")).unwrap(), b"one\n");
    let slow = Action::Delay(Duration::from_millis(700));
    mounted.server.faults().add(When::op(Op::CopyObject).always(), slow);
    std::thread::scope(|scope| {
        let renames = scope.spawn(|| fs::rename(mounted.path("dir"), mounted.path("moved")).unwrap());
        assert!(mounted.server.log().wait(Op::CopyObject, 1, Duration::from_secs(10)));
        let appends = scope.spawn(|| {
            let mut file = File::options().append(true).open(format!("{at}old")).unwrap();
            file.write_all(b"two\n").unwrap();
        });
        fs::write(format!("{at}made"), "made").unwrap();
        appends.join().unwrap();
        renames.join().unwrap();
    });
    assert_eq!(mounted.server.store().keys(BUCKET), ["moved/made", "moved/old"]);
    assert_eq!(text(&mounted, "moved/old").unwrap(), "one\ntwo\n");
}

#[test]
fn who_opens_what_is_removed_does_not_bring_it_back() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "file", Object::of("one\n"));
    mounted.sh("cat file");
    let slow = Action::Delay(Duration::from_millis(700));
    mounted.server.faults().add(When::op(Op::DeleteObject).always(), slow);
    std::thread::scope(|scope| {
        let removes = scope.spawn(|| fs::remove_file(mounted.path("file")).unwrap());
        assert!(mounted.server.log().wait(Op::DeleteObject, 1, Duration::from_secs(10)));
        // One that comes too late finds nothing.
        if let Ok(mut file) = File::options().append(true).open(mounted.path("file")) {
            let _ = file.write_all(b"two\n");
        }
        removes.join().unwrap();
    });
    assert!(mounted.server.store().keys(BUCKET).is_empty());
    assert_eq!(mounted.sh("ls"), "");
}

#[test]
fn a_rename_whose_deletion_fails_has_the_new_name() {
    let mounted = Mounted::new();
    mounted.sh("echo text > old; echo other > new");
    let refusal = Action::Error { status: 403, code: "AccessDenied" };
    mounted.server.faults().add(When::op(Op::DeleteObject).key("old"), refusal);
    assert!(fs::rename(mounted.path("old"), mounted.path("new")).is_err());
    mounted.sh("echo more >> new");
    assert_eq!(text(&mounted, "new").unwrap(), "text\nmore\n");
    assert_eq!(text(&mounted, "old").unwrap(), "text\n");
}

#[test]
fn a_second_name_replaces_nothing_that_comes_meanwhile() {
    let mounted = Mounted::new();
    mounted.sh("echo mine > file");
    let slow = Action::Delay(Duration::from_millis(700));
    mounted.server.faults().add(When::op(Op::CopyObject), slow);
    std::thread::scope(|scope| {
        let links = scope.spawn(|| fs::hard_link(mounted.path("file"), mounted.path("name")));
        assert!(mounted.server.log().wait(Op::CopyObject, 1, Duration::from_secs(10)));
        mounted.server.store().put(BUCKET, "name", Object::of("theirs"));
        assert_eq!(links.join().unwrap().unwrap_err().raw_os_error(), Some(17));
    });
    assert_eq!(text(&mounted, "name").unwrap(), "theirs");
}

#[test]
fn links_lead_to_other_buckets_of_the_mount() {
    let mounted = Mounted::new();
    mounted.server.store().bucket("other");
    mounted.server.store().put("other", "x/in.fq", Object::of("reads"));
    let target = mounted.root().join("other/x/in.fq");
    mounted.sh(&format!("ln -s {} in.fq; cat in.fq", target.display()));
    // Seen by a mount that did not make it.
    let list = mounted.server.store().body(BUCKET, ".fusion.symlinks").unwrap();
    assert_eq!(list, "in.fq");
}

#[test]
fn a_hard_link_is_a_copy() {
    let mounted = Mounted::new();
    mounted.sh("echo a > a; ln a b; rm a; cat b");
    assert_eq!(mounted.server.store().keys(BUCKET), ["b"]);
    let denied = Mounted::with(|_, command| {
        command.env("FUSION_HARDLINK", "deny");
    });
    assert!(!denied.try_sh("echo a > a; ln a b").status.success());
}

#[test]
fn a_reader_keeps_what_is_renamed() {
    let mounted = Mounted::new();
    let data: Vec<u8> = crate::support::s3::generated(4, 0..40 << 20).concat();
    mounted.server.store().put(BUCKET, "big", Object::of(data.clone()));
    let file = File::open(mounted.path("big")).unwrap();
    let mut head = vec![0; 4096];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut head, 0).unwrap();
    fs::rename(mounted.path("big"), mounted.path("elsewhere")).unwrap();
    let mut end = vec![0; 1 << 20];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut end, 30 << 20).unwrap();
    assert!(end == data[30 << 20..31 << 20]);
}
