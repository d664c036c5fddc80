//! A program that stays until it is told to end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::tools;

/// A running program. Dropped, it is killed and waited for; a panicking test shows the end of its log.
pub(crate) struct Server {
    name: String,
    pid: Pid,
    shared: Arc<Shared>,
}

/// One line of the program's output.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Out(String),
    Err(String),
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    exit: Option<ExitStatus>,
}

impl Server {
    /// Starts a program. Should this process die without a chance to clean up, the kernel sends the program a SIGTERM.
    pub(crate) fn start(name: &str, command: &Command) -> Self {
        let mut child =
            spawn(bound_to_this_process(command)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let pid = Pid::from_child(&child);
        let shared = Arc::new(Shared::default());
        let (out, err) = (child.stdout.take().expect("is piped"), child.stderr.take().expect("is piped"));
        shared.read(out, Line::Out);
        shared.read(err, Line::Err);
        let waiter = Arc::clone(&shared);
        std::thread::spawn(move || {
            let exit = child.wait().expect("a child can be waited for");
            waiter.update(|state| state.exit = Some(exit));
        });
        Self { name: name.to_owned(), pid, shared }
    }

    /// What `pick` makes of the first line it likes, waiting for that line to appear.
    ///
    /// # Panics
    /// When the program ends, or a minute passes, before that.
    pub(crate) fn wait_for<T>(&self, mut pick: impl FnMut(&Line) -> Option<T>) -> T {
        let mut seen = 0;
        self.wait_until(Duration::from_secs(60), |state| {
            let found = state.lines[seen..].iter().find_map(&mut pick);
            seen = state.lines.len();
            found
        })
        .unwrap_or_else(|why| panic!("{}: {why} before the awaited line\n{}", self.name, self.log()))
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// All lines so far.
    pub(crate) fn log(&self) -> String {
        let state = self.shared.state.lock().unwrap();
        let lines: Vec<_> = state.lines.iter().map(Line::text).collect();
        lines.join("\n")
    }

    /// SIGTERM, and the status the program ends with.
    ///
    /// # Panics
    /// When it has not ended after 20 seconds.
    pub(crate) fn terminate(&self) -> ExitStatus {
        self.end(Signal::TERM)
            .unwrap_or_else(|why| panic!("{} does not end: {why}\n{}", self.name, self.log()))
    }

    /// Ctrl-C, which the terminal sends to the whole process group that the program leads.
    ///
    /// # Panics
    /// When the program has not ended after 20 seconds.
    pub(crate) fn interrupt(&self) -> ExitStatus {
        kill_process_group(self.pid, Signal::INT).expect("the program leads a process group");
        self.wait_until(Duration::from_secs(20), |state| state.exit)
            .unwrap_or_else(|why| panic!("{} does not end: {why}\n{}", self.name, self.log()))
    }

    /// A signal, and the wait for the end; fails after 20 seconds.
    pub(crate) fn end(&self, signal: Signal) -> Result<ExitStatus, &'static str> {
        self.signal(signal);
        self.wait_until(Duration::from_secs(20), |state| state.exit)
    }

    fn signal(&self, signal: Signal) {
        let state = self.shared.state.lock().unwrap();
        if state.exit.is_none() {
            // It may have ended just now: then there is nobody to tell.
            let _ = kill_process(self.pid, signal);
        }
    }

    fn wait_until<T>(
        &self,
        within: Duration,
        mut ready: impl FnMut(&State) -> Option<T>,
    ) -> Result<T, &'static str> {
        let deadline = Instant::now() + within;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if let Some(found) = ready(&state) {
                return Ok(found);
            }
            if state.exit.is_some() {
                return Err("it ended");
            }
            let left = deadline.checked_duration_since(Instant::now()).ok_or("time is up")?;
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let skip = log.lines().count().saturating_sub(40);
            eprintln!("--- end of the log of {}", self.name);
            log.lines().skip(skip).for_each(|line| eprintln!("{line}"));
        }
        // A script leaves what it has started. The group is the program's own for as long as nobody has waited for it.
        if self.shared.state.lock().is_ok_and(|state| state.exit.is_none()) {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        // No panic while one is under way.
        let _ = self.end(Signal::KILL);
    }
}

impl Line {
    /// Without the stream it came on.
    pub(crate) fn text(&self) -> &str {
        let (Self::Out(text) | Self::Err(text)) = self;
        text
    }
}

impl Shared {
    fn read(self: &Arc<Self>, stream: impl Read + Send + 'static, line: fn(String) -> Line) {
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            for text in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                shared.update(|state| state.lines.push(line(String::from_utf8_lossy(&text).into_owned())));
            }
        });
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }
}

fn bound_to_this_process(command: &Command) -> Command {
    let mut bound = Command::new(tools::find("setpriv"));
    bound.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args());
    bound.env_clear();
    for (name, value) in command.get_envs() {
        bound.env(name, value.expect("no variable is removed one by one"));
    }
    if let Some(folder) = command.get_current_dir() {
        bound.current_dir(folder);
    }
    bound.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    bound
}

/// Children are made by one thread that lasts as long as the process: the kernel sends the parent-death signal when
/// the *thread* ends that made a child, and the threads of tests end early.
fn spawn(command: Command) -> std::io::Result<Child> {
    type Order = (Command, Sender<std::io::Result<Child>>);
    static SPAWNER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
        let (orders, inbox): (Sender<Order>, Receiver<Order>) = channel();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, answer) = channel();
    SPAWNER.lock().unwrap().send((command, reply)).expect("the spawner lives as long as the process");
    answer.recv().expect("the spawner answers every order")
}
