//! The program with a mount, as a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::s3::{ACCESS_KEY, REGION, SECRET_KEY, Server};

/// Longest time until the mount is there.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program under test.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("FUSION_TEST_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_fusion").into(), PathBuf::from)
}

/// A mount, which goes when this is dropped.
pub(crate) struct Mounted {
    child: Child,
    target: PathBuf,
}

impl Mounted {
    /// Mounts the buckets of `server` by `command`, which runs the program.
    pub(crate) fn new(name: &str, mut command: Command, server: &Server) -> Self {
        assert!(fs::exists("/dev/fuse").unwrap_or(false), "/dev/fuse is missing: modprobe fuse");
        let target = std::env::temp_dir().join(format!("fusion-{name}-{}", std::process::id()));
        fs::create_dir_all(&target).unwrap();
        command.args(["mount", "--foreground"]).arg(&target).stdin(Stdio::null());
        command.env("AWS_S3_ENDPOINT", server.endpoint()).env("AWS_REGION", REGION);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let mut mounted = Self { child: command.spawn().unwrap(), target };
        let begin = Instant::now();
        while !mounted.is_there() {
            assert!(mounted.is_running(), "the program ended before it mounted");
            assert!(begin.elapsed() < PATIENCE, "no mount in {PATIENCE:?}");
            thread::sleep(Duration::from_millis(5));
        }
        mounted
    }

    /// The mount point.
    pub(crate) fn path(&self) -> &Path {
        &self.target
    }

    /// Whether the program lives.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Bytes of a line of `/proc/PID/status`, such as `VmRSS`.
    pub(crate) fn memory(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).unwrap();
        value.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    fn is_there(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        mounts.lines().any(|line| line.split(' ').nth(1) == self.target.to_str())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.target).stderr(Stdio::null()).status();
        // With the mount the program ends too; this is for one that hangs.
        let begin = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if begin.elapsed() > PATIENCE {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = fs::remove_dir(&self.target);
    }
}
