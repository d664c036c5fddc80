//! Where credentials come from in real life, each as a listener of its own. Every answer holds a new key pair,
//! which the S3 side knows from then on.

mod container;
mod imds;
mod sts;

pub use container::Container;
pub use imds::Imds;
pub use sts::Sts;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Response;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::clock::iso;
use super::request::{Request, find};
use super::server::{Shared, listen};

/// Requests that are remembered.
const KEPT: usize = 10_000;

/// How an endpoint behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Serve,
    /// Takes connections and requests and never answers.
    Dead,
    /// Answers everything with this status.
    Fail(u16),
    /// 200 and something that is no document.
    Garbage,
    /// The instance metadata service alone: `PUT` of a session is never answered, as behind one hop too many.
    DeadToken,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    /// A header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// Credentials that were given out.
#[derive(Clone, Debug)]
pub struct Issued {
    pub access: String,
    pub secret: String,
    pub token: String,
    /// As written in the answer.
    pub expiration: String,
}

/// An answer of an endpoint.
struct Reply {
    status: u16,
    kind: &'static str,
    body: String,
}

impl Reply {
    fn text(status: u16, body: impl Into<String>) -> Reply {
        Reply { status, kind: "text/plain", body: body.into() }
    }

    fn json(body: String) -> Reply {
        Reply { status: 200, kind: "application/json", body }
    }
}

/// What an endpoint does with a request: its head, parsed, and what came in all.
type Handler = fn(&Side, &Request, &Asked) -> Reply;

/// The state of an endpoint.
struct Side {
    addr: SocketAddr,
    shared: Arc<Shared>,
    state: Mutex<State>,
}

struct State {
    mode: Mode,
    lifetime: Duration,
    asked: Vec<Asked>,
    issued: Vec<Issued>,
    accepted: Option<String>,
}

impl Side {
    fn start(handle: &Handle, shared: Arc<Shared>, answer: Handler) -> Arc<Side> {
        let (listener, addr) = listen(handle, (Ipv4Addr::LOCALHOST, 0).into());
        let lifetime = Duration::from_secs(3600);
        let (asked, issued, accepted) = (Vec::new(), Vec::new(), None);
        let state = State { mode: Mode::Serve, lifetime, asked, issued, accepted };
        let side = Arc::new(Side { addr, shared, state: Mutex::new(state) });
        handle.spawn(accept(listener, Arc::clone(&side), answer));
        side
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of an endpoint's lock panics")
    }

    /// A new key pair, known to the S3 side.
    fn issue(&self) -> Issued {
        let mut state = self.lock();
        let number = state.issued.len();
        let issued = Issued {
            access: format!("ASIA{:05}{number:07}", self.addr.port()),
            secret: format!("secret/{number}+of+{}", self.addr.port()),
            token: format!("session/{number}=={}", self.addr.port()),
            expiration: iso(self.shared.clock.now() + state.lifetime).replace(".000Z", "Z"),
        };
        self.shared.keys.add(&issued.access, &issued.secret, Some(&issued.token));
        state.issued.push(issued.clone());
        issued
    }

    async fn serve(
        &self,
        head: hyper::Request<hyper::body::Incoming>,
        answer: Handler,
    ) -> Result<Response<Full<Bytes>>, std::io::Error> {
        let (parts, body) = head.into_parts();
        let request = Request::parse(&parts).unwrap_or_else(|_| Request::unreadable(&parts));
        let mut body = Limited::new(body, 1 << 20);
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(std::io::Error::other)?;
            all.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        let asked = Asked {
            method: request.method.clone(),
            path: parts.uri.to_string(),
            headers: request.headers.clone(),
            body: String::from_utf8_lossy(&all).into_owned(),
        };
        let mode = {
            let mut state = self.lock();
            if state.asked.len() < KEPT {
                state.asked.push(asked.clone());
            }
            state.mode
        };
        let reply = match mode {
            Mode::Dead => std::future::pending().await,
            Mode::DeadToken if request.method == "PUT" => std::future::pending().await,
            Mode::Fail(status) => Reply::text(status, "this was planned"),
            Mode::Garbage => Reply::text(200, "<<<{\"not\": a document"),
            Mode::Serve | Mode::DeadToken => answer(self, &request, &asked),
        };
        let response = Response::builder().status(reply.status).header("content-type", reply.kind);
        response.body(Full::from(reply.body)).map_err(std::io::Error::other)
    }
}

async fn accept(listener: TcpListener, side: Arc<Side>, answer: Handler) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let side = Arc::clone(&side);
        let service = service_fn(move |head| {
            let side = Arc::clone(&side);
            async move { side.serve(head, answer).await }
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service);
        tokio::spawn(async move {
            // Errors are those of clients that left.
            let _ = connection.await;
        });
    }
}

/// What all endpoints offer.
macro_rules! endpoint {
    ($name:ident) => {
        impl $name {
            /// How long credentials of later answers live (3600 s if never said). Expiring is told, not enforced:
            /// [`Keys::expire`](super::Keys::expire) ends a key.
            pub fn lifetime(&self, lifetime: std::time::Duration) {
                self.side.lock().lifetime = lifetime;
            }

            /// From now on it behaves so.
            pub fn mode(&self, mode: super::Mode) {
                self.side.lock().mode = mode;
            }

            /// All requests that came.
            pub fn requests(&self) -> Vec<super::Asked> {
                self.side.lock().asked.clone()
            }

            /// How many key pairs were given out.
            pub fn issued(&self) -> usize {
                self.side.lock().issued.len()
            }

            /// The last key pair that was given out.
            pub fn last(&self) -> Option<super::Issued> {
                self.side.lock().issued.last().cloned()
            }
        }
    };
}
use endpoint;
