//! The entry program with a mount: as PID 1 of a container, with a root of its own.

use std::fs;
use std::process::Output;

use crate::mounted::{BUCKET, Folder, driver, settings};
use crate::support::s3::{Object, Server};

/// Makes `$1` the root, with the system's folders and a `/dev` as the second word says, and runs the other words.
const CONTAINER: &str = r#"
root=$1 dev=$2; shift 2
mount -t tmpfs root "$root"
cd "$root"
mkdir -p old opt/fusion dev proc sys tmp
for folder in usr etc bin sbin lib lib32 lib64 libx32; do
    if [ -L /$folder ]; then cp -P /$folder .; elif [ -d /$folder ]; then mkdir $folder; mount --rbind /$folder $folder; fi
done
mount -t proc proc proc
mount --rbind /sys sys
[ "$dev" = none ] || mount --rbind /dev dev
cp "$PROGRAM" opt/fusion/entry.sh
ln opt/fusion/entry.sh opt/fusion/fusion
pivot_root . old
umount -l /old
unset PROGRAM
exec "$@"
"#;

/// A container with the server's settings. `device` is `fuse` or `none`.
fn container(server: &Server, device: &str, words: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = Folder::new();
    let mut command = std::process::Command::new("unshare");
    command.args([
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
        "sh",
        "-ec",
        CONTAINER,
        "sh",
    ]);
    command
        .arg(folder.path())
        .arg(device)
        .args(words)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command
        .env("PROGRAM", env!("CARGO_BIN_EXE_fusion"))
        .envs(settings(server))
        .envs(variables.iter().copied());
    command.output().expect("unshare starts")
}

fn with_file() -> Server {
    let server = Server::start();
    server.store().bucket(BUCKET);
    server.store().put(BUCKET, "dir/file", Object::of("content"));
    server
}

#[track_caller]
fn is(output: &Output, code: i32, stdout: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "{output:?}");
}

const ENTRY: &str = "/opt/fusion/entry.sh";

#[test]
fn the_command_sees_the_mount_and_its_exit_code_is_kept() {
    let server = with_file();
    let cat = [ENTRY, "cat", "/fusion/s3/b/dir/file"];
    let output = container(&server, "fuse", &cat, &[]);
    is(&output, 0, "content");
    assert!(output.stderr.is_empty(), "{output:?}");
    for (script, code) in [("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
        is(&container(&server, "fuse", &[ENTRY, "sh", "-c", script], &[]), code, "");
    }
    is(&container(&server, "fuse", &[ENTRY, "no-such"], &[]), 127, "");
    let chain = [("WAVE_ENTRY_CHAIN", r#"["sh","-c","cat $0; echo $WAVE_ENTRY_CHAIN"]"#)];
    is(&container(&server, "fuse", &[ENTRY, "/fusion/s3/b/dir/file"], &chain), 0, "content\n");
    // Somebody has to stay for the mount, whatever is said about supervision.
    is(&container(&server, "fuse", &cat, &[("FUSION_SUPERVISE", "0")]), 0, "content");
}

#[test]
fn the_name_fusion_asks_for_the_mount() {
    let server = with_file();
    let script = "cat /fusion/s3/b/dir/file; grep -c fuse.fusion /proc/mounts";
    let words = ["/opt/fusion/fusion", "bash", "-c", script];
    is(&container(&server, "fuse", &words, &[("NXF_FUSION_BUCKETS", "")]), 0, "content1\n");
}

#[test]
fn nothing_is_mounted_unless_asked_for() {
    let server = with_file();
    let words = [ENTRY, "sh", "-c", "ls -d /fusion 2>/dev/null || echo none"];
    is(&container(&server, "fuse", &words, &[("NXF_FUSION_BUCKETS", "")]), 0, "none\n");
    assert_eq!(server.log().connections(), 0);
}

#[test]
fn without_the_device_the_container_ends_with_a_hint() {
    let server = with_file();
    let output = container(&server, "none", &[ENTRY, "echo", "ran"], &[]);
    is(&output, 174, "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--device /dev/fuse") && said.contains("NXF_FUSION_BUCKETS"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn an_optional_mount_is_done_without() {
    let server = with_file();
    let script = r#"echo ran; grep '^Sig[BI]' /proc/self/status"#;
    let output = container(&server, "none", &[ENTRY, "sh", "-c", script], &[("FUSION_MOUNT_OPTIONAL", "1")]);
    is(&output, 0, "ran\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.ends_with("; going on without it\n"), "{said}");
}

const WEAK: [&str; 4] = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", ENTRY];

#[test]
fn without_the_capability_a_user_namespace_will_do() {
    let server = with_file();
    let script = "cat /fusion/s3/b/dir/file; id -u; stat -c %u /fusion/s3/b";
    let words = [&WEAK[..], &["sh", "-c", script]].concat();
    is(&container(&server, "fuse", &words, &[]), 0, "content0\n0\n");
    let output = container(&server, "fuse", &words, &[("FUSION_USERNS", "off")]);
    is(&output, 174, "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--cap-add SYS_ADMIN"), "{said}");
}

#[test]
fn settings_that_cannot_be_read_are_told_together() {
    let server = with_file();
    let wrong = [("NXF_FUSION_BUCKETS", "s3://b,gs://x"), ("FUSION_MEMORY", "lots")];
    let output = container(&server, "fuse", &[ENTRY, "true"], &wrong);
    is(&output, 174, "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("gs://x") && said.contains("FUSION_MEMORY"), "{said}");
}

#[test]
fn check_says_what_a_mount_would_find() {
    let server = with_file();
    let fine = driver(&server).arg("check").output().unwrap();
    assert_eq!(fine.status.code(), Some(0), "{fine:?}");
    let said = String::from_utf8_lossy(&fine.stderr);
    assert!(said.contains("/dev/fuse: ok") && said.contains("s3://b: ok"), "{said}");
    let absent = driver(&server).arg("check").env("FUSION_BUCKETS", "absent").output().unwrap();
    assert_eq!(absent.status.code(), Some(174), "{absent:?}");
    let said = String::from_utf8_lossy(&absent.stderr);
    assert!(said.contains("s3://b: ok") && said.contains("s3://absent: failed"), "{said}");
}

#[test]
fn a_mount_wants_a_folder() {
    let server = with_file();
    for words in [&["mount"][..], &["mount", "/mnt"], &["mount", "--background", "/mnt"]] {
        let output = driver(&server).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--foreground"), "{output:?}");
    }
}

#[test]
fn a_mount_that_is_taken_away_ends_the_driver() {
    let mounted = crate::mounted::Mounted::new();
    let status = std::process::Command::new("umount").arg(mounted.root()).status().unwrap();
    assert!(status.success());
    let (code, _) = mounted.ended();
    assert_eq!(code, Some(0));
}

#[test]
fn a_mount_that_is_used_is_taken_from_the_tree() {
    let mounted = crate::mounted::Mounted::new();
    mounted.server.store().put(BUCKET, "file", Object::of("x"));
    let held = fs::File::open(mounted.path("file")).unwrap();
    let root = mounted.root().to_owned();
    let (code, said) = mounted.end();
    assert_eq!((code, said.trim()), (Some(0), ""));
    assert_eq!(fs::read_dir(root).map(|entries| entries.count()).unwrap_or_default(), 0);
    drop(held);
}
