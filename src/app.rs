//! From a valid configuration to a running proxy, and down again in order.

use crate::admin;
use crate::admission::Pool;
use crate::auth::{Accounts, Anonymous, Gate, RequireLayer};
use crate::cache::{Derivations, Tags};
use crate::config::{Config, Server};
use crate::control::{Control, Parts as ControlParts};
use crate::grant::{Grants, Recipe, ResolveLayer, Resolver};
use crate::inject::{self, Injector, Kept, Measures};
use crate::net::{self, Certificates, Drain, Ended, Limits, Listener, Watch};
use crate::pull::Serve;
use crate::pull::serve::Parts;
use crate::rate::{RateLayer, Rates};
use crate::rewrite::RewriteLayer;
use crate::route::Pong;
use crate::spool::Spool;
use crate::stack;
use crate::state::State;
use crate::telemetry::{Level, Metrics, RecordLayer};
use crate::upstream::Registries;
use crate::upstream::guard::Private;
use crate::upstream::outbound::Http;
use futures_util::{Stream, StreamExt as _};
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tower::service_fn;
use tower::util::BoxCloneSyncService;

/// A proxy whose listeners are bound and which answers once it runs.
pub struct App {
    plain: Listener,
    tls: Option<(Listener, Arc<Certificates>)>,
    admin: Listener,
    addresses: Addresses,
    service: net::Service,
    operator: admin::State,
    server: Server,
    drain: Drain,
    watch: Watch,
    draining: Arc<AtomicBool>,
    upkeep: Upkeep,
    spool: Option<Spool>,
}

/// Where an [`App`] listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Plain HTTP.
    pub plain: SocketAddr,
    /// HTTPS, when it is configured.
    pub tls: Option<SocketAddr>,
    /// The operator's listener.
    pub admin: SocketAddr,
}

/// Why a proxy cannot start.
#[derive(Debug)]
pub enum StartError {
    /// What a key of the configuration names cannot be used.
    Configuration(String),
    /// Anything else, such as an address that is taken.
    Failure(String),
}

/// What is swept from time to time.
struct Upkeep {
    state: State,
    grants: Grants,
    injector: Injector,
}

/// What the stacks share.
struct Wiring {
    registries: Arc<Registries>,
    http: Http,
    state: State,
    grants: Grants,
    injector: Injector,
    spool: Option<Spool>,
    default: Arc<Recipe>,
    draining: Arc<AtomicBool>,
}

/// How often certificates are looked at, and how often what has expired is swept.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// An inline layer this young may belong to a token that is just being made.
const SPARE_YOUNG: Duration = Duration::from_secs(15 * 60);

impl App {
    /// Opens the state, loads the default layer, builds the stacks and binds the listeners.
    pub async fn bind(config: Config, metrics: Metrics, level: Level) -> Result<App, StartError> {
        let data_dir = &config.data_dir;
        let state = State::open(data_dir, &config.cache);
        let state = state.map_err(|error| StartError::Failure(error.to_string()))?;
        let measures = Measures::new();
        let kept = Kept::open(data_dir.join("default"));
        let kept = kept.map_err(|error| StartError::at(data_dir.display(), error))?;
        let default = match &config.layer_path {
            Some(path) => {
                let loaded = inject::descriptor::load(path, &measures, Some(&kept)).await;
                loaded.map_err(|error| StartError::of("wave.layer-path", error))?
            }
            None => Recipe::default(),
        };
        forget(&kept, &state, &default)?;
        let grants = Grants::load(state.clone(), &config.tokens, &default);
        let (drain, watch) = Drain::new();
        let draining = Arc::new(AtomicBool::new(false));
        let registries = Arc::new(Registries::new(&config.registries));
        let http = stack::http(&config.upstream, &registries);
        let injector = injector(&config, &registries, http.clone(), measures, kept)?;
        let spool = Spool::open(&config.blob_cache, &config.upstream);
        let spool = spool.map_err(|error| StartError::of("wave.blob-cache.dir", error))?;
        let wiring = Wiring {
            registries,
            http,
            state: state.clone(),
            grants: grants.clone(),
            injector: injector.clone(),
            spool: spool.clone(),
            default: Arc::new(default),
            draining: draining.clone(),
        };
        let service = wiring.service(&config);

        let server = config.server;
        let plain = Listener::plain(server.bind).map_err(|error| StartError::at(server.bind, error))?;
        let tls = server.tls.as_ref().map(|files| {
            let certificates =
                Certificates::load(files).map_err(|error| StartError::of("wave.server.tls", error))?;
            let listener = Listener::tls(files.bind, certificates.server_config());
            Ok((listener.map_err(|error| StartError::at(files.bind, error))?, certificates))
        });
        let tls = tls.transpose()?;
        let admin = config.admin.bind;
        let admin = Listener::admin(admin).map_err(|error| StartError::at(admin, error))?;
        let address =
            |listener: &Listener| listener.local_addr().map_err(|error| StartError::at("listener", error));
        let addresses = Addresses {
            plain: address(&plain)?,
            tls: tls.as_ref().map(|(listener, _)| address(listener)).transpose()?,
            admin: address(&admin)?,
        };
        let writable = state.writable();
        let checks: Vec<admin::Check> =
            vec![Box::new(move || (!writable()).then(|| "the state cannot be written".into()))];
        let operator = admin::State::new(metrics, level, watch.clone(), checks);
        let upkeep = Upkeep { state, grants, injector };
        Ok(App {
            plain,
            tls,
            admin,
            addresses,
            service,
            operator,
            server,
            drain,
            watch,
            draining,
            upkeep,
            spool,
        })
    }

