//! Binding and accepting.

use super::{Connections, Drain, Scheme};
use crate::telemetry::names;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// Connections the kernel holds for us while we are busy.
const BACKLOG: i32 = 1024;
/// Pause after an error that another accept would meet again at once, such as EMFILE.
const BACK_OFF: Duration = Duration::from_millis(50);

impl Listener {
    /// Binds `address`. An unspecified IPv6 address listens on IPv4 too; where the machine has no IPv6 it falls
    /// back to IPv4.
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        let socket = match Listener::socket(address) {
            Err(error) if address.ip().is_unspecified() && address.is_ipv6() && no_ipv6(&error) => {
                Listener::socket(SocketAddr::from(([0, 0, 0, 0], address.port())))?
            }
            other => other?,
        };
        let socket = TcpListener::from_std(socket.into())?;
        Ok(Listener { address: socket.local_addr()?, socket })
    }

    /// Where it listens; the port is the one the kernel chose when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `drain` begins. Each connection is a task of its own, TLS handshake included.
    pub async fn run(self, scheme: Scheme, permits: Arc<Semaphore>, connections: Connections, drain: Drain) {
        loop {
            let permit = tokio::select! {
                () = drain.begun() => return,
                permit = permits.clone().acquire_owned() => permit.expect("the pool is never closed"),
            };
            let accepted = tokio::select! {
                () = drain.begun() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    metrics::counter!(names::CONNECTIONS, "scheme" => scheme.as_str()).increment(1);
                    tune(&stream, connections.limits().stall_timeout);
                    let (connections, hold) = (connections.clone(), drain.hold());
                    tokio::spawn(async move {
                        connections.serve(stream, peer, scheme).await;
                        drop((permit, hold));
                    });
                }
                Err(error) => {
                    metrics::counter!(names::ACCEPT_ERRORS).increment(1);
                    tracing::warn!(%error, "a connection could not be accepted");
                    if !transient(&error) {
                        tokio::time::sleep(BACK_OFF).await;
                    }
                }
            }
        }
    }

    fn socket(address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    }
}

/// Small answers leave at once, and a client that neither reads nor acknowledges is dropped by the kernel:
/// `TCP_USER_TIMEOUT` covers zero-window probes too, so no timer has to watch the writing side.
fn tune(stream: &TcpStream, stall: Duration) {
    let socket = SockRef::from(stream);
    let done = stream.set_nodelay(true).and_then(|()| socket.set_tcp_user_timeout(Some(stall)));
    if let Err(error) = done {
        tracing::debug!(%error, "a socket option was refused");
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(97)
}

/// Errors of one connection, after which the next may be accepted at once.
fn transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
