//! The state as the rest of the program sees it.

use super::filter::Filter;
use super::record::{Key, millis, place};
use super::store::{Opener, Store};
use super::writer::{Change, Gauges, Order, QUEUE, Writer, unavailable};
use super::{OpenError, Root, digests, open, tables};
use crate::auth::{AccessId, AccessKey};
use crate::config;
use crate::error::Error;
use crate::grant::{Grant, Recipe};
use crate::oci::{Digest, Host, Repository};
use crate::pull::Image;
use crate::rewrite::Derivation;
use redb::ReadableDatabase as _;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::SystemTime;
use tokio::sync::{mpsc, oneshot};

/// `<data-dir>/state.redb`. Cheap to clone; the file is free again when the last clone is gone.
#[derive(Clone)]
pub struct State(Arc<Shared>);

struct Shared {
    store: Arc<Store>,
    /// `None` only while dropping: the writer stops when nobody can send.
    orders: Option<mpsc::Sender<Order>>,
    writer: Option<JoinHandle<()>>,
    grants: std::sync::Mutex<Vec<(Key, Grant)>>,
    access_key: AccessKey,
    /// The places of all roots.
    places: Filter,
    failing: Arc<AtomicBool>,
}

impl State {
    /// Opens or creates the file in `dir`, checks it and reads all grants. Blocking, for the start.
    pub fn open(dir: &Path, limits: &config::Cache) -> Result<State, OpenError> {
        let path = dir.to_path_buf();
        State::start(Box::new(move || open::open(&path)), dir, limits)
    }

    /// Opens the database and starts the writer over it.
    pub(super) fn start(opener: Opener, dir: &Path, limits: &config::Cache) -> Result<State, OpenError> {
        let store = Arc::new(Store::new(opener)?);
        let places = Filter::new();
        let (grants, access_key) = store
            .with(|database| {
                let read = database.begin_read()?;
                tables::places(&read, |place| places.add(place))?;
                Ok((tables::grants(&read)?, tables::access_key(&read)?))
            })
            .map_err(|error: redb::Error| OpenError::corrupt(dir, error.to_string()))?;
        let (sender, orders) = mpsc::channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            store: store.clone(),
            orders,
            max_roots: limits.max_roots as u64,
            root_ttl: u64::try_from(limits.root_ttl.as_millis()).unwrap_or(u64::MAX),
            gauges: Gauges::new(),
            // An earlier process may have ended between a removal and a sweep.
            orphans: Cell::new(true),
            failing: failing.clone(),
        };
        let thread = std::thread::Builder::new().name("state".into());
        let thread = thread.spawn(move || writer.run()).map_err(|error| OpenError::io(dir, error))?;
        let grants = std::sync::Mutex::new(grants);
        let (orders, writer) = (Some(sender), Some(thread));
        Ok(State(Arc::new(Shared { store, orders, writer, grants, access_key, places, failing })))
    }

    /// Tells whether the last change was written, without holding the file. After one that was not, sweeps try.
    pub fn writable(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let failing = self.0.failing.clone();
        move || !failing.load(Ordering::Relaxed)
    }

    /// The grants that were in the file when it was opened. They are handed over once.
    pub fn load_grants(&self) -> Vec<(Key, Grant)> {
        std::mem::take(&mut *self.0.grants.lock().expect("nothing panics while it holds this"))
    }

    /// What tells callers apart by their own credentials; the same as long as the file lives.
    pub fn access_key(&self) -> AccessKey {
        self.0.access_key.clone()
    }

    /// The digests of all layers of the operator's that a grant or root may still lead to. Looks at every recipe;
    /// blocking, for the start.
    pub fn file_layers(&self) -> Result<BTreeSet<Digest>, Error> {
        let found = self.0.store.with(|database| tables::file_layers(&database.begin_read()?));
        found.map_err(|error| unavailable().with_source(error))
    }

    /// Writes a grant.
    pub async fn put_grant(&self, key: Key, grant: Arc<Grant>) -> Result<(), Error> {
        self.order(Change::PutGrant(key, grant)).await
    }

    /// Removes grants.
    pub async fn delete_grants(&self, keys: Vec<Key>) -> Result<(), Error> {
        self.order(Change::DeleteGrants(keys)).await
    }

    /// Writes what is needed to derive `image` again when somebody asks for a part of it. To be called before
    /// a reply reveals a digest of `derivation`. Costs nothing when nothing was changed, and no flush when
    /// this was written recently.
    pub async fn remember(
        &self,
        image: &Image,
        derivation: &Derivation,
        now: SystemTime,
    ) -> Result<(), Error> {
        let digests = digests(derivation, image);
        self.put_roots(digests, Root::of(image), image.recipe.clone(), now).await
    }

    /// Writes that each of `digests` is had by applying `recipe` to `root`.
    pub async fn put_roots(
        &self,
        digests: Vec<Digest>,
        root: Root,
        recipe: Arc<Recipe>,
        now: SystemTime,
    ) -> Result<(), Error> {
        if digests.is_empty() {
            return Ok(());
        }
        for digest in &digests {
            self.0.places.add(&place(&root.access, &root.registry, &root.repository, digest));
        }
        self.order(Change::PutRoot { root: Box::new(root), recipe, digests, now: millis(now) }).await
    }

    /// Where a digest came from, if this access was given it.
    pub async fn root(
        &self,
        access: &AccessId,
        registry: &Host,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Option<(Root, Arc<Recipe>)>, Error> {
        let place = place(access, registry, repository, &digest);
        if !self.0.places.has(&place) {
            return Ok(None);
        }
        let store = self.0.store.clone();
        let lookup = move || store.with(|database| tables::root(&database.begin_read()?, &place));
        match tokio::task::spawn_blocking(lookup).await {
            Ok(found) => found.map_err(|error| unavailable().with_source(error)),
            Err(error) => Err(unavailable().with_source(error)),
        }
    }

    /// Removes roots older than `wave.cache.root-ttl` and recipes nobody needs.
    pub async fn sweep(&self, now: SystemTime) -> Result<(), Error> {
        self.order(Change::Sweep { now: millis(now) }).await
    }

    async fn order(&self, change: Change) -> Result<(), Error> {
        let (done, written) = oneshot::channel();
        let orders = self.0.orders.as_ref().expect("present until dropped");
        orders.send(Order { change, done }).await.map_err(|_| unavailable())?;
        written.await.map_err(|_| unavailable())?
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(writer) = self.writer.take() {
            // It has at most one commit left; a panic of its own was reported when it happened.
            let _ = writer.join();
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}
