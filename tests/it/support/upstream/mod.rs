//! A registry in this process that says whatever a test wants, down to single bytes and packets.
//!
//! It answers from its objects, as a good registry does, unless there is a [`Plan`] for the request: from the queue,
//! else from the script. Everything it was asked is kept, with how much of each answer was sent.

mod content;
mod objects;
mod plan;
mod seen;
mod signed;
mod tokens;
mod wire;

pub use content::{Blob, noise};
pub use plan::{Plan, respond};
pub use seen::{Ended, Seen};
pub use signed::Signed;
pub use tokens::{Challenge, Tokens};

use bytes::Bytes;
use content::Content;
use http::Method;
use objects::{Objects, Reply};
use seen::Progress;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use wave_registry::oci::Digest;

/// Serves on a loopback port until it is dropped, and with it every connection.
pub struct Upstream {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

type Script = Box<dyn Fn(&Seen) -> Option<Plan> + Send + Sync>;

struct Shared {
    objects: Mutex<Objects>,
    /// Plans for the next request of a method whose path contains a text.
    queue: Mutex<Vec<(Method, String, Plan)>>,
    script: Script,
    log: Mutex<Vec<Seen>>,
    /// How many requests of a method there were for a path.
    counts: Mutex<HashMap<(Method, String), usize>>,
    /// The log has changed.
    changed: Notify,
}

impl Upstream {
    /// A registry that answers from its objects.
    pub async fn start() -> Upstream {
        Upstream::scripted(|_| None::<Plan>).await
    }

    /// A registry that asks `script` first; `None` lets it answer from its objects.
    pub async fn scripted<P: Into<Plan>>(
        script: impl Fn(&Seen) -> Option<P> + Send + Sync + 'static,
    ) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            objects: Mutex::default(),
            queue: Mutex::default(),
            script: Box::new(move |seen| script(seen).map(Into::into)),
            log: Mutex::default(),
            counts: Mutex::default(),
            changed: Notify::new(),
        });
        let task = tokio::spawn({
            let shared = shared.clone();
            async move {
                let mut connections = JoinSet::new();
                for number in 0.. {
                    let Ok((stream, _)) = listener.accept().await else { return };
                    let shared = shared.clone();
                    // A connection that a test breaks off is no failure of the registry.
                    connections.spawn(async move { _ = wire::serve(stream, number, &shared).await });
                    while connections.try_join_next().is_some() {}
                }
            }
        });
        Upstream { address, shared, task }
    }

    /// Adds a manifest under its digest and, if given, a tag.
    pub fn manifest(&self, tag: Option<&str>, media: &str, content: impl Into<Bytes>) -> Digest {
        let content = Content::from(content.into());
        let digest = content.digest();
        let mut objects = self.shared.objects.lock().unwrap();
        for key in [Some(digest.to_string()), tag.map(String::from)].into_iter().flatten() {
            objects.manifests.insert(key, (media.into(), content.clone()));
        }
        digest
    }

    /// Adds a manifest under a digest that need not be its own.
    pub fn manifest_as(&self, digest: &str, media: &str, content: impl Into<Bytes>) {
        let content = Content::from(content.into());
        self.shared.objects.lock().unwrap().manifests.insert(digest.into(), (media.into(), content));
    }

    /// Adds a blob.
    pub fn blob(&self, content: impl Into<Bytes>) -> Digest {
        self.add(Content::from(content.into()))
    }

    /// Adds a blob that is made when it is asked for.
    pub fn random(&self, seed: u64, size: u64) -> Blob {
        let blob = Blob::random(seed, size);
        self.add(blob.into());
        blob
    }

    /// Adds a blob of `size` bytes that look random, which are held.
    pub fn noise(&self, size: usize, seed: u64) -> (Digest, Bytes) {
        let content = noise(size, seed);
        (self.blob(content.clone()), content)
    }

    /// Takes away what is under this tag or digest.
    pub fn remove(&self, key: &str) {
        let mut objects = self.shared.objects.lock().unwrap();
        let (manifest, blob) = (objects.manifests.remove(key), objects.blobs.remove(key));
        assert!(manifest.is_some() || blob.is_some(), "{key} is not there");
    }

    /// Plans, in this order, the next requests of this method whose path contains `part`.
    pub fn next(&self, method: Method, part: &str, plans: impl IntoIterator<Item = Plan>) {
        let entries = plans.into_iter().map(|plan| (method.clone(), part.to_string(), plan));
        self.shared.queue.lock().unwrap().extend(entries);
    }

    /// The requests so far whose path contains `part`.
    pub fn seen(&self, part: &str) -> Vec<Seen> {
        let log = self.shared.log.lock().unwrap();
        log.iter().filter(|seen| seen.path.contains(part)).cloned().collect()
    }

    /// The requests of this method for blobs.
    pub fn count(&self, method: Method) -> usize {
        self.seen("/blobs/").iter().filter(|seen| seen.method == method).count()
    }

    /// Bytes of all bodies sent to requests whose path contains `part`.
    pub fn sent(&self, part: &str) -> u64 {
        self.seen(part).iter().map(Seen::sent).sum()
    }

    /// Waits until `what` holds for the requests whose path contains `part`.
    pub async fn until(&self, part: &str, what: impl Fn(&[Seen]) -> bool) {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                let changed = self.shared.changed.notified();
                if what(&self.seen(part)) {
                    return;
                }
                changed.await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("it never holds: {:#?}", self.seen(part)));
    }

    fn add(&self, content: Content) -> Digest {
        let digest = content.digest();
        self.shared.objects.lock().unwrap().blobs.insert(digest.to_string(), content);
        digest
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Notes a request and says what to do with it.
    fn plan(&self, request: wire::Request, connection: usize) -> (Seen, Plan) {
        let wire::Request { method, path, query, headers } = request;
        let seen = {
            let mut log = self.log.lock().unwrap();
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry((method.clone(), path.clone())).or_default();
            let (nth, at, answer) = (*count, Instant::now(), Arc::default());
            *count += 1;
            let seen = Seen { method, path, query, headers, nth, connection, at, answer };
            log.push(seen.clone());
            seen
        };
        self.changed.notify_waiters();
        let queued = {
            let mut queue = self.queue.lock().unwrap();
            let found =
                queue.iter().position(|(method, part, _)| *method == seen.method && seen.path.contains(part));
            found.map(|found| queue.remove(found).2)
        };
        let plan = queued.or_else(|| (self.script)(&seen)).unwrap_or_else(Plan::normal);
        (seen, plan)
    }

    fn stored(&self, seen: &Seen, plan: &Plan) -> Reply {
        self.objects.lock().unwrap().reply(seen, plan)
    }

    fn progress(&self, seen: &Seen, change: impl FnOnce(&mut Progress)) {
        change(&mut seen.answer.lock().unwrap());
        self.changed.notify_waiters();
    }
}
