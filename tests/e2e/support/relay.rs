//! The wire between a registry and who asks it, which breaks on purpose.

use socket2::SockRef;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::registry::Registry;

/// What befalls a connection.
#[derive(Clone, Copy)]
pub(crate) enum Breaks {
    /// It is reset.
    Reset,
    /// Nothing more comes, and nobody says so.
    Stall,
}

/// Relays connections to a registry, and breaks the first ones.
pub(crate) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    registry: String,
    how: Breaks,
    /// The connection breaks behind so many bytes from the registry.
    after: u64,
    /// How many connections are still to be broken.
    left: AtomicUsize,
    /// Bytes from the registry.
    sent: AtomicU64,
    /// Takes no further connection.
    over: AtomicBool,
}

impl Relay {
    /// Breaks the first `count` connections on which more than `after` bytes come from `registry`.
    pub(crate) fn before(registry: &Registry, how: Breaks, count: usize, after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let (left, sent, over) = (AtomicUsize::new(count), AtomicU64::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { registry: registry.authority(), how, after, left, sent, over });
        let all = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), shared) = (stream, all.clone()) else { return };
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                thread::spawn(move || shared.relay(&stream));
            }
        });
        Self { address, shared }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// How many connections were broken.
    pub(crate) fn is_spent(&self) -> bool {
        self.shared.left.load(Ordering::SeqCst) == 0
    }

    /// Bytes that came from the registry.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn relay(&self, client: &TcpStream) {
        let Ok(registry) = TcpStream::connect(&self.registry) else { return };
        thread::scope(|scope| {
            let up = scope.spawn(|| {
                // It ends when one of the two does.
                let _ = std::io::copy(&mut &*client, &mut &registry);
                let _ = registry.shutdown(Shutdown::Both);
            });
            if self.down(client, &registry) {
                // Until the client leaves.
                let _ = up.join();
            }
            // Not a FIN: a reset is sent when the connection is dropped.
            let _ = client.shutdown(Shutdown::Read);
            let _ = registry.shutdown(Shutdown::Both);
        });
    }

    /// Brings what the registry sends, up to the end or the break. Whether it stalls there.
    fn down(&self, mut client: &TcpStream, mut registry: &TcpStream) -> bool {
        let mut came = 0;
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = registry.read(&mut buffer) {
            came += count as u64;
            if came > self.after && self.take() {
                if matches!(self.how, Breaks::Stall) {
                    return true;
                }
                let _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
                return false;
            }
            self.sent.fetch_add(count as u64, Ordering::SeqCst);
            if client.write_all(&buffer[..count]).is_err() {
                return false;
            }
        }
        false
    }

    fn take(&self) -> bool {
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts. Connections under way end with their programs.
        let _ = TcpStream::connect(self.address);
    }
}
