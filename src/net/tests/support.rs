//! A listener with a small service behind it.

use super::super::{Addresses, Drain, Limits, Listener, Pipes, Service};
use crate::body::{Body, End, Watch};
use crate::telemetry::{Metrics, testing};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use metrics::LocalRecorderGuard;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tower::util::BoxCloneSyncService;

/// Far more than anything here takes, so that a hanging test fails instead.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) drain: Drain,
    pub(super) metrics: Metrics,
    pub(super) serving: JoinHandle<()>,
    /// What the service sends as the body of `/feed`.
    pub(super) feed: mpsc::UnboundedSender<Bytes>,
    _recorder: LocalRecorderGuard<'static>,
}

pub(super) fn limits() -> Limits {
    Limits {
        connections: Arc::new(Semaphore::new(64)),
        addresses: Addresses::new(64),
        pipes: Pipes::new(16),
        header: Duration::from_secs(10),
        idle: Duration::from_secs(10),
        tls: Duration::from_secs(10),
        stall: Duration::from_secs(10),
        splice: true,
    }
}

impl Rig {
    pub(super) fn start(limits: Limits) -> Rig {
        Rig::on(Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap(), limits)
    }

    pub(super) fn on(listener: Listener, limits: Limits) -> Rig {
        let (feed, fed) = mpsc::unbounded_channel();
        Rig { feed, ..Rig::with(listener, limits, || service(fed)) }
    }

    /// With a service that is made when the metrics are in place.
    pub(super) fn with(listener: Listener, limits: Limits, service: impl FnOnce() -> Service) -> Rig {
        let (recorder, metrics) = testing::recorder();
        let recorder = metrics::set_default_local_recorder(Box::leak(Box::new(recorder)));
        let (feed, _) = mpsc::unbounded_channel();
        let address = listener.local_addr().unwrap();
        let (drain, watch) = Drain::new();
        let serving = tokio::spawn(listener.serve(service(), limits, watch));
        Rig { address, drain, metrics, serving, feed, _recorder: recorder }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        testing::value(&self.metrics, name, labels)
    }

    /// Waits for a metric to reach a value; the wait is for the connection's task, which shares this thread.
    pub(super) async fn reaches(&self, name: &str, labels: &[(&str, &str)], wanted: f64) {
        let reached = async {
            while self.value(name, labels) != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{}", self.metrics.render()));
    }
}

/// Counts ends of `/full`.
struct Ended;

impl Watch for Ended {
    fn end(self: Box<Self>, end: End, _: u64) {
        metrics::counter!("ended", "end" => end.as_str()).increment(1);
    }
}

/// Reads to the end; a reset counts as one.
pub(super) async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text))
        .await
        .expect("the connection is closed");
    String::from_utf8_lossy(&text).into_owned()
}

/// `/feed` streams what the test feeds, `/endless` never ends, `/full/N` is N bytes in memory whose record is in the
/// metric `ended`, everything else says who asked.
fn service(fed: mpsc::UnboundedReceiver<Bytes>) -> Service {
    let fed = Arc::new(std::sync::Mutex::new(Some(fed)));
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Incoming>| {
        let peer = *request.extensions().get::<super::super::Peer>().expect("every request has a peer");
        let body = match request.uri().path() {
            "/feed" => {
                let fed = fed.lock().unwrap().take().expect("fed once");
                let frames = futures_util::stream::unfold(fed, |mut fed| async {
                    fed.recv().await.map(|data| (Ok::<_, Infallible>(Frame::data(data)), fed))
                });
                Body::local(StreamBody::new(frames))
            }
            "/endless" => {
                let data = Bytes::from_static(&[7; 64 * 1024]);
                let frames =
                    futures_util::stream::repeat_with(move || Ok::<_, Infallible>(Frame::data(data.clone())));
                Body::local(StreamBody::new(frames.boxed()))
            }
            path if path.starts_with("/full/") => {
                Body::full(vec![7; path["/full/".len()..].parse().unwrap()]).watched(Ended)
            }
            _ => Body::full(format!("{} {}", peer.scheme.as_str(), peer.address.ip())),
        };
        std::future::ready(Ok(Response::new(body)))
    }))
}
