//! What the caller asks for: by the name it calls us, and by its environment.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::notice::Trace;
use crate::program_name;

/// The variable that carries the image's own entry point. It is meant for us alone and the command does not see it.
pub(crate) const ENTRY_CHAIN: &str = "WAVE_ENTRY_CHAIN";

/// Variables that ask for the mount when they are not empty.
const MOUNT_REQUESTS: [&str; 4] = ["NXF_FUSION_BUCKETS", "FUSION_BUCKETS", "FUSION_WORK", "NXF_FUSION_WORK"];

/// The name by which we were called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launch {
    /// `entry.sh`, or any name that is not `fusion`.
    Entry,
    /// `fusion`: a launcher in front of a command that wants the mount.
    Fusion,
}

impl Launch {
    /// Reads `argv[0]`, which may be a path and may be missing.
    pub(crate) fn named(argv0: Option<&OsStr>) -> Self {
        match argv0.and_then(|name| program_name(Path::new(name))) {
            Some("fusion") => Self::Fusion,
            _ => Self::Entry,
        }
    }
}

/// Who stays in the process: see the crate's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supervision {
    /// Only as PID 1, and not for a program that is an init itself.
    AsInit,
    /// `FUSION_SUPERVISE=1`.
    Always,
    /// `FUSION_SUPERVISE=0`.
    Never,
}

/// What happens when the mount cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MountFailure {
    /// The container ends; its outputs would be lost otherwise.
    Fatal,
    /// `FUSION_MOUNT_OPTIONAL=1`: a warning, and the command runs.
    Warning,
}

/// The environment we were given, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of a variable; the first one if it is there twice, as `getenv` has it.
    pub(crate) fn value(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str())
    }

    /// The value of a variable that is there and not empty.
    pub(crate) fn non_empty(&self, name: &str) -> Option<&OsStr> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// The variables the command gets: all but [`ENTRY_CHAIN`]. `WAVE_DEBUG` stays, it is the caller's and a
    /// command may look at it as well.
    pub(crate) fn for_command(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .filter(|(key, _)| key != ENTRY_CHAIN)
            .map(|(key, value)| (key.as_os_str(), value.as_os_str()))
    }

    /// The variable that asks for a mount, if one does.
    pub(crate) fn mount_request(&self) -> Option<&'static str> {
        MOUNT_REQUESTS.into_iter().find(|name| self.non_empty(name).is_some())
    }

    /// `FUSION_MOUNT_OPTIONAL`.
    pub(crate) fn mount_failure(&self) -> MountFailure {
        match self.value("FUSION_MOUNT_OPTIONAL") {
            Some(value) if value == "1" => MountFailure::Warning,
            _ => MountFailure::Fatal,
        }
    }

    /// `FUSION_SUPERVISE`.
    pub(crate) fn supervision(&self) -> Supervision {
        match self.value("FUSION_SUPERVISE").and_then(OsStr::to_str) {
            Some("1") => Supervision::Always,
            Some("0") => Supervision::Never,
            _ => Supervision::AsInit,
        }
    }

    /// `WAVE_DEBUG`: any value but the empty one.
    pub(crate) fn trace(&self) -> Trace {
        if self.non_empty("WAVE_DEBUG").is_some() { Trace::Steps } else { Trace::Silent }
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(vars: [(&str, &str); N]) -> Self {
        Self(vars.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_of_argv0_decides() {
        for (argv0, launch) in [
            ("fusion", Launch::Fusion),
            ("/usr/bin/fusion", Launch::Fusion),
            ("/opt/fusion/entry.sh", Launch::Entry),
            ("fusion2", Launch::Entry),
            ("", Launch::Entry),
        ] {
            assert_eq!(Launch::named(Some(argv0.as_ref())), launch, "{argv0}");
        }
        assert_eq!(Launch::named(None), Launch::Entry);
    }

    #[test]
    fn each_mount_variable_asks_for_a_mount_unless_empty() {
        for name in MOUNT_REQUESTS {
            assert_eq!(Environment::from([(name, "s3://b")]).mount_request(), Some(name));
            assert_eq!(Environment::from([(name, "")]).mount_request(), None);
        }
        assert_eq!(Environment::from([("PATH", "/bin")]).mount_request(), None);
    }

    #[test]
    fn only_one_makes_the_mount_optional() {
        for (value, want) in
            [("1", MountFailure::Warning), ("0", MountFailure::Fatal), ("", MountFailure::Fatal)]
        {
            assert_eq!(
                Environment::from([("FUSION_MOUNT_OPTIONAL", value)]).mount_failure(),
                want,
                "{value:?}"
            );
        }
    }

    #[test]
    fn supervision_has_three_settings() {
        for (value, want) in
            [("1", Supervision::Always), ("0", Supervision::Never), ("", Supervision::AsInit)]
        {
            assert_eq!(Environment::from([("FUSION_SUPERVISE", value)]).supervision(), want, "{value:?}");
        }
    }

    #[test]
    fn the_command_sees_all_but_the_chain_in_order() {
        let environment = Environment::from([
            ("B", "2"),
            (ENTRY_CHAIN, "x"),
            ("A", ""),
            ("WAVE_DEBUG", "1"),
            (ENTRY_CHAIN, "y"),
        ]);
        let names: Vec<_> = environment.for_command().map(|(key, _)| key).collect();
        assert_eq!(names, ["B", "A", "WAVE_DEBUG"]);
    }
}
