//! How much memory the driver may use for data: a share of what the container may use.

use std::fs;
use std::path::{Path, PathBuf};

/// Most that is used unless it is asked for.
const MOST: u64 = 1 << 30;
/// Least that still reads with several connections.
const LEAST: u64 = 32 << 20;
/// The part of the limit that is ours, as a divisor.
const SHARE: u64 = 4;

/// The default budget in bytes: a quarter of the container's limit, 1 GiB at most.
pub fn default() -> u64 {
    let limit = limit(Path::new("/"));
    (limit / SHARE).clamp(LEAST, MOST)
}

/// The smallest limit that binds this process: its control groups', version 2 and 1, and the machine's.
fn limit(root: &Path) -> u64 {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let files = groups.lines().flat_map(|line| limit_files(root, line));
    files.filter_map(|file| number(&file)).chain(machine(root)).min().unwrap_or(MOST)
}

/// The files with the limits of one line of `/proc/self/cgroup`, from the group up. In a container the path of the
/// group is often that of the host; then only the top of the mounted tree exists, which is the group itself.
fn limit_files(root: &Path, line: &str) -> Vec<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { return Vec::new() };
    let (top, file) = match controllers {
        "" => (root.join("sys/fs/cgroup"), "memory.max"),
        one if one.split(',').any(|one| one == "memory") => {
            (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    Path::new(path.trim_start_matches('/')).ancestors().map(|group| top.join(group).join(file)).collect()
}

/// A limit; "max", and what stands for no limit in version 1, are none.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|&limit| limit > 0 && limit < 1 << 60)
}

fn machine(root: &Path) -> Option<u64> {
    let info = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root folder with these files.
    fn root(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("fusion-budget-{}-{name}", std::process::id()));
        for (path, content) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[track_caller]
    fn check(name: &str, files: &[(&str, &str)], want: u64) {
        let root = root(name, files);
        assert_eq!(limit(&root), want, "{name}");
        fs::remove_dir_all(root).unwrap();
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       16000 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_smallest_limit_counts() {
        check("none", &[MACHINE], 16_000 * 1024);
        check(
            "v2",
            &[
                MACHINE,
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/memory.max", "9000\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ],
            9000,
        );
        check(
            "v2-namespace",
            &[MACHINE, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "7000")],
            7000,
        );
        check(
            "v1",
            &[
                MACHINE,
                ("proc/self/cgroup", "4:cpu:/x\n3:memory:/docker/abc\n0::/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000"),
            ],
            5000,
        );
        check(
            "v1-unlimited",
            &[
                MACHINE,
                ("proc/self/cgroup", "3:memory:/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
            ],
            16_000 * 1024,
        );
    }

    #[test]
    fn the_default_is_in_its_bounds() {
        assert!((LEAST..=MOST).contains(&default()));
    }
}
