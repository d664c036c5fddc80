//! From a URL's authority to a connection: proxy or resolver, address guard, TCP, TLS.

use super::ahead::Ahead;
use super::dial::dial;
use super::guard::{Guard, bare};
use super::idle::Idle;
use super::places::Places;
use super::proxy::{Proxies, Untunnelled, tunnel};
use super::wire::Wire;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

/// Opens the connections of one pool. All of them follow one policy, so that a connection is never shared by
/// registries that trust different certificates or addresses.
#[derive(Clone, Debug)]
pub(crate) struct Connector(Arc<Rules>);

/// What a connector may do.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) guard: Guard,
    pub(crate) proxies: Proxies,
    pub(crate) tls: Arc<ClientConfig>,
    /// For a place, for resolving, for TCP and for TLS, each.
    pub(crate) limit: Duration,
    pub(super) places: Places,
    /// What may be closed to make a place.
    pub(super) idle: Idle,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The URL has no host or a scheme other than http and https.
    Url,
    /// There are as many connections as there may be.
    Full,
    /// The guard forbids the address.
    Address,
    /// The name has no address.
    Resolve(io::Error),
    /// Nobody answered in time.
    Time(&'static str),
    /// TCP or the forward proxy failed.
    Io(io::Error),
    /// The forward proxy will not lead there, now or later; its status.
    Proxy(u16),
    /// The TLS handshake failed.
    Tls(io::Error),
}

impl Connector {
    pub(crate) fn new(rules: Rules) -> Connector {
        Connector(Arc::new(rules))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Wire>, Refusal>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let rules = self.0.clone();
        Box::pin(async move { rules.connect(&uri).await.map(TokioIo::new) })
    }
}

impl Rules {
    async fn connect(&self, uri: &Uri) -> Result<Wire, Refusal> {
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(Refusal::Url)?;
        let (scheme, default) = match uri.scheme_str() {
            Some("https") => ("https", 443),
            Some("http") => ("http", 80),
            _ => return Err(Refusal::Url),
        };
        let port = uri.port_u16().unwrap_or(default);
        let peer = (scheme == "https", uri.authority().cloned().ok_or(Refusal::Url)?);
        let place = self.places.take(&peer, &self.idle, self.limit).await.ok_or(Refusal::Full)?;
        let stream = match self.proxies.choose(scheme, host, port) {
            Some(proxy) => self.through(proxy, host, port).await?,
            None => self.direct(host, port).await?,
        };
        match scheme {
            "https" => Ok(Wire::Tls(Box::new(self.secure(stream, host).await?), place)),
            _ => Ok(Wire::Tcp(stream, place)),
        }
    }

    async fn direct(&self, host: &str, port: u16) -> Result<TcpStream, Refusal> {
        let mut addresses = self.resolve(host, port).await?;
        addresses.retain(|address| self.guard.admits(host, port, address.ip()));
        if addresses.is_empty() {
            return Err(Refusal::Address);
        }
        self.tcp(addresses).await
    }

    /// The proxy is the operator's and may be anywhere; the target is judged by its name.
    async fn through(&self, proxy: &Url, host: &str, port: u16) -> Result<TcpStream, Refusal> {
        if !self.guard.admits_name(host, port) {
            return Err(Refusal::Address);
        }
        let name = proxy.host_str().ok_or(Refusal::Url)?;
        let addresses = self.resolve(name, proxy.port_or_known_default().ok_or(Refusal::Url)?).await?;
        let mut stream = self.tcp(addresses).await?;
        let tunnel = timeout(self.limit, tunnel(&mut stream, proxy, host, port)).await;
        match tunnel.map_err(|_| Refusal::Time("the forward proxy"))? {
            Ok(()) => Ok(stream),
            Err(Untunnelled::Refused(status)) => Err(Refusal::Proxy(status)),
            Err(Untunnelled::Io(error)) => Err(Refusal::Io(error)),
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        let lookup = timeout(self.limit, tokio::net::lookup_host((bare(host), port))).await;
        let found: Vec<_> =
            lookup.map_err(|_| Refusal::Time("the resolver"))?.map_err(Refusal::Resolve)?.collect();
        if found.is_empty() {
            return Err(Refusal::Resolve(io::Error::from(io::ErrorKind::NotFound)));
        }
        Ok(found)
    }

    async fn tcp(&self, addresses: Vec<SocketAddr>) -> Result<TcpStream, Refusal> {
        let stream = timeout(self.limit, dial(addresses)).await;
        let stream = stream.map_err(|_| Refusal::Time("the connection"))?.map_err(Refusal::Io)?;
        stream.set_nodelay(true).map_err(Refusal::Io)?;
        Ok(stream)
    }

    async fn secure(&self, stream: TcpStream, host: &str) -> Result<TlsStream<Ahead>, Refusal> {
        let name = ServerName::try_from(bare(host).to_string())
            .map_err(|error| Refusal::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let shaken = TlsConnector::from(self.tls.clone()).connect(name, Ahead::new(stream));
        let shaken = timeout(self.limit, shaken).await;
        shaken.map_err(|_| Refusal::Time("the TLS handshake"))?.map_err(Refusal::Tls)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Url => f.write_str("not an http or https URL"),
            Refusal::Full => f.write_str("no connection is free"),
            Refusal::Address => f.write_str("address not allowed"),
            Refusal::Resolve(_) => f.write_str("the name cannot be resolved"),
            Refusal::Time(what) => write!(f, "{what} took too long"),
            Refusal::Io(_) => f.write_str("no connection"),
            Refusal::Proxy(status) => write!(f, "the forward proxy refused ({status})"),
            Refusal::Tls(_) => f.write_str("TLS handshake failed"),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Refusal::Resolve(error) | Refusal::Io(error) | Refusal::Tls(error) => Some(error),
            Refusal::Url | Refusal::Full | Refusal::Address | Refusal::Time(_) | Refusal::Proxy(_) => None,
        }
    }
}
