//! The spool in the program itself: crashes, a large folder.

use super::reader::Reader;
use super::{filling, kept};
use crate::support::{Plan, Upstream};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wave_registry::oci::Digest;

/// A running program that is killed with the test.
pub struct Wave {
    child: Child,
    plain: String,
}

impl Wave {
    /// Starts in `folder` and waits until it is ready.
    pub fn start(folder: &Path, upstream: &Upstream) -> Wave {
        Wave::with(folder, upstream.address, "")
    }

    /// The same before whatever listens at `address`, with more lines of the configuration.
    pub fn with(folder: &Path, address: SocketAddr, more: &str) -> Wave {
        let config = format!(
            "wave.server.bind: 127.0.0.1:0\nwave.admin.bind: 127.0.0.1:0\nwave.log: {{ level: warn }}\n\
             wave.blob-cache.dir: cache\n\
             wave.registries: {{ default: up.test, up.test: {{ url: \"http://{address}\" }} }}\n{more}"
        );
        std::fs::write(folder.join("config.yml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wave"));
        command.env_clear().current_dir(folder).arg("serve").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let plain = lines.find_map(|line| line.strip_prefix("listening plain ").map(String::from)).unwrap();
        assert!(lines.any(|line| line == "ready"));
        Wave { child, plain }
    }

    pub fn url(&self, digest: &Digest) -> String {
        self.at(&format!("/v2/library/app/blobs/{digest}"))
    }

    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.plain)
    }

    pub fn kill(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::KILL).expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// The most memory it has had, in bytes.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells VmHWM");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Wave {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a scratch folder")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_42_a_crash_at_any_moment_leaves_whole_blobs_or_none() {
    const SIZE: usize = 600_000;
    let upstream =
        Upstream::scripted(|_| Some(Plan::normal().trickle(64 * 1024, Duration::from_millis(2)))).await;
    let (digest, content) = upstream.noise(SIZE, 1);
    let folder = folder();
    let cache = folder.path().join("cache");
    let path = kept(&cache, &digest);
    let (mut unfinished, mut whole) = (0, 0);
    for round in 0..100_u64 {
        let mut wave = Wave::start(folder.path(), &upstream);
        assert_eq!(filling(&cache), 0, "swept in round {round}");
        let mut reader = Reader::get(&wave.url(&digest)).await;
        assert_eq!(reader.status, 200);
        // Up to the time that a whole fill takes, and some.
        let moment = Duration::from_micros(round * 400);
        let _ = tokio::time::timeout(moment, reader.until(SIZE, Duration::ZERO)).await;
        wave.kill();
        unfinished += filling(&cache);
        if path.exists() {
            assert!(std::fs::read(&path).unwrap() == content, "a part is visible in round {round}");
            std::fs::remove_file(&path).unwrap();
            whole += 1;
        }
    }
    assert!(unfinished > 10, "{unfinished} fills were cut, {whole} were not");
    let wave = Wave::start(folder.path(), &upstream);
    assert!(Reader::get(&wave.url(&digest)).await.all().await.unwrap() == content);
}

#[tokio::test]
async fn case_48_a_large_folder_delays_no_start() {
    let count: usize = std::env::var("WAVE_SPOOL_OBJECTS").map_or(20_000, |text| text.parse().unwrap());
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(1000, 3);
    let folder = folder();
    let cache = folder.path().join("cache");
    let blobs = cache.join("blobs/sha256");
    // One content under many names: this is about names.
    for at in 0..count {
        let hex = format!("{:02x}{at:062x}", at % 256);
        let (dir, first) = (blobs.join(&hex[..2]), cache.join(format!("source{}", at / 50_000)));
        if at % 50_000 == 0 {
            std::fs::create_dir_all(&cache).unwrap();
            std::fs::write(&first, "x").unwrap();
        }
        if at < 256 {
            std::fs::create_dir_all(&dir).unwrap();
        }
        std::fs::hard_link(&first, dir.join(hex)).unwrap();
    }
    let started = Instant::now();
    let wave = Wave::start(folder.path(), &upstream);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "{count} blobs delay the start: {took:?}");
    assert!(Reader::get(&wave.url(&digest)).await.all().await.unwrap() == content);
}
