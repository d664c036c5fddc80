//! A connection with the pace of a network, which can be broken off.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Bytes that pass at once on a connection with a rate.
const QUANTUM: usize = 64 << 10;
/// A timer is set only for pauses that a timer can keep.
const SLACK: Duration = Duration::from_millis(2);
/// Timers come so late on a busy machine.
const LATE: Duration = Duration::from_millis(10);

/// How fast the network is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// From the last byte of a request to the first of its answer.
    pub first_byte: Duration,
    /// Bytes per second of one connection, each way.
    pub rate: Option<u64>,
}

impl Shape {
    /// As fast as the machine.
    pub fn none() -> Shape {
        Shape::default()
    }

    /// About what one connection to S3 shows from within its region.
    pub fn s3_like() -> Shape {
        Shape { first_byte: Duration::from_millis(30), rate: Some(90_000_000) }
    }
}

/// The shape that all connections read at each step.
#[derive(Debug, Default)]
pub struct Network {
    first_byte: AtomicU64,
    rate: AtomicU64,
}

impl Network {
    /// Changes all connections at once.
    pub fn set(&self, shape: Shape) {
        self.first_byte.store(shape.first_byte.as_nanos() as u64, Ordering::Relaxed);
        self.rate.store(shape.rate.unwrap_or(0), Ordering::Relaxed);
    }

    /// From the last byte of a request to the first of its answer.
    pub fn first_byte(&self) -> Duration {
        Duration::from_nanos(self.first_byte.load(Ordering::Relaxed))
    }
}

/// The means to end a connection with RST.
#[derive(Clone, Debug, Default)]
pub struct Breaker(Arc<AtomicBool>);

impl Breaker {
    /// The connection ends with RST when it is next dropped.
    pub fn arm(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A TCP connection of the server.
#[derive(Debug)]
pub struct Wire {
    tcp: TcpStream,
    network: Arc<Network>,
    breaker: Breaker,
    reading: Pace,
    writing: Pace,
}

impl Wire {
    pub fn new(tcp: TcpStream, network: Arc<Network>, breaker: Breaker) -> Wire {
        Wire { tcp, network, breaker, reading: Pace::new(), writing: Pace::new() }
    }

    fn rate(&self) -> u64 {
        self.network.rate.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.breaker.0.load(Ordering::Relaxed) {
            // Closing with a linger time of zero is what sends RST.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

/// When the next bytes may pass.
#[derive(Debug)]
struct Pace {
    free: Instant,
    pause: Pin<Box<Sleep>>,
}

impl Pace {
    fn new() -> Pace {
        let now = Instant::now();
        Pace { free: now, pause: Box::pin(tokio::time::sleep_until(now)) }
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.free <= Instant::now() + SLACK {
            return Poll::Ready(());
        }
        if self.pause.deadline() != self.free {
            self.pause.as_mut().reset(self.free);
        }
        self.pause.as_mut().poll(context)
    }

    fn passed(&mut self, bytes: usize, rate: u64) {
        if rate > 0 {
            let time = Duration::from_nanos((bytes as u128 * 1_000_000_000 / u128::from(rate)) as u64);
            // A timer that came late is made up for, an idle connection saves nothing up.
            self.free = self.free.max(Instant::now() - LATE) + time;
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rate = this.rate();
        if rate == 0 {
            return Pin::new(&mut this.tcp).poll_read(context, into);
        }
        ready!(this.reading.poll_ready(context));
        let mut part = [0; QUANTUM];
        let room = into.remaining().min(QUANTUM);
        let mut part = ReadBuf::new(&mut part[..room]);
        ready!(Pin::new(&mut this.tcp).poll_read(context, &mut part))?;
        this.reading.passed(part.filled().len(), rate);
        into.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(from)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let rate = this.rate();
        if rate == 0 {
            return Pin::new(&mut this.tcp).poll_write_vectored(context, from);
        }
        ready!(this.writing.poll_ready(context));
        let first = from.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        let part = &first[..first.len().min(QUANTUM)];
        let written = ready!(Pin::new(&mut this.tcp).poll_write(context, part))?;
        this.writing.passed(written, rate);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(context)
    }
}
