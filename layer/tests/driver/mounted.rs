//! A mount of the test server in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use crate::support::s3::{ACCESS_KEY, Entry, Op, SECRET_KEY, Server};

/// The bucket every mount has.
pub(crate) const BUCKET: &str = "b";

/// A server, and a mount of it.
pub(crate) struct Mounted {
    pub(crate) server: Server,
    folder: Folder,
    child: Child,
    stderr: Option<JoinHandle<String>>,
}

impl Mounted {
    /// Mounts, with the bucket [`BUCKET`] configured.
    pub(crate) fn new() -> Self {
        Self::with(|_, _| {})
    }

    /// The same, after the server and the command were prepared.
    pub(crate) fn with(prepare: impl FnOnce(&Server, &mut Command)) -> Self {
        let server = Server::start();
        server.store().bucket(BUCKET);
        let folder = Folder::new();
        let mut command = driver(&server);
        command.args(["mount", "--foreground"]).arg(folder.path());
        prepare(&server, &mut command);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.starts_with("[fusion] mounted at "), "no mount: {line}");
        let stderr = std::thread::spawn(move || {
            let mut lines = stderr.lines().map_while(Result::ok).collect::<Vec<_>>().join("\n");
            lines.push('\n');
            lines
        });
        Self { server, folder, child, stderr: Some(stderr) }
    }

    /// A path below the bucket.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.root().join(BUCKET).join(key)
    }

    /// The mount point.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The program that drives the mount.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs a shell script in the bucket's folder, and returns what it printed. It must succeed.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a shell script in the bucket's folder.
    pub(crate) fn try_sh(&self, script: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-ec", script]).current_dir(self.path("")).env("LC_ALL", "C.UTF-8");
        command.output().expect("sh starts")
    }

    /// The requests since the last call, which the server has finished or not.
    pub(crate) fn requests(&self) -> Vec<Entry> {
        self.server.log().take()
    }

    /// The operations since the last call, in a fixed order.
    pub(crate) fn ops(&self) -> Vec<Op> {
        let mut ops: Vec<Op> = self.requests().iter().map(|entry| entry.op).collect();
        ops.sort_by_key(|op| format!("{op:?}"));
        ops
    }

    /// Ends the driver as SIGTERM does. Returns its exit code and what it said.
    pub(crate) fn end(self) -> (Option<i32>, String) {
        send("TERM", self.child.id());
        self.ended()
    }

    /// Waits until the driver has ended by itself.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        let said = self.stderr.take().expect("it ends once").join().unwrap();
        (code, said)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            send("KILL", self.child.id());
            let _ = self.child.wait();
        }
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).stderr(Stdio::null()).status();
    }
}

/// The program, with what it needs to speak to the server and nothing else in its environment.
pub(crate) fn driver(server: &Server) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fusion"));
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    for (name, value) in settings(server) {
        command.env(name, value);
    }
    command
}

/// The variables that name the server, its keys and the bucket.
pub(crate) fn settings(server: &Server) -> [(&'static str, String); 4] {
    [
        ("AWS_S3_ENDPOINT", server.endpoint()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("NXF_FUSION_BUCKETS", format!("s3://{BUCKET}")),
    ]
}

/// Sends a signal by name.
pub(crate) fn send(signal: &str, pid: u32) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {signal} {pid}");
}

/// An empty folder, removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("driver-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Not what is in it: if a mount is left here, its objects must stay.
        let _ = fs::remove_dir(&self.0);
    }
}
