use super::support::{PATIENCE, Rig, limits, rest};
use crate::body::{Body, End, Frames, Socket, Source, Watch};
use crate::net::splice::{Slot, Spliced};
use crate::net::{Limits, Listener, Pipes, Service};
use crate::telemetry::names;
use bytes::Bytes;
use http::{Response, header};
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::util::BoxCloneSyncService;

pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
pub(super) const IDLE: Duration = Duration::from_secs(5);

/// What the service answers with, in this order, and how often an upstream connection was given back.
#[derive(Clone, Default)]
pub(super) struct Upstream {
    pub(super) bodies: Arc<Mutex<VecDeque<(u64, Body)>>>,
    pub(super) back: Arc<AtomicUsize>,
}

pub(super) struct Ended(pub(super) u64);

impl Watch for Ended {
    fn end(self: Box<Self>, end: End, bytes: u64) {
        metrics::counter!("ended", "end" => end.as_str()).increment(1);
        if end == End::Complete {
            assert_eq!(bytes, self.0);
        }
    }
}

impl Upstream {
    /// A response of `size` bytes, of which `prefix` has been read; the other end of the connection.
    pub(super) async fn answer(&self, size: u64, prefix: &[u8], idle: Duration) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let back = self.back.clone();
        let back = Box::new(move |_| _ = back.fetch_add(1, Ordering::Relaxed));
        let socket = Socket::new(near, Bytes::copy_from_slice(prefix), size, Some(back));
        let body = Body::frames(Frames::new(Source::Socket(socket), idle)).watched(Ended(size));
        self.bodies.lock().unwrap().push_back((size, body));
        far
    }

    /// A response with this content, which is sent in the background.
    pub(super) async fn content(&self, content: &[u8]) {
        let (prefix, behind) = content.split_at(1000.min(content.len()));
        let mut far = self.answer(content.len() as u64, prefix, IDLE).await;
        let behind = behind.to_vec();
        tokio::spawn(async move {
            let _ = far.write_all(&behind).await;
            // Kept open, as a registry does.
            let _ = far.read_u8().await;
        });
    }

    fn service(&self) -> Service {
        let bodies = self.bodies.clone();
        BoxCloneSyncService::new(tower::service_fn(move |_: Request<Incoming>| {
            let (size, body) = bodies.lock().unwrap().pop_front().expect("one for each request");
            let response = Response::builder().header(header::CONTENT_LENGTH, size).body(body).unwrap();
            std::future::ready(Ok(response))
        }))
    }

    pub(super) fn rig(&self) -> Rig {
        self.rig_with(limits())
    }

    fn rig_with(&self, limits: Limits) -> Rig {
        Rig::with(Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap(), limits, || self.service())
    }
}

/// Bytes without a period that a mistake could hide in.
pub(super) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

/// Reads one response with this content, in pieces of `piece` bytes.
pub(super) async fn expect(stream: &mut TcpStream, content: &[u8], piece: usize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("a head").unwrap());
    }
    let mut got = vec![0; content.len()];
    for part in got.chunks_mut(piece) {
        tokio::time::timeout(PATIENCE, stream.read_exact(part)).await.expect("in time").unwrap();
    }
    assert!(got == content, "other bytes");
}

#[tokio::test]
async fn content_goes_through_the_kernel_and_both_connections_are_kept() {
    let upstream = Upstream::default();
    let rig = upstream.rig();
    let mut stream = rig.connect().await;
    let mut spliced = 0;
    for (turn, size) in [3_000_000, 5, 100_000, 1_000_000, 0].into_iter().enumerate() {
        let content = noise(size, turn as u64);
        upstream.content(&content).await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        expect(&mut stream, &content, 50_000).await;
        // What is small is copied.
        spliced += if size >= 100_000 { size - 1000 } else { 0 };
        rig.reaches(names::SPLICED_BYTES, &[], spliced as f64).await;
        rig.reaches("ended", &[("end", "complete")], (turn + 1) as f64).await;
        assert_eq!(upstream.back.load(Ordering::Relaxed), turn + 1);
    }
}

#[tokio::test]
async fn content_is_read_and_written_where_splicing_is_off() {
    let upstream = Upstream::default();
    let rig = upstream.rig_with(Limits { splice: false, ..limits() });
    let mut stream = rig.connect().await;
    for turn in 1..=2 {
        let content = noise(3_000_000, turn);
        upstream.content(&content).await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        expect(&mut stream, &content, 50_000).await;
        rig.reaches("ended", &[("end", "complete")], turn as f64).await;
        rig.reaches(names::SPLICED_BYTES, &[], 0.0).await;
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::default();
    let rig = upstream.rig();
    let contents: Vec<_> = (0..4).map(|n| noise(400_000 * n + 100_000, n as u64)).collect();
    for content in &contents {
        upstream.content(content).await;
    }
    let mut stream = rig.connect().await;
    stream.write_all(GET.repeat(contents.len()).as_bytes()).await.unwrap();
    for content in &contents {
        expect(&mut stream, content, 10_000).await;
    }
}

#[tokio::test]
async fn content_that_breaks_off_breaks_the_response() {
    for sent in [0, 10, 500_000] {
        let upstream = Upstream::default();
        let rig = upstream.rig();
        let content = noise(1_000_000, 1);
        let mut far = upstream.answer(1_000_000, &[], IDLE).await;
        tokio::spawn(async move { far.write_all(&content[..sent]).await });
        let mut stream = rig.connect().await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.len() < 1_000_000 && answer.contains("content-length: 1000000"), "{}", answer.len());
        rig.reaches("ended", &[("end", "failed")], 1.0).await;
        assert_eq!(upstream.back.load(Ordering::Relaxed), 0, "what broke is not used again");
    }
}

