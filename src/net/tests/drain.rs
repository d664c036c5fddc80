use super::support::{PATIENCE, Rig, limits, rest};
use crate::net::{Drain, Ended, Listener};
use bytes::Bytes;
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"GET /feed HTTP/1.1\r\nHost: x\r\n\r\n";

/// A request whose response head has come.
async fn in_flight(rig: &Rig) -> TcpStream {
    let mut stream = rig.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    stream
}

#[tokio::test]
async fn a_body_in_flight_is_finished_and_nobody_new_comes_in() {
    let rig = Rig::start(limits());
    let mut stream = in_flight(&rig).await;
    let idle = rig.connect().await;
    rig.drain.start();
    let refused = async { while TcpStream::connect(rig.address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("the listener is closed");
    rig.feed.send(Bytes::from_static(b"first ")).unwrap();
    rig.feed.send(Bytes::from_static(b"last")).unwrap();
    let Rig { feed, serving, .. } = rig;
    drop(feed);
    let text = rest(&mut stream).await;
    assert!(text.contains("first ") && text.ends_with("last\r\n0\r\n\r\n"), "{text}");
    tokio::time::timeout(PATIENCE, serving).await.expect("an idle connection holds nobody up").unwrap();
    drop(idle);
}

#[tokio::test]
async fn a_second_signal_cuts_what_is_in_flight() {
    let rig = Rig::start(limits());
    let mut stream = in_flight(&rig).await;
    let (stops, signalled) = tokio::sync::mpsc::unbounded_channel();
    let signalled = futures_util::stream::unfold(signalled, |mut signalled| async {
        signalled.recv().await.map(|()| ((), signalled))
    });
    let Rig { drain, serving, feed, .. } = rig;
    let run = drain.run(async { serving.await.unwrap() }, signalled.boxed(), Duration::from_secs(3600));
    stops.send(()).unwrap();
    stops.send(()).unwrap();
    let ended = tokio::time::timeout(PATIENCE, run).await.expect("at once");
    assert_eq!(ended, Ended::Signal);
    let text = rest(&mut stream).await;
    assert!(!text.ends_with("0\r\n\r\n"), "a cut body must not look whole: {text}");
    drop(feed);
}

#[tokio::test]
async fn listeners_share_one_drain() {
    let (drain, watch) = Drain::new();
    let (first, second) = (Rig::start(limits()), Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap());
    let address = second.local_addr().unwrap();
    let service = tower::util::BoxCloneSyncService::new(tower::service_fn(|_| async {
        Ok(http::Response::new(crate::body::Body::empty()))
    }));
    let second = tokio::spawn(second.serve(service, limits(), watch));
    let serving = async {
        first.serving.await.unwrap();
        second.await.unwrap();
    };
    first.drain.start();
    let stops = futures_util::stream::iter([()]).chain(futures_util::stream::pending());
    assert_eq!(drain.run(serving, stops, PATIENCE).await, Ended::Complete);
    assert!(TcpStream::connect(address).await.is_err());
}
