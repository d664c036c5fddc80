//! The server: one listener, its connections, and what they share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::broadcast;

use super::auth::keys::Keys;
use super::clock::Clock;
use super::endpoints::{Container, Imds, Sts};
use super::faults::Faults;
use super::log::Log;
use super::serve::serve;
use super::store::Store;
use super::wire::{Breaker, Network, Shape, Wire};

/// How a server is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// The smallest part of an upload but its last.
    pub min_part: u64,
    /// The account that `x-amz-expected-bucket-owner` must name.
    pub owner: String,
    /// The answer to a signature for another region than the bucket's.
    pub foreign_region: ForeignRegion,
    /// Anonymous requests are let in to every bucket.
    pub anonymous: bool,
    /// The address to listen on; the loopback unless containers have to reach it.
    pub listen: IpAddr,
    /// 0 lets the kernel choose.
    pub port: u16,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            min_part: 5 << 20,
            owner: "111122223333".to_owned(),
            foreign_region: ForeignRegion::Redirect,
            anonymous: false,
            listen: Ipv4Addr::LOCALHOST.into(),
            port: 0,
        }
    }
}

/// The two ways in which S3 names the right region.
#[derive(Clone, Copy, Debug)]
pub enum ForeignRegion {
    /// 301 `PermanentRedirect` with `x-amz-bucket-region`.
    Redirect,
    /// 400 `AuthorizationHeaderMalformed` with `Region`.
    Malformed,
}

/// What the connections of a server share.
#[derive(Debug)]
pub struct Shared {
    pub config: Config,
    pub store: Store,
    pub log: Arc<Log>,
    pub faults: Faults,
    pub clock: Clock,
    pub keys: Keys,
    pub network: Arc<Network>,
    closing: broadcast::Sender<()>,
}

/// A running server, which ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    addr: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    /// A server with defaults on a port of its own.
    pub fn start() -> Server {
        Server::with(Config::default())
    }

    /// A server made this way.
    pub fn with(config: Config) -> Server {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).thread_name("s3server").enable_all().build();
        let runtime = runtime.expect("two threads can be started");
        let (listener, addr) = listen(runtime.handle(), (config.listen, config.port).into());
        let shared = Arc::new(Shared {
            config,
            store: Store::default(),
            log: Arc::default(),
            faults: Faults::default(),
            clock: Clock::default(),
            keys: Keys::default(),
            network: Arc::default(),
            closing: broadcast::channel(1).0,
        });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Server { shared, addr, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, or the address that was asked for.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// Changes the network of all connections, those that are open too.
    pub fn shape(&self, shape: Shape) {
        self.shared.network.set(shape);
    }

    /// Closes all open connections; what they were doing is cut off.
    pub fn drop_connections(&self) {
        // Nobody listens when there are no connections.
        let _ = self.shared.closing.send(());
    }

    /// A credential endpoint as containers have it, which is closed with the server.
    pub fn container(&self) -> Container {
        Container::start(self.handle(), Arc::clone(&self.shared))
    }

    /// An instance metadata service, which is closed with the server.
    pub fn imds(&self) -> Imds {
        Imds::start(self.handle(), Arc::clone(&self.shared))
    }

    /// A security token service, which is closed with the server.
    pub fn sts(&self) -> Sts {
        Sts::start(self.handle(), Arc::clone(&self.shared))
    }

    fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("the runtime lives as long as the server").handle()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Plain dropping would panic within the runtime of an asynchronous test.
            runtime.shutdown_background();
        }
    }
}

/// A listener, which is bound when this returns.
pub fn listen(handle: &Handle, wanted: SocketAddr) -> (TcpListener, SocketAddr) {
    let _inside = handle.enter();
    let listener = std::net::TcpListener::bind(wanted);
    let listener = listener.unwrap_or_else(|error| panic!("listen on {wanted}: {error}"));
    listener.set_nonblocking(true).expect("a fresh listener can be made non-blocking");
    let addr = listener.local_addr().expect("a bound listener has an address");
    (TcpListener::from_std(listener).expect("the runtime takes a non-blocking listener"), addr)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        // Answers are written in one go; waiting for more would add 40 ms to small ones.
        let _ = tcp.set_nodelay(true);
        let (number, breaker) = (shared.log.connected(), Breaker::default());
        let wire = Wire::new(tcp, Arc::clone(&shared.network), breaker.clone());
        let mut closing = shared.closing.subscribe();
        let shared = Arc::clone(&shared);
        let service = service_fn(move |head| serve(Arc::clone(&shared), number, breaker.clone(), head));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(wire), service);
        tokio::spawn(async move {
            tokio::select! {
                // Errors are those of clients that left, or planned.
                _ = connection => {}
                _ = closing.recv() => {}
            }
        });
    }
}
