//! Client connections: accept, TLS, one hyper connection each, drain.

mod drain;
mod listen;
mod peek;
mod serve;
mod tls;

pub use drain::{Drain, Stop, signals};
pub use listen::Listener;
pub use serve::{Connections, Limits};
pub use tls::Certificates;

use crate::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::SocketAddr;
use tower::util::BoxCloneSyncService;

/// The finished stack as a connection sees it.
pub type Service = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// Who is at the other end of a connection: the one request extension of ours, put there by the connection and
/// read by the router.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The client's address. It is the socket's, never a header's.
    pub address: SocketAddr,
    /// How it speaks to us.
    pub scheme: Scheme,
}

/// The scheme of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As in a URL, and the label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}
