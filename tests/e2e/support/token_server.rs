//! The token server of a registry, as the distribution project's token specification describes it.
//!
//! Anonymous callers may pull `library/*`; `alice` may do everything; wrong credentials are a 401. Tokens are JWTs
//! signed with ES256 by a key whose certificate (`x5c`) the registry trusts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::pki::{Authority, Identity};
use super::registry::{PASSWORD, USER};

const SERVICE: &str = "test-registry";
const ISSUER: &str = "test-issuer";

/// A running token server; it stops when it is dropped.
pub(crate) struct TokenServer {
    realm: String,
    trusted: std::path::PathBuf,
    shared: Arc<Shared>,
    /// Taken when it stops: a runtime must not wait for its threads inside of another one.
    runtime: Option<tokio::runtime::Runtime>,
}

struct Shared {
    identity: Identity,
    requests: AtomicUsize,
    issued: Mutex<Vec<String>>,
}

impl TokenServer {
    /// With a realm of http.
    pub(crate) fn plain(authority: &Authority) -> Self {
        Self::start(authority, None)
    }

    /// With a realm of https, under a certificate of this authority.
    pub(crate) fn tls(authority: &Authority) -> Self {
        let identity = authority.issue(&["localhost", "127.0.0.1"]);
        Self::start(authority, Some(TlsAcceptor::from(identity.server())))
    }

    /// The `auth.token` section of docker-registry's configuration.
    pub(crate) fn registry_config(&self) -> Value {
        json!({"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": self.trusted})
    }

    /// How many tokens have been asked for.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// All tokens that have been given out.
    pub(crate) fn issued(&self) -> Vec<String> {
        self.shared.issued.lock().unwrap().clone()
    }

    fn start(authority: &Authority, acceptor: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let address: SocketAddr = listener.local_addr().expect("a bound listener has an address");
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            identity: authority.issue(&["token.test"]),
            requests: AtomicUsize::new(0),
            issued: Mutex::default(),
        });
        runtime.spawn(accept(listener, acceptor, Arc::clone(&shared)));
        let realm = format!("{scheme}://{address}/token");
        Self { realm, trusted: authority.file(), shared, runtime: Some(runtime) }
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: std::net::TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("the listener is non-blocking");
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move { serve(stream, acceptor, shared).await });
    }
}

async fn serve(stream: TcpStream, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let service = hyper::service::service_fn(move |request| {
        let answer = shared.answer(&request);
        async move { Ok::<_, std::convert::Infallible>(answer) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new());
    // A caller may hang up whenever it likes.
    match acceptor {
        None => drop(server.serve_connection(TokioIo::new(stream), service).await),
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            }
        }
    }
}

impl Shared {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        // Clients that try the OAuth2 form (POST) first fall back to GET on 404.
        if request.method() != http::Method::GET {
            return reply(StatusCode::NOT_FOUND, &json!({"details": "only GET"}));
        }
        let user = match request.headers().get(header::AUTHORIZATION) {
            None => None,
            Some(value) if value.as_bytes() == basic(USER, PASSWORD).as_bytes() => Some(USER),
            Some(_) => return reply(StatusCode::UNAUTHORIZED, &json!({"details": "wrong name or password"})),
        };
        let query = request.uri().query().unwrap_or_default();
        let scopes: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "scope")
            .flat_map(|(_, value)| value.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let access: Vec<_> = scopes.iter().filter_map(|scope| granted(scope, user)).collect();
        let token = self.token(user, &access);
        self.issued.lock().unwrap().push(token.clone());
        reply(StatusCode::OK, &json!({"token": token, "expires_in": 300}))
    }

    fn token(&self, user: Option<&str>, access: &[Value]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
        let header =
            json!({"typ": "JWT", "alg": "ES256", "x5c": [BASE64_STANDARD.encode(&self.identity.der)]});
        let claims = json!({
            "iss": ISSUER, "sub": user.unwrap_or_default(), "aud": SERVICE, "jti": now.to_string(),
            "iat": now, "nbf": now - 10, "exp": now + 300, "access": access,
        });
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.identity.key)
            .expect("identities have P-256 keys");
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).expect("a key can sign");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What of `repository:NAME:ACTION,ACTION` the caller gets.
fn granted(scope: &str, user: Option<&str>) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let may = |action: &str| user.is_some() || (action == "pull" && name.starts_with("library/"));
    let actions: Vec<_> = actions.split(',').filter(|action| may(action)).collect();
    (!actions.is_empty()).then(|| json!({"type": kind, "name": name, "actions": actions}))
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("the parts are valid")
}
