use super::support::{PATIENCE, Rig, limits, rest};
use crate::body::bounded;
use crate::net::Limits;
use crate::telemetry::names;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::task::JoinHandle;

async fn client(rig: &Rig) -> (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
    // What is not read, stops soon.
    client_with(rig, 65_535).await
}

async fn client_with(rig: &Rig, window: u32) -> (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let io = TokioIo::new(rig.connect().await);
    let (send, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .initial_connection_window_size(1 << 20)
        .handshake(io)
        .await
        .unwrap();
    (send, tokio::spawn(connection))
}

fn get(rig: &Rig, path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{}{path}", rig.address)).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn prior_knowledge_is_enough() {
    let rig = Rig::start(limits());
    let (mut send, _connection) = client(&rig).await;
    let response = send.send_request(get(&rig, "/")).await.unwrap();
    assert_eq!(bounded(response.into_body(), 100).await.unwrap(), "http 127.0.0.1");
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_reset_and_the_others_go_on() {
    let rig = Rig::start(Limits { stall: Duration::from_millis(500), ..limits() });
    let (mut send, _connection) = client(&rig).await;
    let mut unread = send.send_request(get(&rig, "/endless")).await.unwrap().into_body();
    let fed = send.send_request(get(&rig, "/feed")).await.unwrap();
    rig.reaches(names::STALLED, &[], 1.0).await;
    // The other stream has been waiting for us just as long.
    rig.feed.send(Bytes::from_static(b"late")).unwrap();
    let mut fed = fed.into_body();
    assert_eq!(fed.frame().await.unwrap().unwrap().into_data().unwrap(), "late");
    let cut = async {
        loop {
            if unread.frame().await.expect("a cut stream does not end well").is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.unwrap();
    assert_eq!(rig.value(names::STALLED, &[]), 1.0);
}

/// Reads frame by frame with a pause before each, and gives the number of bytes; fails when the body breaks off.
async fn read_slowly(mut body: hyper::body::Incoming, pause: Duration) -> usize {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.expect("a reader that moves is not cut").into_data().unwrap().len();
        tokio::time::sleep(pause).await;
    }
    bytes
}

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_document_that_nobody_reads_is_reset_and_has_not_ended_before() {
    let rig = Rig::start(Limits { stall: Duration::from_millis(500), ..limits() });
    let (mut send, _connection) = client(&rig).await;
    let unread = send.send_request(get(&rig, &format!("/full/{}", 4 * MIB))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rig.value("ended", &[]), 0.0, "it is still on its way");
    rig.reaches("ended", &[("end", "dropped")], 1.0).await;
    assert_eq!(rig.value(names::STALLED, &[]), 1.0);
    drop(unread);
}

#[tokio::test]
async fn a_document_that_is_read_slowly_is_not_cut() {
    let rig = Rig::start(Limits { stall: Duration::from_millis(300), ..limits() });
    let (mut send, _connection) = client_with(&rig, 32 * 1024).await;
    let response = send.send_request(get(&rig, &format!("/full/{}", 4 * MIB))).await.unwrap();
    let started = tokio::time::Instant::now();
    // Several stall times for the whole, far less than one for a frame.
    assert_eq!(read_slowly(response.into_body(), Duration::from_millis(10)).await, 4 * MIB);
    assert!(started.elapsed() > Duration::from_millis(900));
    assert_eq!(rig.value("ended", &[("end", "complete")]), 1.0);
    assert_eq!(rig.value(names::STALLED, &[]), 0.0);
}

#[tokio::test]
async fn what_is_queued_outlives_the_idle_time() {
    let limits = Limits {
        idle: Duration::from_millis(200),
        header: Duration::from_millis(200),
        stall: Duration::from_millis(600),
        ..limits()
    };
    let rig = Rig::start(limits);
    let (mut send, connection) = client_with(&rig, 4096).await;
    let response = send.send_request(get(&rig, "/full/40000")).await.unwrap();
    // All of it is queued at once; the stream takes ten idle times to be read.
    assert_eq!(read_slowly(response.into_body(), Duration::from_millis(100)).await, 40_000);
    assert_eq!(rig.value("ended", &[("end", "complete")]), 1.0);
    tokio::time::timeout(PATIENCE, connection).await.expect("closed for idleness").unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_without_streams_is_closed() {
    let times = (Duration::from_millis(100), Duration::from_millis(600));
    let rig = Rig::start(Limits { header: times.0, idle: times.1, ..limits() });
    let (mut send, connection) = client(&rig).await;
    let started = tokio::time::Instant::now();
    send.send_request(get(&rig, "/")).await.unwrap();
    tokio::time::sleep(3 * times.0).await;
    send.send_request(get(&rig, "/")).await.expect("used once, it is kept for the idle time");
    tokio::time::timeout(PATIENCE, connection).await.expect("closed for idleness").unwrap().unwrap();
    assert!(started.elapsed() >= 3 * times.0 + times.1, "counted from the last stream");
    rig.reaches(names::CONNECTIONS_CLOSED, &[("reason", "done")], 1.0).await;
}

#[tokio::test]
async fn a_preface_alone_is_not_kept() {
    use tokio::io::AsyncWriteExt as _;
    let rig = Rig::start(Limits { header: Duration::from_millis(300), ..limits() });
    let mut stream = rig.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    rest(&mut stream).await;
    rig.reaches(names::CONNECTIONS, &[], 0.0).await;
}

#[tokio::test]
async fn drain_says_goaway_and_finishes_streams() {
    let rig = Rig::start(limits());
    let (mut send, connection) = client(&rig).await;
    let fed = send.send_request(get(&rig, "/feed")).await.unwrap();
    rig.drain.start();
    let refused = async { while send.send_request(get(&rig, "/")).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("GOAWAY comes while a stream is open");
    rig.feed.send(Bytes::from_static(b"the end")).unwrap();
    let Rig { feed, serving, .. } = rig;
    drop(feed);
    assert_eq!(bounded(fed.into_body(), 100).await.unwrap(), "the end");
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
    let _ = connection.await;
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let rig = Rig::start(limits());
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    flood.extend(frame(4, 0, 0, &[]));
    for stream in (1..20_000).step_by(2) {
        // GET, http, "/", authority "x" (RFC 7541, appendix A); then CANCEL.
        flood.extend(frame(1, 0x5, stream, &[0x82, 0x86, 0x84, 0x41, 1, b'x']));
        flood.extend(frame(3, 0, stream, &8u32.to_be_bytes()));
    }
    let (mut from, mut to) = rig.connect().await.into_split();
    let writing = tokio::spawn(async move { to.write_all(&flood).await.is_ok() });
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, from.read_to_end(&mut answer))
        .await
        .expect("the connection is closed");
    // GOAWAY, whose second word is the reason: ENHANCE_YOUR_CALM.
    let goaway = answer.windows(17).any(|frame| frame[3] == 7 && frame[13..] == 11u32.to_be_bytes());
    assert!(goaway, "{answer:?}");
    writing.await.unwrap();
    rig.reaches(names::CONNECTIONS, &[], 0.0).await;
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
