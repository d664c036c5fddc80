//! Starting the tools, each with a limit of time: a driver that hangs is a failed test.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A tool by its name. It is a program of the system, or one that `tests/install.sh` has built.
pub(crate) fn tool(name: &str) -> PathBuf {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain([built]);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()));
    found.unwrap_or_else(|| panic!("{name} is missing: run `sh tests/install.sh`"))
}

/// The value of an environment variable that makes a test larger, or the size for every day.
pub(crate) fn size(variable: &str, every_day: u64) -> u64 {
    let Ok(text) = env::var(variable) else { return every_day };
    text.parse().unwrap_or_else(|_| panic!("{variable}={text:?}: set it to a number"))
}

/// A tool that is ended after so many seconds.
pub(crate) struct Tool(Command);

impl Tool {
    pub(crate) fn new(name: &str, seconds: u64) -> Self {
        let mut command = Command::new(tool("timeout"));
        command.arg("--kill-after=5").arg(seconds.to_string()).arg(tool(name));
        command
            .stdin(Stdio::null())
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .env("RUST_BACKTRACE", "0");
        Self(command)
    }

    pub(crate) fn args(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.0.args(words);
        self
    }

    pub(crate) fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Runs to the end.
    pub(crate) fn output(mut self) -> Output {
        self.0.output().expect("timeout can be started")
    }

    /// Runs to the end and asserts success; returns what was printed.
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        self.succeeds_beside(|| ())
    }

    /// The same, with `beside` called again and again until the end; it must wait by itself.
    #[track_caller]
    pub(crate) fn succeeds_beside(self, mut beside: impl FnMut() + Send) -> String {
        let what = format!("{:?}", self.0);
        let ended = AtomicBool::new(false);
        let output = thread::scope(|scope| {
            let handle = scope.spawn(|| {
                while !ended.load(Ordering::Acquire) {
                    beside();
                }
            });
            let output = self.output();
            ended.store(true, Ordering::Release);
            handle.join().expect("what runs beside a tool does not fail");
            output
        });
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{what}: {}\n{out}\n{err}", output.status);
        out.into_owned()
    }
}
