//! An upstream connection is waited for in pieces, and nothing that came is held back.

use super::splice::{GET, IDLE, Upstream, expect, noise};
use super::support::{PATIENCE, Rig, limits};
use crate::body::{Body, Frames, Socket, Source};
use crate::net::{Listener, Service};
use bytes::Bytes;
use http::{Request, Response, header};
use hyper::body::Incoming;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tower::util::BoxCloneSyncService;

/// Far more than is left near the end.
const FAST: usize = 24_000_000;
const TRICKLE: usize = 1024;

/// A registry that was fast and becomes slow: each kilobyte arrives when it was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trickle_is_delivered_at_its_pace() {
    let upstream = Upstream::default();
    let rig = upstream.rig();
    let content = noise(FAST + 40 * TRICKLE, 1);
    // More is promised, so that the trickle is far from the end.
    let mut far = upstream.answer(content.len() as u64 + 10_000_000, &[], IDLE).await;
    let mut stream = rig.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let (sent, slow) = (content.clone(), Arc::new(Mutex::new(Vec::new())));
    let times = slow.clone();
    let (go, gone) = oneshot::channel();
    let sending = tokio::spawn(async move {
        far.write_all(&sent[..FAST]).await.unwrap();
        gone.await.unwrap();
        for part in sent[FAST..].chunks(TRICKLE) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            times.lock().unwrap().push(Instant::now());
            far.write_all(part).await.unwrap();
        }
        far
    });
    expect(&mut stream, &content[..FAST], 100_000).await;
    go.send(()).unwrap();
    for (turn, part) in content[FAST..].chunks(TRICKLE).enumerate() {
        let mut got = [0; TRICKLE];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut got)).await.expect("in time").unwrap();
        let waited = slow.lock().unwrap()[turn].elapsed();
        assert!(got == part && waited < Duration::from_millis(100), "{turn}: {waited:?}");
    }
    drop(sending.await.unwrap());
}

/// What is left of a fast content comes however little it is, and the connection is as it was when it is given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    let (give, given) = oneshot::channel();
    let content = noise(FAST + 1, 2);
    let back = Box::new(move |stream| _ = give.send(stream));
    let socket = Socket::new(near, Bytes::new(), content.len() as u64, Some(back));
    let body = Arc::new(Mutex::new(Some(Body::frames(Frames::new(Source::Socket(socket), IDLE)))));
    let size = content.len();
    let service: Service = BoxCloneSyncService::new(tower::service_fn(move |_: Request<Incoming>| {
        let body = body.lock().unwrap().take().expect("one request");
        let response = Response::builder().header(header::CONTENT_LENGTH, size).body(body).unwrap();
        std::future::ready(Ok(response))
    }));
    let rig = Rig::with(Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap(), limits(), || service);
    let mut stream = rig.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let sent = content.clone();
    let sending = tokio::spawn(async move {
        far.write_all(&sent[..FAST]).await.unwrap();
        far
    });
    expect(&mut stream, &content[..FAST], 100_000).await;
    // A single byte, at once when all else has been taken: silence alone would have it come too, but later.
    let mut far = sending.await.unwrap();
    let written = Instant::now();
    far.write_all(&content[FAST..]).await.unwrap();
    let mut last = [0];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut last)).await.expect("in time").unwrap();
    assert_eq!(last, content[FAST..]);
    assert!(written.elapsed() < Duration::from_millis(40), "{:?}", written.elapsed());
    let near = tokio::time::timeout(PATIENCE, given).await.expect("it is given back").unwrap();
    // What it knew of being readable is used up.
    let nothing = near.try_read(&mut [0]);
    assert!(matches!(&nothing, Err(error) if error.kind() == ErrorKind::WouldBlock), "{nothing:?}");
    far.write_all(b"x").await.unwrap();
    let readable = tokio::time::timeout(PATIENCE, near.readable()).await;
    readable.expect("one byte is enough").unwrap();
}
