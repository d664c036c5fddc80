//! Blobs over connections of our own keeping, against an upstream that speaks bytes.

use super::*;
use crate::body::{Body, bounded};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every request gets, word for word, and how many connections there were.
struct Raw {
    registries: Arc<Registries>,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    /// After `requests` requests a connection is closed, without a word.
    async fn start(answer: &'static str, requests: usize) -> Raw {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let registries = listed(&listener.local_addr().unwrap().to_string(), Registry::default());
        let (connections, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counted, noted) = (connections.clone(), seen.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let noted = noted.clone();
                tokio::spawn(async move {
                    for _ in 0..requests {
                        let mut head = String::new();
                        while !head.ends_with("\r\n\r\n") {
                            let Ok(byte) = stream.read_u8().await else { return };
                            head.push(char::from(byte));
                        }
                        noted.lock().unwrap().push(head);
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        Raw { registries, connections, requests: seen }
    }

    async fn get(&self, upstream: &Upstream) -> Result<Bytes, crate::error::Error> {
        let body = upstream.clone().oneshot(fetch(&only(&self.registries), blob())).await?.into_body();
        bounded(body, 1 << 20).await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_connection_carries_blob_after_blob() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblob", 1),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nblob\r\n0\r\n\r\n", 1),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: Close\r\n\r\nblob", 3),
        ("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nblob", 3),
        // Whoever says more than it announced is not asked again.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblobHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            3,
        ),
        ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblob", 1),
    ];
    for (answer, connections) in cases {
        let raw = Raw::start(answer, 100).await;
        let upstream = whole(&limits(), &raw.registries);
        for _ in 0..3 {
            assert_eq!(raw.get(&upstream).await.unwrap(), "blob", "{answer}");
        }
        assert_eq!(raw.connections(), connections, "{answer}");
        let requests = raw.requests.lock().unwrap();
        let host = only(&raw.registries).host.to_string();
        let line = format!("GET /v2/library/x/blobs/{} HTTP/1.1\r\n", crate::oci::Digest::sha256("blob"));
        assert!(requests.iter().all(|head| head.starts_with(&line)), "{requests:?}");
        assert!(requests.iter().all(|head| head.to_lowercase().contains(&format!("\r\nhost: {host}\r\n"))));
    }
}

/// SECURITY case 36: the peer closes an idle connection at the moment it is used again.
#[tokio::test]
async fn case_36_a_closed_idle_connection_costs_no_request() {
    let raw = Raw::start("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblob", 1).await;
    // No retries but that of the connection itself.
    let config = config::Upstream { attempts: 1, ..limits() };
    let upstream = whole(&config, &raw.registries);
    for turn in 1..=1000 {
        assert_eq!(raw.get(&upstream).await.unwrap(), "blob");
        assert_eq!(raw.connections(), turn);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_fails() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nblob",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nblob\r\n",
    ] {
        let raw = Raw::start(answer, 1).await;
        let error = raw.get(&whole(&limits(), &raw.registries)).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{answer}");
    }
}

#[tokio::test]
async fn a_connection_whose_body_is_left_is_not_used_again() {
    let raw = Raw::start("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nblob", 100).await;
    let upstream = whole(&limits(), &raw.registries);
    for turn in 1..=3 {
        let response = upstream.clone().oneshot(fetch(&only(&raw.registries), blob())).await.unwrap();
        drop::<Body>(response.into_body());
        assert_eq!(raw.connections(), turn);
    }
}

#[tokio::test]
async fn idle_connections_are_closed_in_time() {
    let raw = Raw::start("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblob", 100).await;
    let config = config::Upstream { pool_idle: Duration::from_millis(50), ..limits() };
    let upstream = whole(&config, &raw.registries);
    raw.get(&upstream).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    raw.get(&upstream).await.unwrap();
    assert_eq!(raw.connections(), 2);
}