#[tokio::test]
async fn silence_is_cut() {
    let upstream = Upstream::default();
    let rig = upstream.rig();
    let mut far = upstream.answer(1_000_000, &[], Duration::from_millis(200)).await;
    far.write_all(&noise(300_000, 1)).await.unwrap();
    let mut stream = rig.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.len() < 1_000_000);
    rig.reaches("ended", &[("end", "failed")], 1.0).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_upstream_connection() {
    let upstream = Upstream::default();
    let rig = upstream.rig();
    let mut far = upstream.answer(u64::MAX / 2, b"prefix", IDLE).await;
    let mut stream = rig.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    far.write_all(&noise(1_000_000, 1)).await.unwrap();
    stream.read_u8().await.unwrap();
    drop(stream);
    let noise = noise(100_000, 2);
    let refused = async { while far.write_all(&noise).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("the connection is closed");
    rig.reaches("ended", &[("end", "dropped")], 1.0).await;
}

#[tokio::test]
async fn http2_gets_real_bytes() {
    let upstream = Upstream::default();
    let rig = upstream.rig();
    let content = noise(2_000_000, 3);
    upstream.content(&content).await;
    let io = hyper_util::rt::TokioIo::new(rig.connect().await);
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://x/").body(http_body_util::Empty::<Bytes>::new()).unwrap();
    let response = send.send_request(request).await.unwrap();
    let mut body = response.into_body();
    let mut got = Vec::new();
    while let Some(frame) = body.frame().await {
        got.extend_from_slice(frame.unwrap().data_ref().unwrap());
    }
    assert!(got == content, "other bytes");
    assert_eq!(rig.value(names::SPLICED_BYTES, &[]), 0.0);
}

/// Should hyper ever copy what it is given to write, the copy is of zeros.
#[tokio::test]
async fn a_copy_of_the_sentinel_is_never_sent() {
    let upstream = Upstream::default();
    let _far = upstream.answer(100_000, b"prefix", IDLE).await;
    let (_, body) = upstream.bodies.lock().unwrap().pop_front().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let slot = Slot::new(Pipes::new(1));
    let mut server = Spliced::new(listener.accept().await.unwrap().0, slot.clone());
    let mut outgoing = slot.load(Response::new(body)).into_body();
    // A head may go ahead of its content.
    server.write_all(b"head").await.unwrap();
    let zeros = outgoing.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(zeros.len(), 100_000);
    server.write_all(&vec![0; zeros.len()]).await.unwrap_err();
    drop(server);
    assert_eq!(rest(&mut client).await, "head");
}

/// Without a pipe what comes is copied.
#[tokio::test]
async fn without_a_pipe_it_is_copied() {
    let upstream = Upstream::default();
    let plain = Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap();
    let limits = Limits { pipes: Pipes::new(1), ..limits() };
    let rig = Rig::with(plain, limits, || upstream.service());
    // The first content waits for its client with the one pipe there is.
    let large = noise(40_000_000, 1);
    let mut far = upstream.answer(large.len() as u64, &[], IDLE).await;
    let sent = large.clone();
    tokio::spawn(async move { far.write_all(&sent).await });
    let mut slow = rig.connect().await;
    slow.write_all(GET.as_bytes()).await.unwrap();
    slow.read_u8().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rig.value(names::PIPES, &[]), 1.0);
    let content = noise(1_000_000, 2);
    upstream.content(&content).await;
    let mut stream = rig.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    expect(&mut stream, &content, 50_000).await;
    rig.reaches("ended", &[("end", "complete")], 1.0).await;
    assert_eq!((rig.value(names::PIPES, &[]), rig.value(names::SPLICED_BYTES, &[])), (1.0, 0.0));
    drop(slow);
    rig.reaches("ended", &[("end", "dropped")], 1.0).await;
    rig.reaches(names::PIPES, &[], 0.0).await;
}

/// Many contents of many sizes, sent and read in pieces of any size over few connections.
#[tokio::test]
async fn every_byte_is_right_whatever_the_pace() {
    let upstream = Upstream::default();
    let rig = upstream.rig();
    let mut random = noise(4 * 300, 42).into_iter();
    let mut next = |most: usize| {
        let number = u32::from_le_bytes(std::array::from_fn(|_| random.next().expect("enough")));
        number as usize % most
    };
    for _ in 0..5 {
        let mut stream = rig.connect().await;
        for _ in 0..10 {
            let content = noise(next(700_000), next(1000) as u64);
            let (prefix, piece) = (next(5_000).min(content.len()), next(100_000) + 1);
            let (prefix, behind) = content.split_at(prefix);
            let mut far = upstream.answer(content.len() as u64, prefix, IDLE).await;
            let behind = behind.to_vec();
            tokio::spawn(async move {
                for part in behind.chunks(piece) {
                    far.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
                let _ = far.read_u8().await;
            });
            stream.write_all(GET.as_bytes()).await.unwrap();
            expect(&mut stream, &content, next(50_000) + 1).await;
        }
    }
}
