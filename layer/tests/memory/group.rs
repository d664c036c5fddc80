//! A control group with a limit on memory, of version 2 or 1 as the machine has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names of the files of one version.
struct Files {
    limit: &'static str,
    peak: &'static str,
    /// Has a line `oom_kill N`.
    events: &'static str,
}

const ONE: Files =
    Files { limit: "memory.limit_in_bytes", peak: "memory.max_usage_in_bytes", events: "memory.oom_control" };
const TWO: Files = Files { limit: "memory.max", peak: "memory.peak", events: "memory.events" };

/// A group of its own, which goes with the processes in it when this is dropped.
pub(crate) struct Group {
    folder: PathBuf,
    files: Files,
}

impl Group {
    /// A group that may use so many bytes.
    pub(crate) fn new(name: &str, bytes: u64) -> Self {
        let (parent, files) = top();
        let folder = parent.join(format!("fusion-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}; run as root", folder.display()));
        let group = Self { folder, files };
        let limit = group.folder.join(group.files.limit);
        fs::write(&limit, bytes.to_string()).unwrap_or_else(|error| panic!("{}: {error}", limit.display()));
        group
    }

    /// A program that runs in the group from its first instruction on.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
            .arg(self.folder.join("cgroup.procs"))
            .arg(program);
        command
    }

    /// Most bytes that were in use together, the kernel's cache of files included.
    pub(crate) fn peak(&self) -> u64 {
        self.read(self.files.peak).trim().parse().expect("a number")
    }

    /// Processes that were killed because memory ran out.
    pub(crate) fn killed(&self) -> u64 {
        let events = self.read(self.files.events);
        let line = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no oom_kill in {events:?}"))
    }

    fn read(&self, file: &str) -> String {
        let path = self.folder.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Empty by now, unless a test has failed.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The group this process is in, which may have groups below it, and its version.
fn top() -> (PathBuf, Files) {
    let groups = fs::read_to_string("/proc/self/cgroup").expect("/proc is mounted");
    let of = |wanted: &dyn Fn(&str) -> bool| {
        groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            wanted(controllers).then(|| path.trim_start_matches('/').to_owned())
        })
    };
    if let Some(path) = of(&|controllers| controllers.split(',').any(|one| one == "memory")) {
        return (existing("/sys/fs/cgroup/memory", &path), ONE);
    }
    let path = of(&str::is_empty).expect("no control groups: mount them at /sys/fs/cgroup");
    // A group that has processes cannot give its memory to groups below it; the top one can.
    let top = existing("/sys/fs/cgroup", &path);
    let top = if enable(&top) { top } else { PathBuf::from("/sys/fs/cgroup") };
    assert!(enable(&top), "{}: no control of memory for groups below it", top.display());
    (top, TWO)
}

/// In a container the path may be that of the host; then the top is what there is.
fn existing(top: &str, path: &str) -> PathBuf {
    let folder = Path::new(top).join(path);
    if folder.is_dir() { folder } else { top.into() }
}

fn enable(folder: &Path) -> bool {
    let file = folder.join("cgroup.subtree_control");
    let _ = fs::write(&file, "+memory");
    fs::read_to_string(file).is_ok_and(|text| text.split_whitespace().any(|one| one == "memory"))
}
