//! What moving a blob costs in system calls, as strace(1) counts them.

use crate::support::{Plan, Upstream};
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use wave_registry::oci::Digest;

const SIZE: usize = 256 << 20;
/// splice(2), sendfile(2) and epoll_wait(2) for one such blob: a quarter of what a GiB may take.
const MOVES: u64 = 6500 / 4;
/// All that reads and writes memory of the process, heads and wake-ups included; as much again would be a megabyte at
/// least.
const COPIES: u64 = 60;
/// Looks at whether a file is in memory: two for each 128 KiB.
const LOOKS: u64 = 2 * (SIZE / (128 * 1024)) as u64 + 20;

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `wave serve` in `folder`; where it listens.
fn serve(folder: &Path, upstream: std::net::SocketAddr, keys: &str) -> (Running, String) {
    let config = format!(
        "wave.server.bind: 127.0.0.1:0\nwave.admin.bind: 127.0.0.1:0\n{keys}\
         wave.registries: {{ default: up.test, up.test: {{ url: \"http://{upstream}\" }} }}\n"
    );
    std::fs::write(folder.join("config.yml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wave"));
    command.env_clear().current_dir(folder).arg("serve").stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let plain = lines.find_map(|line| line.strip_prefix("listening plain ").map(String::from)).unwrap();
    assert!(lines.any(|line| line == "ready"));
    (Running(child), plain)
}

/// Reads the blob to its end; its digest.
fn pull(address: &str, digest: &Digest) -> Digest {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET /v2/library/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::with_capacity(SIZE + 1000);
    stream.read_to_end(&mut answer).expect("a whole answer");
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    assert_eq!(answer.len() - head, SIZE);
    Digest::sha256(&answer[head..])
}

/// The system calls of `process` while `work` is done, each with its count.
fn counted(process: &Child, folder: &Path, work: impl FnOnce()) -> BTreeMap<String, u64> {
    let counts = folder.join("counts");
    let mut strace = Command::new("strace");
    strace.args(["-c", "-f", "-o"]).arg(&counts).args(["-p", &process.id().to_string()]);
    let strace = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut strace = Running(strace.expect("strace (Debian package strace) is there"));
    let mut lines = BufReader::new(strace.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let attached = lines.next().expect("it says what it does");
    assert!(attached.contains("attached"), "strace works for root alone: {attached}");
    // Every thread is attached with the first.
    work();
    kill_process(Pid::from_child(&strace.0), Signal::INT).expect("it runs");
    // Nobody waits for a full pipe.
    lines.for_each(drop);
    strace.0.wait().unwrap();
    let table = std::fs::read_to_string(counts).expect("a table");
    let rows = table.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let name = words.last()?;
        Some((name.to_string(), words.get(3)?.parse().ok()?))
    });
    rows.filter(|(name, _)| name != "total").collect()
}

fn sum(counts: &BTreeMap<String, u64>, names: &[&str]) -> u64 {
    names.iter().filter_map(|name| counts.get(*name)).sum()
}

const COPYING: [&str; 13] = [
    "read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg", "pread64", "pwrite64",
    "preadv", "pwritev", "sendmmsg",
];

fn judge(what: &str, counts: &BTreeMap<String, u64>, moving: &str) {
    let moves = sum(counts, &["splice", "sendfile", "epoll_wait", "epoll_pwait"]);
    let copies = sum(counts, &COPYING);
    assert!(counts.contains_key(moving), "{what}: {counts:?}");
    assert!(moves <= MOVES && copies <= COPIES, "{what}: {moves} moves, {copies} copies: {counts:?}");
    assert!(sum(counts, &["preadv2"]) <= LOOKS, "{what}: {counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_is_moved_with_few_calls_and_no_copy() {
    let upstream = Upstream::scripted(|_| Some(Plan::normal().trickle(1 << 20, Duration::ZERO))).await;
    let (digest, _) = upstream.noise(SIZE, 41);
    let address = upstream.address;
    let work = move || {
        let folder = tempfile::tempdir().unwrap();
        let (passing, plain) = serve(folder.path(), address, "");
        let counts = counted(&passing.0, folder.path(), || assert_eq!(pull(&plain, &digest), digest));
        judge("from upstream", &counts, "splice");
        drop(passing);
        let (keeping, plain) = serve(folder.path(), address, "wave.blob-cache.dir: cache\n");
        assert_eq!(pull(&plain, &digest), digest);
        let counts = counted(&keeping.0, folder.path(), || assert_eq!(pull(&plain, &digest), digest));
        judge("from disk", &counts, "sendfile");
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    assert_eq!(upstream.count(Method::GET), 2);
}
