//! The drivers that are compared, and how each of them is mounted.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::rig::{BUCKET, Rig};
use crate::support::s3::{ACCESS_KEY, REGION, SECRET_KEY};

/// A driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// Ours.
    Fusion,
    /// As Debian has it, with its defaults.
    S3fs,
    /// As Debian has it, without a HEAD of every object for a time that its owner set.
    Rclone,
}

impl Peer {
    /// In the order of a round.
    pub(crate) const ALL: [Self; 3] = [Self::Fusion, Self::S3fs, Self::Rclone];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fusion => "fusion",
            Self::S3fs => "s3fs",
            Self::Rclone => "rclone",
        }
    }

    fn command(self, rig: &Rig, target: &Path) -> Command {
        let endpoint = rig.server.endpoint();
        match self {
            Self::Fusion => {
                let mut command = Command::new(&rig.program);
                // The name under which it takes words of its own.
                command.arg0("fusion").args(["mount", "--foreground"]).arg(target);
                command.env("FUSION_BUCKETS", BUCKET).env("AWS_S3_ENDPOINT", endpoint);
                command
            }
            Self::S3fs => {
                let mut command = Command::new("s3fs");
                command.arg(BUCKET).arg(target).args(["-f", "-o", "use_path_request_style"]);
                command.args(["-o", &format!("url={endpoint}"), "-o", &format!("endpoint={REGION}")]);
                command
            }
            Self::Rclone => {
                let mut command = Command::new("rclone");
                command.args(["mount", &format!(":s3:{BUCKET}")]).arg(target).args([
                    "--config",
                    "",
                    "--no-modtime",
                ]);
                command.args(["--s3-provider", "Other", "--s3-env-auth", "--s3-force-path-style"]);
                command.args(["--s3-endpoint", &endpoint, "--s3-region", REGION]);
                command
            }
        }
    }

    /// Where the bucket is below the mount point.
    fn below(self) -> &'static str {
        if self == Self::Fusion { BUCKET } else { "" }
    }
}

/// A mount, which goes when this is dropped.
pub(crate) struct Mounted {
    child: Child,
    target: PathBuf,
    /// The bucket as a folder.
    pub(crate) bucket: PathBuf,
}

impl Mounted {
    /// Mounts in a fresh process, and waits until the mount is there.
    pub(crate) fn new(rig: &Rig, peer: Peer) -> Result<Self, String> {
        let target = rig.folder.join(peer.name());
        fs::create_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
        let log = rig.folder.join(format!("{}.log", peer.name()));
        let output = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = peer.command(rig, &target);
        // Nothing of the caller's: a bundle of certificates named by AWS_CA_BUNDLE ends rclone 1.60.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.env("HOME", &rig.folder).env("AWS_REGION", REGION);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command.env("AWSACCESSKEYID", ACCESS_KEY).env("AWSSECRETACCESSKEY", SECRET_KEY);
        command
            .stdin(Stdio::null())
            .stderr(output.try_clone().map_err(|error| error.to_string())?)
            .stdout(output);
        let child = command.spawn().map_err(|error| format!("{}: {error}", peer.name()))?;
        let bucket = target.join(peer.below());
        let mut mounted = Self { child, target, bucket };
        mounted
            .wait()
            .map_err(|why| format!("{why}: {}", fs::read_to_string(&log).unwrap_or_default().trim_end()))?;
        Ok(mounted)
    }

    /// The process that answers.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn is_there(&self) -> bool {
        let target = self.target.to_string_lossy();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        mounts.lines().any(|line| line.split(' ').nth(1) == Some(&target))
    }

    fn wait(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        while !self.is_there() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended before it mounted ({status})"));
            }
            if begin.elapsed() > Duration::from_secs(20) {
                return Err("no mount in 20 s".to_owned());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmount = |flags: &[&str]| {
            let done = Command::new("umount").args(flags).arg(&self.target).stderr(Stdio::null()).status();
            done.is_ok_and(|status| status.success())
        };
        if self.is_there() && !unmount(&[]) {
            unmount(&["-l"]);
        }
        let begin = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if begin.elapsed() > Duration::from_secs(10) {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}
