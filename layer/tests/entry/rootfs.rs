//! The content of the layer as `layer/build.sh` makes it, in an image that holds nothing else.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Outcome, TempDir, bare};

/// Bytes of the program, less than.
pub(crate) const LARGEST: usize = 4_000_000;
/// Bytes of it when it is compressed, as in the layer, less than.
pub(crate) const COMPRESSED: usize = 2_000_000;

/// The layer's content for a target of Rust. The flavour with the launcher is beside it, in `launcher-` and the target.
pub(crate) fn build(target: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (rootfs, launcher) = (place.join(target), place.join(format!("launcher-{target}")));
    let mut script = Command::new("sh");
    script.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/build.sh")).arg(&rootfs).arg(launcher);
    let status = script.env("FUSION_TARGET", target).status().unwrap();
    assert!(status.success(), "layer/build.sh for {target}");
    rootfs
}

/// Bytes of a file behind gzip.
pub(crate) fn compressed(file: &Path) -> usize {
    let gzip = Command::new("gzip").arg("-c").arg(file).output().unwrap();
    assert!(gzip.status.success());
    gzip.stdout.len()
}

const TARGET: &str = "x86_64-unknown-linux-musl";

/// The layer's content, built once.
fn rootfs() -> &'static Path {
    static ROOTFS: OnceLock<PathBuf> = OnceLock::new();
    ROOTFS.get_or_init(|| build(TARGET))
}

/// A `FROM scratch` image with the layer, and with the program once more as `/bin/fusion`, the one other program
/// we have that needs no libraries. There is no `/proc`.
struct Image(TempDir);

impl Image {
    fn new() -> Self {
        let image = Self(TempDir::new());
        image.copy(&rootfs().join("."), ".");
        fs::create_dir(image.0.path().join("bin")).unwrap();
        image.copy(&rootfs().join("opt/fusion/entry.sh"), "bin/fusion");
        image
    }

    fn copy(&self, from: &Path, to: &str) {
        let status = Command::new("cp").arg("-a").arg(from).arg(self.0.path().join(to)).status().unwrap();
        assert!(status.success(), "cp {from:?} {to}");
    }

    /// The entry point as PID 1 of a container of this image.
    fn run<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = bare("unshare", ["--pid", "--fork", "--kill-child", "--root"]);
        command.arg(self.0.path()).arg("/opt/fusion/entry.sh").args(args);
        command
    }
}

const VERSION: &str = concat!("fusion ", env!("CARGO_PKG_VERSION"), "\n");

#[test]
fn the_layer_holds_what_it_should_and_nothing_else() {
    let common = [
        ("foo.txt", 0o644),
        ("fusion", 0o755),
        ("fusion/s3", 0o777),
        ("opt", 0o755),
        ("opt/fusion", 0o755),
        ("opt/fusion/entry.sh", 0o755),
    ];
    let holds = |folder: &Path, more: &[(&str, u32)]| {
        let mut found = Vec::new();
        list(folder, Path::new(""), &mut found);
        found.sort();
        let want: Vec<_> =
            common.iter().chain(more).map(|&(path, mode)| (PathBuf::from(path), mode)).collect();
        assert_eq!(found, want);
    };
    holds(rootfs(), &[]);
    let launcher = rootfs().with_file_name(format!("launcher-{TARGET}"));
    holds(&launcher, &[("usr", 0o755), ("usr/bin", 0o755), ("usr/bin/fusion", 0o755)]);
    let inode = |name| fs::metadata(launcher.join(name)).unwrap().ino();
    assert_eq!(inode("usr/bin/fusion"), inode("opt/fusion/entry.sh"), "packed once");
    let greeting = fs::read_to_string(rootfs().join("foo.txt")).unwrap();
    assert_eq!(greeting, "Hello injected world! \u{1f433}\u{1f433}\n");
}

fn list(root: &Path, below: &Path, found: &mut Vec<(PathBuf, u32)>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        let meta = fs::symlink_metadata(root.join(&path)).unwrap();
        found.push((path.clone(), meta.permissions().mode() & 0o7777));
        if meta.is_dir() {
            list(root, &path, found);
        }
    }
}

#[test]
fn the_program_is_small_and_holds_no_path_of_this_machine() {
    let program = fs::read(rootfs().join("opt/fusion/entry.sh")).unwrap();
    assert!(program.starts_with(b"\x7fELF"));
    assert!(program.len() < LARGEST, "{} bytes", program.len());
    let compressed = compressed(&rootfs().join("opt/fusion/entry.sh"));
    assert!(compressed < COMPRESSED, "{compressed} bytes");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_str().unwrap();
    let needle = workspace.as_bytes();
    assert!(!program.windows(needle.len()).any(|window| window == needle), "{workspace} is in the program");
}

#[test]
fn an_image_with_nothing_in_it_will_do() {
    let image = Image::new();
    Outcome::of(&mut image.run(["/bin/fusion", "version"])).is(0, VERSION);
    Outcome::of(image.run(["version"]).env("WAVE_ENTRY_CHAIN", "fusion").env("PATH", "/bin")).is(0, VERSION);
    Outcome::of(image.run([]).env("WAVE_ENTRY_CHAIN", r#"["/bin/fusion","version"]"#)).is(0, VERSION);
    Outcome::of(image.run(["fusion", "version"]).env("WAVE_ENTRY_CHAIN", "/opt/fusion/entry.sh"))
        .is(0, VERSION);
    Outcome::of(image.run([]).env("WAVE_ENTRY_CHAIN", "/opt/fusion/entry.sh")).refuses(127, "nothing to run");
    Outcome::of(image.run(["fusion", "version"]).env("FUSION_SUPERVISE", "0")).is(0, VERSION);
}

#[test]
fn a_program_whose_loader_is_missing_is_told_from_one_that_is_missing() {
    let image = Image::new();
    image.copy(&fs::canonicalize("/bin/true").unwrap(), "bin/dynamic");
    Outcome::of(&mut image.run(["dynamic"]))
        .refuses(127, "its interpreter or dynamic loader is not in the image");
    Outcome::of(&mut image.run(["absent"])).refuses(127, "not found in PATH");
}
