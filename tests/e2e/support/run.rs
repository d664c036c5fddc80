//! A command that ends by itself, or is ended.

use std::process::{Command, Output, Stdio};

use super::tools;

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    line: String,
    output: Output,
}

/// Runs a command for at most three minutes.
pub(crate) fn run(command: &Command) -> Ran {
    run_within(180, command)
}

/// Runs a command for so many seconds at most.
pub(crate) fn run_within(seconds: u32, command: &Command) -> Ran {
    let line = format!("{:?} {:?}", command.get_program(), command.get_args().collect::<Vec<_>>());
    let mut timed = Command::new(tools::find("timeout"));
    timed.args(["--kill-after=5", &seconds.to_string()]).arg(command.get_program()).args(command.get_args());
    timed.env_clear();
    for (name, value) in command.get_envs() {
        timed.env(name, value.expect("no variable is removed one by one"));
    }
    if let Some(folder) = command.get_current_dir() {
        timed.current_dir(folder);
    }
    let output = timed.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{line}: {error}"));
    Ran { line, output }
}

impl Ran {
    /// Standard output of a command that succeeded.
    ///
    /// # Panics
    /// When it failed; the message holds all it said.
    #[track_caller]
    pub(crate) fn ok(&self) -> String {
        assert!(self.output.status.success(), "{}", self.all());
        self.stdout()
    }

    /// All output of a command that failed.
    ///
    /// # Panics
    /// When it succeeded.
    #[track_caller]
    pub(crate) fn fails(&self) -> String {
        assert!(!self.output.status.success(), "should have failed: {}", self.all());
        self.all()
    }

    /// All output of a command that ended with this code.
    ///
    /// # Panics
    /// When it ended in another way.
    #[track_caller]
    pub(crate) fn ends_with(&self, code: i32) -> String {
        assert_eq!(self.output.status.code(), Some(code), "{}", self.all());
        self.all()
    }

    /// Did it succeed?
    pub(crate) fn is_ok(&self) -> bool {
        self.output.status.success()
    }

    /// Is there nothing on standard output?
    pub(crate) fn is_silent(&self) -> bool {
        self.output.stdout.is_empty()
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    fn all(&self) -> String {
        let stderr = String::from_utf8_lossy(&self.output.stderr);
        format!("{}: {}\n{}\n{stderr}", self.line, self.output.status, self.stdout())
    }
}
