//! Client connections: listeners, TLS, HTTP, and their orderly end.
//!
//! [`Listener::plain`] or [`Listener::tls`] binds, [`Listener::serve`] runs until a [`Drain`] says stop and
//! the last connection has ended. One thing wraps a socket, [`splice`], and it hands vectored writes on.

mod addresses;
mod drain;
mod listen;
mod pace;
mod reason;
mod serve;
mod sniff;
mod splice;
mod tls;

pub use addresses::{Addresses, network};
pub use drain::{Drain, Ended, Watch, signals};
pub use listen::{Limits, Listener};
pub use splice::Pipes;
pub use tls::{Certificates, Invalid};

use crate::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::SocketAddr;
use tower::util::BoxCloneSyncService;

/// The finished edge stack as a connection sees it.
pub type Service = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// Whom a request came from: the one extension of ours on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address; an IPv4 client of a dual-stack listener has an IPv4 address here.
    pub address: SocketAddr,
    /// How it came.
    pub scheme: Scheme,
}

/// How a client reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

#[cfg(test)]
mod tests;
