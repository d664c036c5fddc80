//! Every program the tests call, and the Debian package that has it; and the product.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Program and Debian package; `tests/install.sh` has the same rows.
const TOOLS: &[(&str, &str)] = &[
    ("buildah", "buildah"),
    ("busybox", "busybox-static"),
    ("containerd", "containerd"),
    ("cp", "coreutils"),
    ("ctr", "containerd"),
    ("curl", "curl"),
    ("docker", "docker.io"),
    ("docker-registry", "docker-registry"),
    ("dockerd", "docker.io"),
    ("env", "coreutils"),
    ("htpasswd", "apache2-utils"),
    ("ip", "iproute2"),
    ("mmdebstrap", "mmdebstrap"),
    ("mount", "mount"),
    ("netavark", "netavark"),
    ("nsenter", "util-linux"),
    ("podman", "podman"),
    ("runc", "runc"),
    ("setpriv", "util-linux"),
    ("setsid", "util-linux"),
    ("sh", "dash"),
    ("sha256sum", "coreutils"),
    ("skopeo", "skopeo"),
    ("timeout", "coreutils"),
    ("umoci", "umoci"),
    ("umount", "mount"),
    ("unshare", "util-linux"),
];

/// Where Debian puts programs, whatever the caller's PATH says.
const FOLDERS: &[&str] =
    &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/podman"];

/// A command that runs `program` with a small environment of its own: nothing of the caller's proxies,
/// certificates or logins reaches it.
pub(crate) fn command(program: &str) -> Command {
    isolated(&find(program))
}

/// The same for a program given by its path.
pub(crate) fn isolated(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", FOLDERS.join(":")).env("HOME", "/nonexistent").env("LC_ALL", "C.UTF-8");
    command
}

/// The product: the binary of this build, or the one `WAVE_BINARY` names.
pub(crate) fn wave() -> PathBuf {
    std::env::var_os("WAVE_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_wave").into(), PathBuf::from)
}

/// The server of moto, in the Python environment that `tests/install.sh` makes.
///
/// # Panics
/// When it is not installed.
pub(crate) fn moto() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools").join("moto/bin/moto_server");
    assert!(path.is_file(), "{} is missing: sh tests/install.sh", path.display());
    path
}

/// Lets a command find the caller's Rust compiler, wherever that and what belongs to it are.
pub(crate) fn with_cargo(command: &mut Command) {
    let inherited = |name: &str| {
        ["PATH", "HOME"].contains(&name)
            || ["CARGO_", "RUSTUP_", "RUSTC_"].iter().any(|p| name.starts_with(p))
    };
    command.envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(inherited)));
}

/// The path of a program of the table.
///
/// # Panics
/// When it is not installed, with the name of its package.
pub(crate) fn find(program: &str) -> PathBuf {
    let (_, package) =
        TOOLS.iter().find(|(name, _)| *name == program).expect("every program is in the table");
    FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{program} is missing: apt-get install {package} (or sh tests/install.sh)"))
}
