//! Writing, and the requests it takes.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use crate::mounted::{BUCKET, Mounted};
use crate::support::s3::{Object, Op};

const MIB: u64 = 1 << 20;

/// Bytes of a fixed sequence, each MiB another.
fn bytes(range: std::ops::Range<u64>) -> Vec<u8> {
    crate::support::s3::generated(9, range).concat()
}

fn body(mounted: &Mounted, key: &str) -> Option<Vec<u8>> {
    mounted.server.store().body(BUCKET, key).map(|body| body.to_vec())
}

#[test]
fn a_tiny_file_is_a_lookup_and_one_put() {
    let mounted = Mounted::new();
    fs::write(mounted.path("hello"), "hello").unwrap();
    assert_eq!(body(&mounted, "hello").unwrap(), b"hello");
    assert_eq!(mounted.ops(), [Op::HeadObject, Op::ListObjects, Op::PutObject]);
    assert_eq!(fs::read(mounted.path("hello")).unwrap(), b"hello");
    assert_eq!(mounted.ops(), [Op::GetObject], "the version is known");
}

#[test]
fn an_empty_file_is_there_when_it_is_closed_and_not_before() {
    let mounted = Mounted::new();
    let file = File::create(mounted.path("empty")).unwrap();
    assert_eq!(body(&mounted, "empty"), None);
    assert!(mounted.path("empty").exists(), "for those who see it here it is");
    assert_eq!(mounted.sh("ls"), "empty\n");
    drop(file);
    assert_eq!(body(&mounted, "empty").unwrap(), b"");
    assert_eq!(mounted.requests().iter().filter(|entry| entry.op == Op::PutObject).count(), 1);
}

#[test]
fn a_file_that_is_replaced_is_listed_once() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "a", Object::of("old"));
    mounted.server.store().put(BUCKET, "b", Object::of("b"));
    let mut file = File::create(mounted.path("a")).unwrap();
    file.write_all(b"newer").unwrap();
    assert_eq!(mounted.sh("ls; stat -c %s a; cat a"), "a\nb\n5\nnewer");
    assert_eq!(body(&mounted, "a").unwrap(), b"old");
    drop(file);
    assert_eq!(mounted.sh("ls; cat a"), "a\nb\nnewer");
    fs::remove_file(mounted.path("a")).unwrap();
    assert_eq!(mounted.sh("ls"), "b\n");
}

#[test]
fn a_sequential_file_goes_in_parts() {
    let mounted = Mounted::new();
    let data = bytes(0..64 * MIB);
    fs::write(mounted.path("big"), &data).unwrap();
    assert!(body(&mounted, "big").unwrap() == data);
    let mut want = vec![Op::CompleteUpload, Op::CreateUpload, Op::HeadObject, Op::ListObjects];
    want.extend([Op::UploadPart; 8]);
    assert_eq!(mounted.ops(), want);
    assert!(fs::read(mounted.path("big")).unwrap() == data);
    assert!(mounted.server.store().uploads(BUCKET).is_empty());
}

#[test]
fn a_file_of_one_part_is_one_put() {
    let mounted = Mounted::new();
    let data = bytes(0..8 * MIB);
    fs::write(mounted.path("part"), &data).unwrap();
    assert!(body(&mounted, "part").unwrap() == data);
    assert_eq!(mounted.ops(), [Op::HeadObject, Op::ListObjects, Op::PutObject]);
}

#[test]
fn small_objects_are_appended_to_by_sending_them_again() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "log", Object::of("one\n"));
    let mut file = OpenOptions::new().append(true).open(mounted.path("log")).unwrap();
    file.write_all(b"two\n").unwrap();
    drop(file);
    assert_eq!(body(&mounted, "log").unwrap(), b"one\ntwo\n");
    let mut requests = mounted.requests();
    // A file so short could be a link, and nobody has listed its folder yet.
    requests.retain(|entry| entry.key != ".fusion.symlinks");
    let mut ops: Vec<Op> = requests.iter().map(|entry| entry.op).collect();
    ops.sort_by_key(|op| format!("{op:?}"));
    assert_eq!(ops, [Op::GetObject, Op::HeadObject, Op::ListObjects, Op::PutObject]);
    mounted.sh("echo three >> log; echo four >> log");
    assert_eq!(body(&mounted, "log").unwrap(), b"one\ntwo\nthree\nfour\n");
}

