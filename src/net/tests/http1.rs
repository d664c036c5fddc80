use super::support::{PATIENCE, Rig, limits, rest};
use crate::net::{Addresses, Limits, Listener};
use crate::telemetry::names;
use socket2::{Domain, Socket, Type};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

async fn ask(rig: &Rig, request: &str) -> String {
    let mut stream = rig.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn a_request_knows_its_peer() {
    let rig = Rig::start(limits());
    let answer = ask(&rig, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("http 127.0.0.1"), "{answer}");
    rig.reaches(names::CONNECTIONS, &[("listener", "plain")], 0.0).await;
    assert_eq!(rig.value(names::CONNECTIONS_CLOSED, &[("reason", "done")]), 1.0);
}

#[tokio::test]
async fn one_socket_serves_both_families() {
    let rig = Rig::on(Listener::plain("[::]:0".parse().unwrap()).unwrap(), limits());
    for (host, shown) in [("127.0.0.1", "http 127.0.0.1"), ("::1", "http ::1")] {
        let mut stream = TcpStream::connect((host, rig.address.port())).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.ends_with(shown), "{answer}");
    }
}

#[tokio::test]
async fn a_slow_head_is_cut() {
    for start in ["", "GET / HT"] {
        let rig = Rig::start(Limits { header: Duration::from_millis(200), ..limits() });
        let mut stream = rig.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        rest(&mut stream).await;
        rig.reaches(names::CONNECTIONS_CLOSED, &[("reason", "silent")], 1.0).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_cut() {
    // Whether nothing more comes, or a head that is never complete.
    for more in ["", "GET / HT"] {
        let rig = Rig::start(Limits { idle: Duration::from_millis(200), ..limits() });
        let answer = ask(&rig, &format!("GET / HTTP/1.1\r\nHost: x\r\n\r\n{more}")).await;
        assert!(answer.ends_with("http 127.0.0.1"), "{answer}");
        rig.reaches(names::CONNECTIONS_CLOSED, &[("reason", "silent")], 1.0).await;
    }
}

#[tokio::test]
async fn a_used_connection_outlives_the_time_for_the_first_head() {
    let rig = Rig::start(Limits { header: Duration::from_millis(200), ..limits() });
    let mut stream = rig.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let mut rest = Vec::new();
        while !rest.ends_with(b"127.0.0.1") {
            rest.push(stream.read_u8().await.unwrap());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(rig.value(names::CONNECTIONS, &[]), 1.0);
}

#[tokio::test]
async fn an_address_has_its_share_of_connections() {
    let rig = Rig::start(Limits { addresses: Addresses::new(2), ..limits() });
    let (first, second) = (rig.connect().await, rig.connect().await);
    rig.reaches(names::CONNECTIONS_ACCEPTED, &[], 2.0).await;
    rest(&mut rig.connect().await).await;
    assert_eq!(rig.value(names::CONNECTIONS_REFUSED, &[("listener", "plain")]), 1.0);
    drop((first, second));
    rig.reaches(names::CONNECTIONS, &[], 0.0).await;
    let answer = ask(&rig, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn the_end_of_a_connection_says_why() {
    let rig = Rig::start(limits());
    let cookie = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(1 << 20));
    for (request, reason) in
        [("nonsense\r\n\r\n", "malformed"), (&*cookie, "too-large"), ("GET / HTTP/1.1\r\nHost", "incomplete")]
    {
        let mut stream = rig.connect().await;
        // The answer may come, and the connection go, before all is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        rest(&mut stream).await;
        rig.reaches(names::CONNECTIONS_CLOSED, &[("reason", reason)], 1.0).await;
    }
}

#[tokio::test]
async fn a_client_hello_is_declined_at_once() {
    let rig = Rig::start(limits());
    let started = Instant::now();
    let mut stream = rig.connect().await;
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.resize(517, 0);
    stream.write_all(&hello).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(1));
    rig.reaches(names::CONNECTIONS_CLOSED, &[("reason", "wrong-protocol")], 1.0).await;
}

#[tokio::test]
async fn nonsense_is_answered_with_400_and_closed() {
    let rig = Rig::start(limits());
    for (request, status) in [
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\nhello", "400"),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", "400"),
        ("nonsense\r\n\r\n", "400"),
        (&format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(1 << 20)), "431"),
        (&format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(10_000)), "431"),
    ] {
        let mut stream = rig.connect().await;
        // The answer may come, and the connection go, before all is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut head = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap().unwrap();
        let head = String::from_utf8_lossy(&head);
        assert_eq!(head, format!("HTTP/1.1 {status}"), "{:.60}", request);
        rest(&mut stream).await;
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut() {
    let rig = Rig::start(Limits { stall: Duration::from_secs(1), ..limits() });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(rig.address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    rig.reaches(names::CONNECTIONS_CLOSED, &[("reason", "stalled")], 1.0).await;
    assert_eq!(rig.value(names::CONNECTIONS, &[]), 0.0);
}

#[tokio::test]
async fn a_slow_reader_is_not_cut() {
    let rig = Rig::start(Limits { stall: Duration::from_secs(1), ..limits() });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(rig.address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // Three stall times, in which it takes a little at a time.
    let mut some = [0; 8192];
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(stream.read(&mut some).await.unwrap() > 0);
    }
    assert_eq!(rig.value(names::CONNECTIONS, &[]), 1.0);
}

#[tokio::test]
async fn a_document_has_ended_when_it_is_read() {
    let rig = Rig::start(limits());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(rig.address).await.unwrap();
    let size = 16 << 20;
    let request = format!("GET /full/{size} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 12]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.value("ended", &[]), 0.0, "most of it cannot have left");
    assert!(rest(&mut stream).await.len() > size);
    assert_eq!(rig.value("ended", &[("end", "complete")]), 1.0);
}

#[tokio::test]
async fn clients_beyond_the_limit_wait_their_turn() {
    let rig =
        Rig::start(Limits { connections: std::sync::Arc::new(tokio::sync::Semaphore::new(1)), ..limits() });
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let first = rig.connect().await;
    rig.reaches(names::CONNECTIONS_ACCEPTED, &[], 1.0).await;
    let mut second = rig.connect().await;
    second.write_all(request.as_bytes()).await.unwrap();
    let mut byte = [0];
    assert!(tokio::time::timeout(Duration::from_millis(100), second.read(&mut byte)).await.is_err());
    drop(first);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let taken = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    taken.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    taken.listen(1).unwrap();
    let address = taken.local_addr().unwrap().as_socket().unwrap();
    let error = Listener::plain(address).err().expect("somebody listens there");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
