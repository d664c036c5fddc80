//! Images of a registry that is down: what was pulled before is served, to those who could pull it.

mod answers;
mod bounds;
mod derived;
mod restart;
mod tenants;

use crate::spool::until;
use crate::support::{Answer, Plan, Proxy, Upstream, send};
use http::Method;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const WARNING: &str = "110 - \"Response is Stale\"";

/// Keys of `wave` for a proxy that keeps documents, does not wait long, and asks however often that was in vain.
pub const KEEPING: &str = "  blob-cache: { dir: \"FOLDER/cache\" }\n  \
     upstream: { attempts: 2, retry-delay: 1ms, head-timeout: 400ms, breaker-failures: 0 }\n";

/// An upstream that can go down, and come up again.
pub struct Registry {
    pub upstream: Upstream,
    plan: Arc<Mutex<Option<Plan>>>,
}

impl Registry {
    pub async fn start() -> Registry {
        let plan = Arc::new(Mutex::new(None));
        let upstream = Upstream::scripted({
            let plan = plan.clone();
            move |_| plan.lock().unwrap().clone()
        })
        .await;
        Registry { upstream, plan }
    }

    /// From now on everything is answered like this.
    pub fn all(&self, plan: Plan) {
        *self.plan.lock().unwrap() = Some(plan);
    }

    pub fn up(&self) {
        *self.plan.lock().unwrap() = None;
    }

    /// A proxy in front of it that keeps documents.
    pub async fn proxy(&self) -> Proxy {
        Proxy::to(self.upstream.address, "", KEEPING).await
    }
}

/// All the ways in which a registry is down or overrun, with the status and code for those of whom nothing is known.
pub fn outages() -> Vec<(&'static str, Plan, u16, &'static str)> {
    vec![
        ("reset", Plan::reset(), 502, "UNAVAILABLE"),
        ("closed", Plan::close(), 502, "UNAVAILABLE"),
        ("silent", Plan::silence(Duration::from_secs(5)), 504, "UNAVAILABLE"),
        ("429", Plan::status(429), 429, "TOOMANYREQUESTS"),
        ("429 for a moment", Plan::status(429).header("retry-after", "0"), 429, "TOOMANYREQUESTS"),
        ("500", Plan::status(500), 502, "UNAVAILABLE"),
        ("502", Plan::status(502), 502, "UNAVAILABLE"),
        ("503", Plan::status(503), 502, "UNAVAILABLE"),
        ("504", Plan::status(504), 502, "UNAVAILABLE"),
        ("501", Plan::status(501), 502, "UNAVAILABLE"),
    ]
}

pub fn shelf(folder: &Path) -> PathBuf {
    folder.join("cache/stale")
}

/// All files of a folder of the shelf.
pub fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    // What is being replaced or cleared away meanwhile is not there.
    let entries = |path: PathBuf| {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    entries(shelf(folder).join(name)).into_iter().flat_map(entries).collect()
}

/// Waits until so many notes are written: one for each tag, manifest, blob and repository of each caller.
pub async fn noted(folder: &Path, notes: usize) {
    until("the notes", || files(folder, "notes").len() >= notes).await;
    assert_eq!(files(folder, "notes").len(), notes);
}

/// GET or HEAD of `library/app`.
pub async fn ask(proxy: &Proxy, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(method, &proxy.url(&format!("/v2/library/app/{path}")), headers, "").await
}

/// Asserts that both are the same manifest, the second one from the shelf.
#[track_caller]
pub fn is_stale(fresh: &Answer, stale: &Answer) {
    assert_eq!(stale.status, 200, "{}", String::from_utf8_lossy(&stale.body));
    for name in ["docker-content-digest", "content-type", "content-length", "etag"] {
        assert_eq!(stale.header(name), fresh.header(name), "{name}");
    }
    assert_eq!(stale.header("warning"), WARNING);
    let age: u64 = stale.header("age").parse().expect("an age in seconds");
    assert!(age < 60, "{age}");
}