    /// Where it listens; ports are those the system chose when 0 was configured.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until `stops` says so; then drains: first the clients, within the grace period, then the operator's
    /// listener, which shows the drain while it lasts.
    pub async fn run(self, stops: impl Stream<Item = ()>) -> Ended {
        let App {
            plain, tls, admin, service, operator, server, drain, watch, draining, upkeep, spool, ..
        } = self;
        let limits = Limits::new(&server);
        // Its own allowance: clients at their limit must not lock the operator out.
        let (operator_drain, operator_watch) = Drain::new();
        let operator = tokio::spawn(admin::serve(admin, operator, Limits::new(&server), operator_watch));
        let upkeep = tokio::spawn(upkeep.run());
        let spool = spool.map(|spool| tokio::spawn(spool.keep()));
        let follow = tls
            .as_ref()
            .map(|(_, certificates)| tokio::spawn(certificates.clone().follow(LOOK_EVERY, watch.clone())));
        let serving = async {
            let tls = tls.map(|(listener, _)| listener.serve(service.clone(), limits.clone(), watch.clone()));
            let plain = plain.serve(service.clone(), limits.clone(), watch.clone());
            match tls {
                Some(tls) => {
                    tokio::join!(plain, tls);
                }
                None => plain.await,
            }
        };
        let stops = stops.inspect(|()| draining.store(true, Ordering::Relaxed));
        let ended = drain.run(serving, stops, server.grace_period).await;
        upkeep.abort();
        follow.into_iter().chain(spool).for_each(|task| task.abort());
        operator_drain.start();
        operator_drain.abort();
        // Its answers are short; a panic in it was reported when it happened.
        let _ = operator.await;
        ended
    }
}

