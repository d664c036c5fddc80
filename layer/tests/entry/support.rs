//! Starting the entry program and looking at what it does.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything that should happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program under the name it has in an image.
pub(crate) fn entry_sh() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| link_to(env!("CARGO_BIN_EXE_fusion"), "entry.sh"))
}

/// A link of the given name in a folder with nothing else, the same one each time. Not a copy: while a file is
/// written another test may fork, and a file that is open for writing cannot be executed.
pub(crate) fn link_to(program: impl AsRef<Path>, name: &str) -> PathBuf {
    let program = program.as_ref();
    let called = program.file_name().unwrap().to_str().unwrap();
    let link = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("links/{called}-as-{name}")).join(name);
    // Another test may make the same one at this moment: it is made aside and moved into its place.
    let draft = TempDir::new();
    symlink(program, draft.path().join(name)).unwrap();
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    fs::rename(draft.path().join(name), &link).unwrap();
    link
}

/// `entry.sh` with nothing but a PATH in its environment.
pub(crate) fn entry<const N: usize>(args: [&str; N]) -> Command {
    bare(entry_sh(), args)
}

/// A program with nothing but a PATH in its environment.
pub(crate) fn bare<const N: usize>(program: impl AsRef<OsStr>, args: [&str; N]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// `entry.sh` as PID 1 of a namespace of its own, with a `/proc` to match.
pub(crate) fn pid1<const N: usize>(args: [&str; N]) -> Command {
    let mut command = bare("unshare", ["--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(entry_sh()).args(args);
    command
}

/// What a finished command left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| {
            panic!("{:?} cannot be started: {error}", command.get_program());
        });
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    #[track_caller]
    pub(crate) fn is(&self, code: i32, stdout: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), stdout), "{self:?}");
    }

    /// Refused with this code and exactly one line that holds this text.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, text: &str) {
        self.is(code, "");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(self.stderr.starts_with("[fusion] ") && self.stderr.contains(text), "{self:?}");
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A command that runs, killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a command and waits until it has printed `ready`.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self { child, stdout };
        assert_eq!(running.line(), "ready");
        running
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of stdout; empty at its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits for the end and returns the code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name.
pub(crate) fn send(signal: &str, pid: u32) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {signal} {pid}");
}

/// The children of a process, each with its state letter.
pub(crate) fn children(pid: u32) -> Vec<(u32, char)> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let pids = list.split_ascii_whitespace().map(|pid| pid.parse().unwrap());
    pids.filter_map(|pid| Some((pid, state(pid)?))).collect()
}

/// The state letter of a process, `None` if there is none.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Looks until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// A folder, removed when dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("entry-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that is not meant to be executed.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