#[test]
fn large_objects_are_appended_to_by_a_copy_of_the_server() {
    let mounted = Mounted::new();
    let data = bytes(0..40 * MIB);
    mounted.server.store().put(BUCKET, "big", Object::of(data.clone()));
    let mut file = OpenOptions::new().append(true).open(mounted.path("big")).unwrap();
    file.write_all(b"end").unwrap();
    drop(file);
    assert!(body(&mounted, "big").unwrap() == [&data[..], b"end"].concat());
    let want = [
        Op::CompleteUpload,
        Op::CreateUpload,
        Op::HeadObject,
        Op::ListObjects,
        Op::UploadPart,
        Op::UploadPartCopy,
    ];
    assert_eq!(mounted.ops(), want);
}

#[test]
fn a_change_in_the_middle_of_a_large_object_keeps_the_rest() {
    let mounted = Mounted::new();
    let mut data = bytes(0..60 * MIB);
    mounted.server.store().put(BUCKET, "big", Object::of(data.clone()));
    let file = OpenOptions::new().write(true).open(mounted.path("big")).unwrap();
    file.write_all_at(b"changed", 30 * MIB + 5).unwrap();
    drop(file);
    data[30 * MIB as usize + 5..][..7].copy_from_slice(b"changed");
    assert!(body(&mounted, "big").unwrap() == data);
    let requests = mounted.requests();
    let sent: u64 =
        requests.iter().filter(|entry| entry.op == Op::UploadPart).map(|entry| entry.bytes_in).sum();
    assert!(sent < 9 * MIB, "{sent} bytes sent for a change of seven");
    assert_eq!(requests.iter().filter(|entry| entry.op == Op::UploadPartCopy).count(), 2);
}

#[test]
fn what_is_written_can_be_read_at_once() {
    let mounted = Mounted::new();
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(true).open(mounted.path("rw")).unwrap();
    let data = bytes(0..20 * MIB);
    file.write_all(&data).unwrap();
    file.write_all_at(b"patch", 10 * MIB).unwrap();
    let mut model = data;
    model[10 * MIB as usize..][..5].copy_from_slice(b"patch");
    let mut read = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut read).unwrap();
    assert!(read == model);
    assert!(fs::read(mounted.path("rw")).unwrap() == model, "another reader sees it too");
    assert_eq!(body(&mounted, "rw"), None);
    drop(file);
    assert!(body(&mounted, "rw").unwrap() == model);
}

#[test]
fn a_step_back_after_parts_were_sent_changes_them() {
    let mounted = Mounted::new();
    let mut file = File::create(mounted.path("zip")).unwrap();
    let mut data = bytes(0..30 * MIB);
    file.write_all(&data).unwrap();
    file.seek(SeekFrom::Start(3)).unwrap();
    file.write_all(b"header").unwrap();
    data[3..9].copy_from_slice(b"header");
    drop(file);
    assert!(body(&mounted, "zip").unwrap() == data);
}

#[test]
fn fsync_uploads_and_writing_goes_on() {
    let mounted = Mounted::new();
    let mut file = File::create(mounted.path("db")).unwrap();
    file.write_all(b"one ").unwrap();
    file.sync_all().unwrap();
    assert_eq!(body(&mounted, "db").unwrap(), b"one ");
    file.write_all(b"two").unwrap();
    drop(file);
    assert_eq!(body(&mounted, "db").unwrap(), b"one two");
    let mut file = File::create(mounted.path("big")).unwrap();
    let data = bytes(0..25 * MIB);
    file.write_all(&data[..12 * MIB as usize]).unwrap();
    file.sync_all().unwrap();
    assert!(body(&mounted, "big").unwrap() == data[..12 * MIB as usize]);
    file.write_all(&data[12 * MIB as usize..]).unwrap();
    drop(file);
    assert!(body(&mounted, "big").unwrap() == data);
}

#[test]
fn truncation_makes_files_shorter_and_longer() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "f", Object::of("0123456789"));
    mounted.sh("truncate -s 4 f");
    assert_eq!(body(&mounted, "f").unwrap(), b"0123");
    mounted.sh("truncate -s 6 f");
    assert_eq!(body(&mounted, "f").unwrap(), b"0123\0\0");
    mounted.sh(": > f");
    assert_eq!(body(&mounted, "f").unwrap(), b"");
    mounted.sh("echo new > f; echo newer > f");
    assert_eq!(body(&mounted, "f").unwrap(), b"newer\n");
    let data = bytes(0..30 * MIB);
    mounted.server.store().put(BUCKET, "big", Object::of(data.clone()));
    mounted.sh(&format!("truncate -s {} big", 20 * MIB));
    assert!(body(&mounted, "big").unwrap() == data[..20 * MIB as usize]);
    assert!(mounted.requests().iter().all(|entry| entry.op != Op::UploadPart), "the server copied it");
}

