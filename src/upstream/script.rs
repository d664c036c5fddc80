//! Parts of the tests of this folder: a scripted registry on loopback, and what to ask it for.

use super::{Redirects, Registries, Registry};
use crate::auth::Access;
use crate::body::{Body, bounded};
use crate::config;
use crate::oci::{Digest, Host};
use crate::pull::{Fetch, Verb, What};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A server that answers as the test says and remembers what it was asked. `None` is an answer that never comes.
pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `GET /path?query`.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) version: http::Version,
}

pub(crate) type Answer = Option<Response<Full<Bytes>>>;

impl Script {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Script {
        Script::serve(None, answer).await
    }

    pub(crate) async fn serve(
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (seen.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer, tls) = (log.clone(), answer.clone(), tls.clone());
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let line = format!("{} {}", request.method(), request.uri().path_and_query().unwrap());
                    let seen = Seen { line, headers: request.headers().clone(), version: request.version() };
                    log.lock().unwrap().push(seen.clone());
                    let answer = answer(&seen);
                    async move {
                        match answer {
                            Some(response) => Ok::<_, Infallible>(response),
                            None => std::future::pending().await,
                        }
                    }
                });
                connections.spawn(async move {
                    // The protocol is the client's to choose.
                    let either = auto::Builder::new(TokioExecutor::new());
                    let Some(tls) = tls else {
                        _ = either.serve_connection(TokioIo::new(stream), service).await;
                        return;
                    };
                    if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                        _ = either.serve_connection(TokioIo::new(stream), service).await;
                    }
                });
            }
        });
        Script { address, seen, task }
    }

    /// Everything asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// Listed under its address with `policy`.
    pub(crate) fn registry(&self, policy: config::Registry) -> Arc<Registries> {
        listed(&self.address.to_string(), policy)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    pub(crate) fn authorization(&self) -> &str {
        self.headers.get("authorization").map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer of a script.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    Some(builder.body(Full::new(body.into())).unwrap())
}

/// Registries with one listed.
pub(crate) fn listed(host: &str, policy: config::Registry) -> Arc<Registries> {
    let mut config = config::Registries::default();
    config.listed.insert(host.parse().unwrap(), policy);
    Arc::new(Registries::new(&config))
}

/// Limits that a test can wait for.
pub(crate) fn limits() -> config::Upstream {
    config::Upstream {
        connect_timeout: Duration::from_secs(2),
        head_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        pool_idle: Duration::from_secs(30),
        max_requests: 10,
        max_connections: 10,
        rate: None,
        rate_wait: Duration::from_secs(1),
        breaker_failures: 10,
        breaker_pause: Duration::from_secs(1),
        breaker_longest: Duration::from_secs(30),
        max_redirects: 5,
        attempts: 3,
        retry_delay: Duration::from_millis(1),
        document_limit: 4096,
        list_limit: 4096,
        proxy: config::Proxy::default(),
    }
}

/// A GET with the operator's access.
pub(crate) fn fetch(registry: &Arc<Registry>, what: What) -> Fetch {
    let access = registry.access();
    let repository = "library/x".parse().unwrap();
    Fetch {
        registry: registry.clone(),
        repository,
        what,
        verb: Verb::Get,
        headers: HeaderMap::new(),
        access,
        redirects: Redirects::Follow,
    }
}

/// The only registry besides Docker Hub.
pub(crate) fn only(registries: &Registries) -> Arc<Registry> {
    registries.listed().find(|registry| !registry.host.is_docker_hub()).unwrap().clone()
}

/// Docker Hub, read anonymously.
pub(crate) fn hub() -> Arc<Registry> {
    Registries::new(&config::Registries::default()).find(&Host::docker_hub()).unwrap()
}

pub(crate) fn latest() -> What {
    What::Manifest("latest".parse().unwrap())
}

pub(crate) fn blob() -> What {
    What::Blob(Digest::sha256("blob"))
}

pub(crate) fn alice() -> crate::auth::Credentials {
    let password = crate::secret::Secret::new("s3cret");
    crate::auth::Credentials { username: "alice".into(), password }
}

pub(crate) fn anonymous(fetch: Fetch) -> Fetch {
    Fetch { access: Access::anonymous(), ..fetch }
}

pub(crate) async fn text(response: Response<Body>) -> String {
    String::from_utf8(bounded(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}
