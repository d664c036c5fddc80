//! Who asks.

use std::path::Path;

/// Descriptors of a process that are looked at.
const DESCRIPTORS: usize = 4096;

/// The process behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The thread, as the kernel numbers it.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Whether two threads are of one process. If it cannot be known any more, because one has ended, they are taken to
/// be.
pub(super) fn same_process(a: u32, b: u32) -> bool {
    a == b
        || match (leader(a), leader(b)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
}

/// Whether a thread is ending because of a signal, or may be: what it wrote is not what it was to write.
pub(super) fn dies_of_signal(thread: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{thread}/stat"))
        .is_ok_and(|stat| tells_death(&stat, || shows_status(thread)))
}

/// Whether we are told the status of a thread. The kernel asks for the same right before it shows the namespaces.
fn shows_status(thread: u32) -> bool {
    std::fs::read_link(format!("/proc/{thread}/ns/mnt")).is_ok()
}

/// Whether a process has another descriptor of a file, told by its path. Shells open the target of a
/// redirection, copy the descriptor to where the command wants it, and close the first.
pub(super) fn has_another(thread: u32, path: &Path) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{thread}/fd")) else { return false };
    let targets = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.ok()?.path()).ok());
    targets.take(DESCRIPTORS).any(|target| target == path)
}

/// Reads `/proc/<pid>/stat`: the flags of the thread, and the status it will be waited for with, which is the last. To
/// whom it is not shown it is 0, as that of success is.
fn tells_death(stat: &str, shown: impl FnOnce() -> bool) -> bool {
    const EXITING: u64 = 0x4;
    // The name may hold spaces and parentheses; all behind it is numbers, but for the state.
    let Some((_, fields)) = stat.rsplit_once(')') else { return false };
    let number = |field: Option<&str>| field.and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let flags = number(fields.split_ascii_whitespace().nth(6));
    let status = number(fields.split_ascii_whitespace().last());
    flags & EXITING != 0 && (status & 0x7f != 0 || (status == 0 && !shown()))
}

fn leader(thread: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_by_a_signal_is_told_from_others() {
        let stat = |flags: u32, status: u32| format!("7 (a) b) R 1 2 3 4 5 {flags} 8 9 10 {status}\n");
        let told = |stat: &str| tells_death(stat, || true);
        assert!(told(&stat(0x40_0004, 15)));
        assert!(!told(&stat(0x40_0000, 0)));
        assert!(!told(&stat(0x40_0004, 0)), "exit(0)");
        assert!(!told(&stat(0x40_0004, 1 << 8)), "exit(1)");
        assert!(!told("garbage"));
        let hidden = |stat: &str| tells_death(stat, || false);
        assert!(hidden(&stat(0x40_0004, 0)), "it may be a signal");
        assert!(!hidden(&stat(0x40_0000, 0)));
        assert!(shows_status(std::process::id()));
        assert!(!dies_of_signal(std::process::id()));
    }

    #[test]
    fn copies_of_descriptors_are_seen() {
        let folder = std::env::temp_dir().canonicalize().unwrap();
        let path = folder.join(format!("fusion-caller-{}", std::process::id()));
        let file = std::fs::File::create(&path).unwrap();
        assert!(has_another(std::process::id(), &path));
        drop(file);
        assert!(!has_another(std::process::id(), &path));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn threads_of_a_process_are_one_and_children_are_not() {
        let own = std::process::id();
        let thread = std::thread::spawn(|| std::fs::read_link("/proc/thread-self").unwrap()).join().unwrap();
        let thread: u32 = thread.file_name().unwrap().to_str().unwrap().parse().unwrap();
        assert!(same_process(own, own) && same_process(own, thread));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!same_process(own, child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(same_process(own, child.id()), "an opener that has ended leaves nobody else to close");
    }
}
