use super::*;
use crate::config;
use crate::grant::{Grant, Layer, Recipe, Source, Token};
use crate::oci::{Code, Compression};
use crate::scratch::Scratch;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn limits(max_roots: usize) -> config::Cache {
    config::Cache {
        max_bytes: 0,
        max_derivations: 1,
        tag_ttl: Duration::ZERO,
        max_roots,
        root_ttl: Duration::from_secs(1000),
    }
}

fn open(dir: &Scratch) -> State {
    State::open(dir.path(), &limits(100)).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

fn recipe(source: Source) -> Arc<Recipe> {
    Arc::new(Recipe {
        layers: vec![Layer {
            digest: Digest::sha256(b"gz"),
            size: 2,
            diff_id: Digest::sha256(b"tar"),
            compression: Compression::Gzip,
            platforms: vec!["arm64".parse().unwrap()],
            source,
        }],
        env: vec!["A=b".into()],
        ..Recipe::default()
    })
}

fn grant(recipe: &Arc<Recipe>) -> Arc<Grant> {
    Arc::new(Grant {
        registry: "quay.io".parse().unwrap(),
        repository: "nextflow/bash".parse().unwrap(),
        reference: Some("latest".parse().unwrap()),
        recipe: recipe.clone(),
        demand: Demand::Explicit,
        access: None,
        expires: Some(at(60)),
        owner: Some("alice".into()),
    })
}

fn root_named(access: &str, base: &str, recipe: &Recipe) -> Root {
    Root {
        registry: "quay.io".parse().unwrap(),
        repository: "nextflow/bash".parse().unwrap(),
        base: Digest::sha256(base),
        recipe: recipe.id(),
        access: serde_json::from_value(access.into()).unwrap(),
        demand: Demand::Default,
    }
}

async fn look(state: &State, access: &str, digest: &str) -> Option<Digest> {
    let root = root_named(access, "", &Recipe::default());
    let found = state.root(&root.access, &root.registry, &root.repository, Digest::sha256(digest)).await;
    found.unwrap().map(|(root, _)| root.base)
}

async fn put(state: &State, base: &str, digests: &[&str], now: SystemTime) {
    let recipe = recipe(Source::Spooled);
    let digests = digests.iter().map(Digest::sha256).collect();
    state.put_roots(digests, root_named("anonymous", base, &recipe), recipe, now).await.unwrap();
}

#[tokio::test]
async fn a_grant_comes_back_whole_and_its_token_is_nowhere_in_the_file() {
    let dir = Scratch::new();
    let (token, recipe) = (Token::mint().unwrap(), recipe(Source::Url("https://x/y".into())));
    let state = open(&dir);
    state.put_grant(token.hash(), grant(&recipe)).await.unwrap();
    state.put_grant([1; 32], grant(&recipe)).await.unwrap();
    state.delete_grants(vec![[1; 32]]).await.unwrap();
    drop(state);
    let file = std::fs::read(dir.path().join("state.redb")).unwrap();
    assert!(!file.windows(Token::LENGTH).any(|bytes| bytes == token.expose().as_bytes()));
    let grants = open(&dir).load_grants();
    let [(key, found)] = &grants[..] else { panic!("{} grants", grants.len()) };
    assert_eq!(*key, token.hash());
    assert_eq!((&found.recipe, found.expires, found.demand), (&recipe, Some(at(60)), Demand::Explicit));
    assert_eq!((found.owner.as_deref(), &found.reference), (Some("alice"), &grant(&recipe).reference));
}

#[tokio::test]
async fn a_root_is_found_by_every_digest_and_by_its_own_access_only() {
    let dir = Scratch::new();
    let state = open(&dir);
    put(&state, "base", &["index", "config"], at(0)).await;
    drop(state);
    let state = open(&dir);
    assert_eq!(look(&state, "anonymous", "index").await, Some(Digest::sha256("base")));
    assert_eq!(look(&state, "anonymous", "config").await, Some(Digest::sha256("base")));
    assert_eq!(look(&state, "anonymous", "other").await, None);
    assert_eq!(look(&state, "quay.io/0123", "index").await, None);
}

#[test]
fn callers_are_the_same_after_a_restart_and_others_elsewhere() {
    let (dir, elsewhere) = (Scratch::new(), Scratch::new());
    let id = |dir: &Scratch| {
        let password = crate::secret::Secret::new("s3cret");
        let credentials = crate::auth::Credentials { username: "alice".into(), password };
        let host = "quay.io".parse().unwrap();
        crate::auth::Access::caller(&host, credentials, &open(dir).access_key()).id().clone()
    };
    let first = id(&dir);
    assert_eq!(first, id(&dir));
    assert_ne!(first, id(&elsewhere));
}

#[tokio::test]
async fn the_recipe_written_last_says_where_the_bytes_are() {
    let dir = Scratch::new();
    let state = open(&dir);
    let (old, new) = (recipe(Source::File("/old".into())), recipe(Source::File("/new".into())));
    assert_eq!(old.id(), new.id());
    let root = root_named("anonymous", "base", &old);
    let digests = vec![Digest::sha256("index")];
    state.put_roots(digests.clone(), root.clone(), old, at(0)).await.unwrap();
    state.put_roots(digests.clone(), root.clone(), new.clone(), at(1)).await.unwrap();
    let found = state.root(&root.access, &root.registry, &root.repository, digests[0]).await.unwrap();
    assert_eq!(found, Some((root, new)));
}

#[tokio::test]
async fn a_copy_taken_without_closing_holds_what_was_acknowledged() {
    let (dir, copy) = (Scratch::new(), Scratch::new());
    let state = open(&dir);
    put(&state, "base", &["index"], at(0)).await;
    state.put_grant([7; 32], grant(&recipe(Source::Spooled))).await.unwrap();
    // What kill -9 leaves: the file as it is, never closed.
    std::fs::copy(dir.path().join("state.redb"), copy.path().join("state.redb")).unwrap();
    let after = open(&copy);
    assert_eq!(after.load_grants().len(), 1);
    assert_eq!(look(&after, "anonymous", "index").await, Some(Digest::sha256("base")));
}

#[tokio::test]
async fn roots_are_bounded_by_count_and_the_oldest_goes() {
    let dir = Scratch::new();
    let state = State::open(dir.path(), &limits(2)).unwrap();
    put(&state, "one", &["1", "shared"], at(1)).await;
    put(&state, "two", &["2", "shared"], at(2)).await;
    put(&state, "three", &["3"], at(3)).await;
    assert_eq!(look(&state, "anonymous", "1").await, None);
    assert_eq!(look(&state, "anonymous", "2").await, Some(Digest::sha256("two")));
    assert_eq!(look(&state, "anonymous", "3").await, Some(Digest::sha256("three")));
    // A layer that two images share is found as long as one of them is there.
    assert_eq!(look(&state, "anonymous", "shared").await, Some(Digest::sha256("two")));
}

#[tokio::test]
async fn roots_end_after_their_time_and_use_extends_it() {
    let dir = Scratch::new();
    let state = open(&dir);
    put(&state, "used", &["used"], at(0)).await;
    put(&state, "idle", &["idle"], at(0)).await;
    put(&state, "used", &["used"], at(900)).await;
    state.sweep(at(1001)).await.unwrap();
    assert_eq!(look(&state, "anonymous", "idle").await, None);
    assert_eq!(look(&state, "anonymous", "used").await, Some(Digest::sha256("used")));
    state.sweep(at(1901)).await.unwrap();
    assert_eq!(look(&state, "anonymous", "used").await, None);
}

#[tokio::test]
async fn recipes_go_with_the_last_that_needs_them() {
    use redb::{ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition};
    let dir = Scratch::new();
    let state = open(&dir);
    put(&state, "base", &["index"], at(0)).await;
    state.put_grant([7; 32], grant(&recipe(Source::Spooled))).await.unwrap();
    state.put_grant([8; 32], grant(&recipe(Source::Spooled))).await.unwrap();
    let count = |dir: &Scratch| {
        let database = redb::Database::open(dir.path().join("state.redb")).unwrap();
        let recipes: TableDefinition<'_, &Key, &[u8]> = TableDefinition::new("recipes");
        database.begin_read().unwrap().open_table(recipes).unwrap().len().unwrap()
    };
    drop(state);
    assert_eq!(count(&dir), 1);
    let state = open(&dir);
    state.sweep(at(2000)).await.unwrap();
    drop(state);
    assert_eq!(count(&dir), 1, "a grant needs it");
    let state = open(&dir);
    state.delete_grants(vec![[7; 32], [8; 32]]).await.unwrap();
    state.sweep(at(2000)).await.unwrap();
    drop(state);
    assert_eq!(count(&dir), 0);
}

#[tokio::test]
async fn files_of_the_operator_are_named_as_long_as_a_root_leads_to_them() {
    let dir = Scratch::new();
    let state = open(&dir);
    put(&state, "inline", &["inline"], at(900)).await;
    assert!(state.file_layers().unwrap().is_empty());
    let file = recipe(Source::File("/x".into()));
    let (root, layer) = (root_named("anonymous", "base", &file), file.layers[0].digest);
    state.put_roots(vec![Digest::sha256("index")], root, file, at(0)).await.unwrap();
    assert_eq!(state.file_layers().unwrap(), [layer].into());
    state.sweep(at(1001)).await.unwrap();
    assert!(state.file_layers().unwrap().is_empty());
}

#[tokio::test]
async fn concurrent_writers_share_commits() {
    let dir = Scratch::new();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let state = metrics::with_local_recorder(&recorder, || open(&dir));
    let recipe = recipe(Source::Spooled);
    let writes = (0..200u8).map(|n| state.put_grant([n; 32], grant(&recipe)));
    for written in futures_util::future::join_all(writes).await {
        written.unwrap();
    }
    let rendered = handle.render();
    let value = |name: &str| -> u64 {
        let line = rendered.lines().find(|line| line.starts_with(name)).expect("it was recorded");
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert_eq!(value("wave_state_grants "), 200);
    assert!(value("wave_state_commits_total ") < 100, "{rendered}");
}

#[tokio::test]
async fn a_root_written_again_at_once_costs_no_commit() {
    let dir = Scratch::new();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let state = metrics::with_local_recorder(&recorder, || open(&dir));
    for second in 0..20 {
        put(&state, "base", &["index"], at(second)).await;
    }
    assert!(handle.render().contains("wave_state_commits_total 1\n"), "{}", handle.render());
}

#[tokio::test]
async fn a_sweep_that_finds_nothing_costs_no_commit() {
    let dir = Scratch::new();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let state = metrics::with_local_recorder(&recorder, || open(&dir));
    let commits = |count: u64| {
        let rendered = handle.render();
        assert!(rendered.contains(&format!("wave_state_commits_total {count}\n")), "{rendered}");
    };
    put(&state, "base", &["index"], at(0)).await;
    state.put_grant([7; 32], grant(&recipe(Source::Url("https://x/y".into())))).await.unwrap();
    for second in 0..5 {
        state.sweep(at(second)).await.unwrap();
    }
    commits(2);
    state.delete_grants(vec![[7; 32]]).await.unwrap();
    commits(3);
    for second in 0..5 {
        state.sweep(at(second)).await.unwrap();
    }
    // One for the recipe that the grant left behind.
    commits(4);
    state.sweep(at(2000)).await.unwrap();
    commits(5);
}

#[test]
fn a_second_process_is_refused_by_name() {
    let dir = Scratch::new();
    let _first = open(&dir);
    let error = State::open(dir.path(), &limits(1)).unwrap_err().to_string();
    assert!(error.ends_with("state.redb is in use by another process"), "{error}");
}

#[tokio::test]
async fn damage_is_refused_at_the_start() {
    let dir = Scratch::new();
    let path = dir.path().join("state.redb");
    let state = open(&dir);
    put(&state, "base", &["index"], at(0)).await;
    drop(state);
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, b"this is no database, whatever its name says").unwrap();
    let error = State::open(dir.path(), &limits(1)).unwrap_err().to_string();
    assert!(error.contains("is damaged"), "{error}");
    let needle = b"wave-state/2";
    let spot = good.windows(needle.len()).position(|bytes| bytes == needle).unwrap();
    let mut flipped = good.clone();
    flipped[spot] ^= 1;
    std::fs::write(&path, flipped).unwrap();
    let error = State::open(dir.path(), &limits(1)).unwrap_err().to_string();
    assert!(error.contains("is damaged"), "{error}");
}

#[tokio::test]
async fn a_disk_that_fails_is_503_and_never_404_and_works_again_when_it_works() {
    let disk = Disk::default();
    let state = disk.state();
    let writable = state.writable();
    put(&state, "before", &["before"], at(0)).await;
    state.sweep(at(0)).await.unwrap();
    assert!(writable());
    disk.fill(true);
    for key in [2, 3] {
        let error = state.put_grant([key; 32], grant(&recipe(Source::Spooled))).await.unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), (Code::Unavailable, 503));
        assert!(error.retry_after().is_some());
    }
    let root = root_named("anonymous", "", &Recipe::default());
    let digest = Digest::sha256("before");
    let error = state.root(&root.access, &root.registry, &root.repository, digest).await.unwrap_err();
    assert_eq!(error.status().as_u16(), 503);
    // Nobody has to come for it to be noticed that it works again; a sweep without work is no proof.
    assert!(!writable());
    assert!(state.sweep(at(0)).await.is_err() && !writable());
    // Space is made: the next change finds the file as it was.
    disk.fill(false);
    state.sweep(at(0)).await.unwrap();
    assert!(writable());
    state.put_grant([4; 32], grant(&recipe(Source::Spooled))).await.unwrap();
    assert_eq!(look(&state, "anonymous", "before").await, Some(Digest::sha256("before")));
}

/// A disk that can be made to fail.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    inner: Arc<redb::backends::InMemoryBackend>,
    full: Arc<AtomicBool>,
}

impl Disk {
    /// A state on this disk.
    pub(super) fn state(&self) -> State {
        let backend = self.clone();
        let opener = move || {
            let database = redb::Database::builder().create_with_backend(backend.clone());
            let database = database.map_err(|error| OpenError::corrupt(Path::new("/"), error.to_string()))?;
            match tables::check(&database) {
                Ok(()) => Ok(database),
                Err(_) => Err(OpenError::corrupt(Path::new("/"), "no space")),
            }
        };
        State::start(Box::new(opener), Path::new("/"), &limits(10)).unwrap()
    }

    /// Whether writing fails from here on.
    pub(super) fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    fn check(&self) -> std::io::Result<()> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> std::io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.check()?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.check()?;
        self.inner.write(offset, data)
    }
}
