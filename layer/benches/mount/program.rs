//! The programs the bench needs.

use std::path::PathBuf;
use std::process::Command;

/// Fails by name where a program is missing.
pub(crate) fn need(programs: &[&str]) {
    for program in programs {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        let found = found.is_ok_and(|output| output.status.success());
        assert!(found, "{program} is missing: sh tests/install.sh benches");
    }
    assert!(std::fs::exists("/dev/fuse").unwrap_or(false), "/dev/fuse is missing: modprobe fuse");
}

/// The program under test, as it is packed.
pub(crate) fn ours() -> PathBuf {
    if let Some(program) = std::env::var_os("FUSION_BENCH_PROGRAM") {
        return program.into();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/static.sh");
    let output = Command::new("sh").args([script, "--bin", "fusion"]).output().expect("sh starts");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a path").trim_end().into()
}
