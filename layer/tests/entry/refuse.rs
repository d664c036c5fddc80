//! What cannot be run, and what the caller is told.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::support::{Outcome, TempDir, bare, entry, entry_sh, link_to};

/// Each refusal is the same whether the command would replace us or be our child.
#[track_caller]
fn refused(args: &[&str], path: &str, code: i32, text: &str) {
    for supervise in ["0", "1"] {
        let mut command = entry([]);
        command.args(args).env("PATH", path).env("FUSION_SUPERVISE", supervise);
        Outcome::of(&mut command).refuses(code, text);
    }
}

#[test]
fn nothing_to_run() {
    refused(&[], "/bin", 127, "nothing to run");
}

#[test]
fn not_found() {
    refused(&["no-such"], "/nowhere:/bin", 127, r#"cannot run "no-such": not found in PATH "/nowhere:/bin""#);
    refused(&["/no/such"], "/bin", 127, r#"cannot run "/no/such": no such file"#);
    refused(&["/etc/passwd/x"], "/bin", 127, r#"cannot run "/etc/passwd/x": no such file"#);
    refused(&[""], "/bin", 127, r#"cannot run "": no such file"#);
}

#[test]
fn not_executable() {
    refused(&["/etc/passwd"], "/bin", 126, r#"cannot run "/etc/passwd": Permission denied"#);
    refused(&["/etc"], "/bin", 126, r#"cannot run "/etc": Permission denied"#);
    // Found in PATH without permission counts before not being found in the rest of it.
    refused(&["passwd"], "/etc:/nowhere", 126, r#"cannot run "passwd": Permission denied"#);
}

#[test]
fn not_a_program() {
    let dir = TempDir::new();
    let file = dir.file("script", "echo no shebang\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    refused(&[file.to_str().unwrap()], "/bin", 126, "Exec format error");
}

#[test]
fn no_interpreter() {
    let dir = TempDir::new();
    let file = dir.file("script", "#!/no/such/shell\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    refused(&[file.to_str().unwrap()], "/bin", 127, "its interpreter or dynamic loader is not in the image");
    refused(&["script"], dir.path().to_str().unwrap(), 127, "its interpreter");
}

#[test]
fn path_is_searched_past_what_cannot_run() {
    let dir = TempDir::new();
    fs::create_dir_all(dir.path().join("1/app")).unwrap();
    fs::create_dir(dir.path().join("2")).unwrap();
    dir.file("2/app", "plain");
    fs::create_dir(dir.path().join("3")).unwrap();
    symlink("/usr/bin/printf", dir.path().join("3/app")).unwrap();
    let path = ["0", "1", "2", "3"].map(|name| format!("{}/{name}", dir.path().display())).join(":");
    for supervise in ["0", "1"] {
        Outcome::of(entry(["app", "x"]).env("PATH", &path).env("FUSION_SUPERVISE", supervise)).is(0, "x");
    }
}

/// Runs a program where there is no `/dev/fuse`.
fn without_device<const N: usize>(program: impl AsRef<std::ffi::OsStr>, args: [&str; N]) -> Command {
    let script = r#"mount -t tmpfs none /dev && exec "$@""#;
    let mut command = bare("unshare", ["--mount", "sh", "-c", script, "sh"]);
    command.arg(program).args(args);
    command
}

#[test]
fn a_wanted_mount_that_cannot_be_had_is_refused() {
    for name in ["NXF_FUSION_BUCKETS", "FUSION_BUCKETS", "FUSION_WORK", "NXF_FUSION_WORK"] {
        let mut command = without_device(entry_sh(), ["printf", "x"]);
        Outcome::of(command.env(name, "s3://bucket"))
            .refuses(174, &format!("{name} asks for a mount at /fusion/s3: /dev/fuse is not there"));
        Outcome::of(without_device(entry_sh(), ["printf", "x"]).env(name, "")).is(0, "x");
    }
    let fusion = link_to(env!("CARGO_BIN_EXE_fusion"), "fusion");
    Outcome::of(&mut without_device(fusion, ["printf", "x"]))
        .refuses(174, "the name fusion asks for a mount");
}

#[test]
fn an_optional_mount_is_done_without() {
    let mut command = without_device(entry_sh(), ["printf", "x"]);
    command.env("NXF_FUSION_BUCKETS", "bucket").env("FUSION_MOUNT_OPTIONAL", "1");
    let outcome = Outcome::of(&mut command);
    outcome.is(0, "x");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    assert!(outcome.stderr.ends_with("; going on without it\n"), "{outcome:?}");
}
