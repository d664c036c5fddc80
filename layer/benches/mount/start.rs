//! What our program costs before anybody uses the mount: time to the command, memory, bytes.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::measure::{self, median};
use crate::peers::{Mounted, Peer};
use crate::rig::{BUCKET, Rig};
use crate::support::s3::{ACCESS_KEY, SECRET_KEY, Shape};

/// The first word by which this program prints the time and becomes the program named by the others.
pub(crate) const STAMP: &str = "--stamp";
/// Starts in one round.
const STARTS: u64 = 20;
/// In namespaces of its own, as in a container: a root with the layer's program, this one, and what this one needs of
/// the machine. `$1` is the root, `$2` our program, `$3` this one; the others are run within.
const CONTAINER: &str = r#"
root=$1; ours=$2; stamp=$3; shift 3
mount -t tmpfs none "$root"
mkdir -p "$root/opt/fusion" "$root/fusion/s3"
cp "$ours" "$root/opt/fusion/entry.sh"
cp "$stamp" "$root/stamp"
for folder in usr lib lib64 dev proc; do
  [ -d "/$folder" ] || continue
  mkdir "$root/$folder"
  mount --rbind "/$folder" "$root/$folder"
done
"#;

/// The figures.
pub(crate) struct Sizes {
    /// Milliseconds from the exec of our program to the command's first line.
    pub(crate) start: f64,
    /// The same for the command alone.
    pub(crate) alone: f64,
    /// MiB that are resident while nobody uses the mount.
    pub(crate) idle: f64,
    /// MB of the program.
    pub(crate) program: f64,
    /// MB of a layer with it.
    pub(crate) layer: f64,
}

/// Prints the time in nanoseconds, and becomes the program that is named, if there is one.
pub(crate) fn stamp(rest: &[String]) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is set");
    println!("{}", now.as_nanos());
    if let [program, words @ ..] = rest {
        panic!("{program}: {}", Command::new(program).args(words).exec());
    }
}

/// Measures; a round is many starts.
pub(crate) fn measure(rig: &Rig, rounds: u64) -> Sizes {
    rig.server.shape(Shape::none());
    let times = (0..rounds * STARTS).map(|_| {
        (started(rig, &["/opt/fusion/entry.sh", "/stamp", STAMP]), started(rig, &["/stamp", STAMP]))
    });
    let (start, alone): (Vec<f64>, Vec<f64>) = times.unzip();
    let idle = (0..rounds).map(|_| {
        let mounted = Mounted::new(rig, Peer::Fusion).unwrap_or_else(|error| panic!("{error}"));
        // The thread that raises the read-ahead is gone by then.
        thread::sleep(Duration::from_millis(300));
        measure::memory(mounted.pid(), "VmRSS")
    });
    let program = fs::metadata(&rig.program).expect("the program is there").len();
    let sizes = Sizes {
        start: median(start),
        alone: median(alone),
        idle: median(idle.collect()),
        program: program as f64 / 1e6,
        layer: packed(&rig.program),
    };
    eprintln!(
        "start: {:.2} ms to the command's first line, {:.2} ms of them the command's own",
        sizes.start, sizes.alone
    );
    sizes
}

/// Milliseconds between two stamps: one before `words` are run in a container, one by what they run in the end.
fn started(rig: &Rig, words: &[&str]) -> f64 {
    let root = rig.folder.join("root");
    fs::create_dir_all(&root).expect("a folder for a root");
    let own = std::env::current_exe().expect("this program");
    let script = format!("set -e\n{CONTAINER}exec chroot \"$root\" /stamp {STAMP} \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "sh", "-c", &script, "container"]);
    command.arg(&root).arg(&rig.program).arg(own).args(words);
    command.env("FUSION_BUCKETS", BUCKET).env("AWS_S3_ENDPOINT", rig.server.endpoint());
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let output = command.stdin(Stdio::null()).output().expect("unshare starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let times: Vec<u128> = text.lines().filter_map(|line| line.parse().ok()).collect();
    let [before, after] = times[..] else {
        panic!("{words:?}: {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    };
    after.saturating_sub(before) as f64 / 1e6
}

/// MB of the program as an archive, compressed.
fn packed(program: &Path) -> f64 {
    let script = "tar -C \"$(dirname \"$0\")\" -c \"$(basename \"$0\")\" | gzip -9";
    let output = Command::new("sh").args(["-c", script]).arg(program).output().expect("sh starts");
    assert!(output.status.success(), "tar, gzip: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout.len() as f64 / 1e6
}
