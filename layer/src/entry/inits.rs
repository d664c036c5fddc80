//! Programs that are an init themselves and want to be PID 1.

use std::ffi::OsStr;
use std::path::Path;

use crate::program_name;

/// Names under which init programs are the entry point of images. `init` is also the name of s6-overlay's and of
/// systemd's in most images; both refuse to run under any other PID. The small ones print a warning there.
const INITS: [&str; 10] = [
    "catatonit",
    "docker-init",
    "dumb-init",
    "init",
    "my_init",
    "openrc-init",
    "s6-svscan",
    "systemd",
    "tini",
    "tini-static",
];

/// True if the program does the duties of PID 1 itself.
pub(crate) fn is_init(program: &OsStr) -> bool {
    program_name(Path::new(program)).is_some_and(|name| INITS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inits_are_known_by_the_last_component() {
        for program in ["tini", "/sbin/tini", "/init", "/lib/systemd/systemd", "dumb-init"] {
            assert!(is_init(program.as_ref()), "{program}");
        }
        for program in ["sh", "/init/app", "initdb", "tini.sh", "", ".."] {
            assert!(!is_init(program.as_ref()), "{program}");
        }
    }
}
