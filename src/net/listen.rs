//! Listening: bind, accept, back off, and one task for each connection.

use super::addresses::{Addresses, Held};
use super::reason::Reason;
use super::sniff::{Speaks, decline_tls, peek};
use super::splice::{Pipes, Slot, Spliced};
use super::{Peer, Scheme, Service, Watch, serve};
use crate::config;
use crate::telemetry::names;
use metrics::{Gauge, counter, gauge};
use rustls::ServerConfig;
use socket2::{Domain, SockRef, Socket, Type};
use std::convert::identity;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// A bound listener.
pub struct Listener {
    socket: TcpListener,
    /// The label in metrics.
    name: &'static str,
    tls: Option<TlsAcceptor>,
}

/// What connections may cost. Clones share one allowance of connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections of all listeners that share this.
    pub connections: Arc<Semaphore>,
    /// Those of one client address.
    pub addresses: Arc<Addresses>,
    /// What contents are spliced through.
    pub pipes: Arc<Pipes>,
    /// From accept, or the end of the TLS handshake, to the end of the first request's head.
    pub header: Duration,
    /// From a response to the end of the next request's head.
    pub idle: Duration,
    /// For a TLS handshake.
    pub tls: Duration,
    /// How long a client may leave a response unread.
    pub stall: Duration,
    /// Blobs between plain connections go from socket to socket inside the kernel.
    pub splice: bool,
}

/// Connections that the kernel completes ahead of us.
const BACKLOG: i32 = 1024;
/// First and longest pause after a failed accept.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

impl Limits {
    /// As configured.
    pub fn new(server: &config::Server) -> Limits {
        Limits {
            connections: Arc::new(Semaphore::new(server.max_connections)),
            addresses: Addresses::new(server.max_connections_per_address),
            pipes: Pipes::new(server.max_pipes),
            header: server.header_timeout,
            idle: server.idle_timeout,
            tls: server.tls_timeout,
            stall: server.stall_timeout,
            splice: server.splice,
        }
    }
}

impl Listener {
    /// Binds the listener for HTTP in the clear; on `[::]` it serves IPv4 too. Needs a runtime.
    pub fn plain(address: SocketAddr) -> io::Result<Listener> {
        Ok(Listener { socket: bind(address)?, name: "plain", tls: None })
    }

    /// Binds the listener for HTTPS. Needs a runtime.
    pub fn tls(address: SocketAddr, config: Arc<ServerConfig>) -> io::Result<Listener> {
        Ok(Listener { socket: bind(address)?, name: "tls", tls: Some(config.into()) })
    }

    /// Binds the operator's listener, which is counted apart. Needs a runtime.
    pub fn admin(address: SocketAddr) -> io::Result<Listener> {
        Ok(Listener { socket: bind(address)?, name: "admin", tls: None })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until the drain begins; ends when the last connection has.
    pub async fn serve(self, service: Service, limits: Limits, mut watch: Watch) {
        let Listener { socket, name, tls } = self;
        let connections = TaskTracker::new();
        let open = gauge!(names::CONNECTIONS, "listener" => name);
        let mut pause = PAUSE.0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = watch.draining() => break,
                accepted = accept(&socket, &limits) => accepted,
            };
            match accepted {
                Ok((stream, address, permit)) => {
                    pause = PAUSE.0;
                    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                    let Some(held) = limits.addresses.admit(address.ip()) else {
                        counter!(names::CONNECTIONS_REFUSED, "listener" => name).increment(1);
                        tracing::debug!(peer = %address, "too many connections of one address");
                        continue;
                    };
                    counter!(names::CONNECTIONS_ACCEPTED, "listener" => name).increment(1);
                    let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
                    let connection = Connection {
                        peer: Peer { address, scheme },
                        tls: tls.clone(),
                        service: service.clone(),
                        limits: limits.clone(),
                        watch: watch.clone(),
                    };
                    let open = Open::new(open.clone(), permit, held);
                    connections.spawn(async move {
                        let reason = connection.run(stream).await.as_str();
                        counter!(names::CONNECTIONS_CLOSED, "listener" => name, "reason" => reason)
                            .increment(1);
                        drop(open);
                    });
                }
                Err(error) if concerns_one(&error) => {}
                Err(error) => {
                    // Out of file descriptors or memory: whoever holds them has to end first.
                    counter!(names::ACCEPT_ERRORS, "listener" => name).increment(1);
                    tracing::warn!(%error, listener = name, "unable to accept connections");
                    tokio::select! {
                        () = watch.draining() => break,
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
                    }
                }
            }
        }
        drop(socket);
        connections.close();
        connections.wait().await;
    }
}

/// One accepted connection on its way to HTTP.
struct Connection {
    peer: Peer,
    tls: Option<TlsAcceptor>,
    service: Service,
    limits: Limits,
    watch: Watch,
}

