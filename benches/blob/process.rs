//! Processes of a bench: started on a core, ended when dropped.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that ends with this.
pub(crate) struct Server {
    child: Child,
    log: std::path::PathBuf,
    /// When it was started.
    pub(crate) started: Instant,
}

/// Fails by name where a program is missing.
pub(crate) fn need(programs: &[&str]) {
    for program in programs {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        assert!(found.is_ok_and(|output| output.status.success()), "{program} is not installed");
    }
}

/// Puts this process, and what it starts, on the first core; servers under test go elsewhere.
pub(crate) fn pin_to_first_core() {
    let done =
        Command::new("taskset").args(["-a", "-c", "-p", "0", &std::process::id().to_string()]).output();
    assert!(done.is_ok_and(|output| output.status.success()), "taskset");
}

impl Server {
    /// Starts `command` on core `core`, its output in `log`.
    pub(crate) fn start(command: &mut Command, core: usize, log: &Path) -> Server {
        let file = std::fs::File::create(log).expect("a log");
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &core.to_string()]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => pinned.env(key, value),
                None => pinned.env_remove(key),
            };
        }
        pinned.stdin(Stdio::null()).stdout(file.try_clone().expect("a log")).stderr(file);
        let started = Instant::now();
        Server { child: pinned.spawn().expect("a program"), log: log.into(), started }
    }

    /// It and its children.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = pids.get(next) {
            let path = format!("/proc/{pid}/task/{pid}/children");
            let children = std::fs::read_to_string(path).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
            next += 1;
        }
        pids
    }

    /// Waits until somebody listens; how long that took since the start.
    pub(crate) fn listening(&self, port: u16) -> Duration {
        loop {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return self.started.elapsed();
            }
            if self.started.elapsed() > Duration::from_secs(20) {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("nobody listens on {port}:\n{log}");
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Children first: a master would start them again.
        let pids = self.pids();
        let _ = self.child.kill();
        for pid in pids.into_iter().skip(1) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    socket.local_addr().expect("bound").port()
}
