//! Keys of the original that are known and accepted, and do nothing here.

/// A key, or all keys below it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Inert {
    /// A canonical path; those below it belong to it.
    pub(super) path: &'static str,
    /// Why it does nothing.
    pub(super) why: &'static str,
}

/// What is said of a key that this version reads and does not act on.
pub(super) const LATER: &str = "known, but not enabled in this version";

/// All of them.
static INERT: [Inert; 15] = [
    Inert { path: "wave.arch", why: "has no effect: the platform is the one that is asked for" },
    Inert { path: "wave.debug", why: "has no effect: use wave.log.level" },
    Inert { path: "wave.build", why: LATER },
    Inert { path: "wave.storage", why: LATER },
    Inert { path: "rate-limit.build", why: LATER },
    Inert { path: "wave.rate-limit.build", why: LATER },
    Inert { path: "redis", why: LATER },
    Inert { path: "surrealdb", why: LATER },
    Inert { path: "mail", why: LATER },
    Inert { path: "datasources", why: LATER },
    Inert { path: "tower.crypto", why: LATER },
    Inert { path: "aws", why: LATER },
    Inert { path: "logger.levels", why: "has no effect: use wave.log.level" },
    Inert { path: "endpoints", why: "has no effect: metrics and probes are at wave.admin.bind" },
    Inert { path: "micronaut", why: "has no effect here, except micronaut.server.port" },
];

/// The entry that a canonical path belongs to.
pub(super) fn find(path: &str) -> Option<&'static Inert> {
    INERT.iter().find(|inert| {
        path.strip_prefix(inert.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The entry that a variable such as `WAVE_BUILD_REPO` belongs to.
pub(super) fn find_variable(name: &str) -> Option<&'static Inert> {
    INERT.iter().find(|inert| {
        let rest = name.strip_prefix(&*super::relaxed::as_variable(inert.path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}