/// An open connection: counted, and one of those allowed.
struct Open {
    open: Gauge,
    _permit: OwnedSemaphorePermit,
    _held: Held,
}

impl Connection {
    async fn run(self, stream: TcpStream) -> Reason {
        let mut watch = self.watch.clone();
        if let Err(error) = tune(&stream, self.limits.stall) {
            tracing::debug!(%error, peer = %self.peer.address, "unable to set socket options");
            return Reason::Error;
        }
        tokio::select! {
            reason = self.speak(stream) => reason,
            () = watch.aborted() => Reason::Aborted,
        }
    }

    /// A future is as large as the largest it may become: each way to speak is boxed, so that a connection takes what
    /// its own way takes.
    async fn speak(self, stream: TcpStream) -> Reason {
        match self.tls.clone() {
            Some(tls) => Box::pin(self.speak_tls(tls, stream)).await,
            None => self.speak_plain(stream).await,
        }
    }

    async fn speak_plain(self, stream: TcpStream) -> Reason {
        let Connection { peer, service, limits, mut watch, .. } = self;
        let deadline = Instant::now() + limits.header;
        let speaks = tokio::select! {
            speaks = timeout_at(deadline, peek(&stream)) => speaks,
            () = watch.draining() => return Reason::Done,
        };
        match speaks {
            Err(_late) => Reason::Silent,
            Ok(Err(_)) => Reason::Error,
            Ok(Ok(Speaks::Nothing)) => Reason::Done,
            Ok(Ok(Speaks::Tls)) => {
                decline_tls(stream).await;
                Reason::WrongProtocol
            }
            Ok(Ok(Speaks::Http1)) if !limits.splice => {
                Box::pin(serve::http1(stream, identity, service, peer, &limits, deadline, watch)).await
            }
            Ok(Ok(Speaks::Http1)) => {
                let slot = Slot::new(limits.pipes.clone());
                let load = slot.clone();
                let io = Spliced::new(stream, slot);
                let outgoing = |response| load.load(response);
                Box::pin(serve::http1(io, outgoing, service, peer, &limits, deadline, watch)).await
            }
            Ok(Ok(Speaks::Http2)) => {
                Box::pin(serve::http2(stream, service, peer, &limits, deadline, watch)).await
            }
        }
    }

    async fn speak_tls(self, tls: TlsAcceptor, stream: TcpStream) -> Reason {
        let Connection { peer, service, limits, mut watch, .. } = self;
        let handshake = tokio::select! {
            handshake = timeout(limits.tls, tls.accept(stream)) => handshake,
            () = watch.draining() => return Reason::Done,
        };
        let outcome = |outcome| counter!(names::TLS_HANDSHAKES, "outcome" => outcome).increment(1);
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, peer = %peer.address, "TLS handshake failed");
                outcome("failed");
                return Reason::Handshake;
            }
            Err(_late) => {
                outcome("timeout");
                return Reason::Handshake;
            }
        };
        outcome("ok");
        let deadline = Instant::now() + limits.header;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Box::pin(serve::http2(stream, service, peer, &limits, deadline, watch)).await,
            _ => Box::pin(serve::http1(stream, identity, service, peer, &limits, deadline, watch)).await,
        }
    }
}

impl Open {
    fn new(open: Gauge, permit: OwnedSemaphorePermit, held: Held) -> Open {
        open.increment(1.0);
        Open { open, _permit: permit, _held: held }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.open.decrement(1.0);
    }
}

/// A socket for `address`. A wildcard of IPv6 takes IPv4 connections too, whatever the system's default is,
/// and becomes one of IPv4 where the system has no IPv6.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use io::ErrorKind::{AddrInUse, PermissionDenied};
    match bind_exactly(address) {
        Err(error)
            if address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED)
                && !matches!(error.kind(), AddrInUse | PermissionDenied) =>
        {
            bind_exactly((Ipv4Addr::UNSPECIFIED, address.port()).into()).map_err(|_| error)
        }
        bound => bound,
    }
}

fn bind_exactly(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Or a restart would have to wait for connections of the last process to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The next connection, once it is allowed: until then clients wait in the kernel's queue.
async fn accept(
    socket: &TcpListener,
    limits: &Limits,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = limits.connections.clone().acquire_owned().await.expect("the semaphore is never closed");
    let (stream, address) = socket.accept().await?;
    Ok((stream, address, permit))
}

/// The kernel resets a client that acknowledges nothing, or reads nothing, for `stall` (tcp(7),
/// `TCP_USER_TIMEOUT`).
fn tune(stream: &TcpStream, stall: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(stall))
}

/// Does this failure concern one connection that went away before we took it?
fn concerns_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