#[test]
fn a_file_without_a_name_lives_until_it_is_closed() {
    let mounted = Mounted::new();
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(mounted.path("tmp")).unwrap();
    fs::remove_file(mounted.path("tmp")).unwrap();
    let data = bytes(0..20 * MIB);
    file.write_all_at(&data, 0).unwrap();
    let mut read = vec![0; data.len()];
    file.read_exact_at(&mut read, 0).unwrap();
    assert!(read == data);
    drop(file);
    assert_eq!(mounted.sh("ls"), "");
    assert_eq!(body(&mounted, "tmp"), None);
    assert!(mounted.requests().iter().all(|entry| entry.op != Op::PutObject && entry.op != Op::CreateUpload));
}

#[test]
fn a_reader_keeps_a_small_file_that_is_removed() {
    let mounted = Mounted::new();
    mounted.server.store().put(BUCKET, "there", Object::of("there"));
    let script = "exec 4< there; rm there; cat <&4; seq 9 > f; exec 4< f; rm f; cat <&4; ls";
    assert_eq!(mounted.sh(script), "there1\n2\n3\n4\n5\n6\n7\n8\n9\n");
}

#[test]
fn attributes_are_accepted() {
    let mounted = Mounted::new();
    mounted.sh("echo x > f; chmod 640 f; chown 12:34 f; touch -d @1000000000 f");
    assert_eq!(mounted.sh("stat -c '%a %u %g %Y %s' f"), "640 12 34 1000000000 2\n");
    let file = File::create(mounted.path("kept")).unwrap();
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    drop(file);
    let object = mounted.server.store().get(BUCKET, "kept").unwrap();
    assert_eq!(
        object.header("x-amz-meta-mode"),
        Some("33152"),
        "what is known when it is uploaded goes with it"
    );
    mounted.sh("umask 077; mkdir d; echo y > d/g");
    assert_eq!(mounted.sh("stat -c %a d d/g"), "700\n600\n");
}

#[test]
fn folders_are_made_and_removed() {
    let mounted = Mounted::new();
    mounted.sh("mkdir -p a/b/c; test -d a/b/c");
    assert_eq!(mounted.server.store().keys(BUCKET), ["a/", "a/b/", "a/b/c/"]);
    mounted.sh("echo x > a/b/f");
    assert!(!mounted.try_sh("rmdir a/b").status.success());
    mounted.sh("rm a/b/f; rmdir a/b/c a/b; ls -a a");
    assert_eq!(mounted.server.store().keys(BUCKET), ["a/"]);
    mounted.sh("mkdir -p t/u; echo 1 > t/u/1; echo 2 > t/2; rm -r t");
    assert_eq!(mounted.server.store().keys(BUCKET), ["a/"]);
    assert_eq!(mounted.sh("ls"), "a\n");
}

#[test]
fn many_writers_share_little_memory() {
    let mounted = Mounted::with(|_, command| {
        command.env("FUSION_MEMORY", "32M");
    });
    let data = bytes(0..12 * MIB);
    std::thread::scope(|scope| {
        for n in 0..12 {
            let (data, path) = (&data, mounted.path(&format!("f{n}")));
            scope.spawn(move || fs::write(path, &data[n * 1000..]).unwrap());
        }
    });
    for n in 0..12 {
        assert!(body(&mounted, &format!("f{n}")).unwrap() == data[n * 1000..], "f{n}");
    }
    let (code, said) = mounted.end();
    assert_eq!((code, said.trim()), (Some(0), ""));
}

#[test]
fn ending_uploads_what_is_open() {
    let mounted = Mounted::new();
    let mut file = File::create(mounted.path("open")).unwrap();
    file.write_all(b"not closed").unwrap();
    let server = mounted.server.store().body(BUCKET, "open");
    assert_eq!(server, None);
    // The descriptor stays open, as that of a program that outlives its container's first process.
    let pid = mounted.pid();
    crate::mounted::send("TERM", pid);
    assert!(mounted.server.log().wait(Op::PutObject, 1, std::time::Duration::from_secs(10)));
    drop(file);
}
