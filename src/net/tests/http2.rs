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
    let io = TokioIo::new(rig.connect().await);
    // The smallest windows there are: what is not read, stops at once.
    let (send, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(65_535)
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

#[tokio::test]
async fn a_connection_without_streams_is_closed() {
    let rig = Rig::start(Limits { header: Duration::from_millis(300), ..limits() });
    let (mut send, connection) = client(&rig).await;
    send.send_request(get(&rig, "/")).await.unwrap();
    tokio::time::timeout(PATIENCE, connection).await.expect("closed for idleness").unwrap().unwrap();
    assert_eq!(rig.value(names::CONNECTIONS_CLOSED, &[("reason", "done")]), 1.0);
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
    let refused = async {
        while send.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("GOAWAY comes while a stream is open");
    rig.feed.send(Bytes::from_static(b"the end")).unwrap();
    let Rig { feed, serving, .. } = rig;
    drop(feed);
    assert_eq!(bounded(fed.into_body(), 100).await.unwrap(), "the end");
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
    let _ = connection.await;
}