/// Looks at what a configuration names as [`App::bind`] does, and says all that is wrong with it; for `wave check`.
pub async fn check(config: &Config) -> Result<(), Vec<StartError>> {
    let mut wrong = Vec::new();
    if let Some(Err(error)) = config.server.tls.as_ref().map(Certificates::load) {
        wrong.push(StartError::of("wave.server.tls", error));
    }
    if let Some(path) = &config.layer_path
        && let Err(error) = inject::descriptor::load(path, &Measures::new(), None).await
    {
        wrong.push(StartError::of("wave.layer-path", error));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Drops the layers of earlier starts that no image served before leads to.
fn forget(kept: &Kept, state: &State, recipe: &Recipe) -> Result<(), StartError> {
    if kept.digests().iter().all(|digest| recipe.layer(digest).is_some()) {
        return Ok(());
    }
    let needed = state.file_layers().map_err(|error| StartError::at("state", error))?;
    let forgotten = kept.retain(|digest| recipe.layer(digest).is_some() || needed.contains(digest));
    forgotten.map_err(|error| StartError::at("kept layers", error))
}

fn injector(
    config: &Config,
    registries: &Arc<Registries>,
    http: Http,
    measures: Measures,
    kept: Kept,
) -> Result<Injector, StartError> {
    let private = if config.allow_private_layers { Private::Allowed } else { Private::Refused };
    let parts = inject::Parts {
        upstream: stack::upstream(&config.upstream, http),
        remote: stack::remote(&config.upstream, private),
        registries: registries.clone(),
        data_dir: config.data_dir.clone(),
        kept,
        max_bytes: config.tokens.max_bytes,
        private,
        measures,
    };
    Injector::open(parts).map_err(|error| StartError::at(config.data_dir.display(), error))
}

impl Wiring {
    /// The stacks, from the bottom up.
    fn service(self, config: &Config) -> net::Service {
        let Wiring { registries, http, state, grants, injector, spool, default, draining } = self;
        let anonymous = if config.allow_anonymous { Anonymous::Allowed } else { Anonymous::Refused };
        let accounts = Accounts::new(config.accounts.clone());
        let gate = Arc::new(Gate::new(accounts, anonymous, &registries, state.access_key()));

        let upstream = injector.upstream();
        let derivations = Derivations::new(config.cache.max_bytes, config.cache.root_ttl / 8);
        let permits = Pool::new("derivations", config.cache.max_derivations);
        // Nobody waits for longer.
        let limit = config.server.head_deadline;
        let rewrite = RewriteLayer::new(config.upstream.document_limit);
        let shelf = spool.as_ref().and_then(Spool::shelf);
        let documents = stack::documents(shelf, config.upstream.document_limit, upstream.clone());
        let upstream = stack::heeded(shelf, upstream);
        let derive =
            stack::derive(derivations.clone(), permits, limit, state.clone(), rewrite, documents.clone());

        let serve = Serve::new(Parts {
            upstream,
            documents,
            spool,
            derive: derive.clone(),
            derivations,
            tags: Tags::new(config.cache.tag_ttl),
            injector: injector.clone(),
            state: state.clone(),
            document_limit: config.upstream.document_limit,
            list_limit: config.upstream.list_limit,
            idle: config.upstream.idle_timeout,
        });
        let resolver = Resolver {
            grants: grants.clone(),
            registries: registries.clone(),
            default: default.clone(),
            gate: gate.clone(),
        };
        let pull = stack::pull(
            ResolveLayer::new(resolver),
            RequireLayer::new(gate.clone()),
            RateLayer::new(Rates::new(&config.rate)),
            serve,
        );
        let login = stack::login(http);
        let control = Control::new(ControlParts {
            grants,
            state,
            registries: registries.clone(),
            default,
            gate: gate.clone(),
            url: config.server.url.clone(),
            layers: BoxCloneSyncService::new(service_fn(move |request| {
                let injector = injector.clone();
                async move { injector.accept(request).await }
            })),
            derive,
            login: BoxCloneSyncService::new(service_fn(move |(registry, credentials)| {
                let login = login.clone();
                async move { login.accepts(&registry, credentials).await }
            })),
            draining,
        });
        let permits = Pool::new("edge", config.server.max_requests);
        let record = RecordLayer::new(&config.log);
        stack::edge(record, permits, config.server.head_deadline, registries, Pong::new(gate), pull, control)
    }
}

impl Upkeep {
    async fn run(self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            let now = SystemTime::now();
            if let Err(error) = self.sweep(now).await {
                tracing::warn!(error, "what has expired could not be swept");
            }
        }
    }

    async fn sweep(&self, now: SystemTime) -> Result<(), String> {
        let swept = self.grants.sweep(now).await.map_err(|error| error.to_string())?;
        self.state.sweep(now).await.map_err(|error| error.to_string())?;
        let (spool, needed) = (self.injector.spool().clone(), swept.spooled);
        let sweep = move || spool.sweep(SPARE_YOUNG, |digest| needed.contains(digest));
        let spooled = tokio::task::spawn_blocking(sweep).await;
        spooled.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(())
    }
}

impl StartError {
    fn at(what: impl Display, error: impl Display) -> StartError {
        StartError::Failure(format!("{what}: {error}"))
    }

    fn of(key: &str, error: impl Display) -> StartError {
        StartError::Configuration(format!("{key}: {error}"))
    }
}

impl Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (StartError::Configuration(message) | StartError::Failure(message)) = self;
        f.write_str(message)
    }
}

impl std::error::Error for StartError {}
