//! A client that costs next to nothing: it asks for blobs and has the kernel discard them.

use rustix::net::{RecvFlags, recv};
use rustls::pki_types::ServerName;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Where a server takes blobs, and how.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// The value of `Authorization`, where it is needed.
    pub(crate) authorization: Option<&'static str>,
}

/// `connections` clients, each of which pulls the blob of `size` bytes `times` times.
pub(crate) fn pull(target: &Target, connections: usize, times: usize, size: u64) {
    std::thread::scope(|scope| {
        for _ in 0..connections {
            let work = || match &target.tls {
                None => plain(target, times, size),
                Some(tls) => (0..times).for_each(|_| secure(target, tls, size)),
            };
            // Thousands of them wait; none needs much.
            std::thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, work).expect("a thread");
        }
    });
}

/// `connections` clients that ask for the blob and read nothing but the head, all held at once.
pub(crate) fn stall(target: &Target, connections: usize) -> Vec<TcpStream> {
    let stalled = (0..connections).map(|_| {
        let mut stream = connect(target);
        match &target.tls {
            None => {
                stream.write_all(request(target, false).as_bytes()).expect("sent");
                let size = head(&mut stream);
                assert!(size > 0);
            }
            Some(tls) => shake(target, tls, &mut stream),
        }
        stream
    });
    stalled.collect()
}

fn connect(target: &Target) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", target.port)).expect("a listener");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    stream
}

fn request(target: &Target, close: bool) -> String {
    let close = if close { "Connection: close\r\n" } else { "" };
    format!("GET {} HTTP/1.1\r\nHost: localhost:{}\r\n{close}\r\n", target.path, target.port)
}

fn plain(target: &Target, times: usize, size: u64) {
    let mut stream = connect(target);
    // Never written to: the kernel discards.
    let mut nothing = vec![0u8; 1 << 20];
    for _ in 0..times {
        stream.write_all(request(target, false).as_bytes()).expect("sent");
        let mut left = head(&mut stream);
        assert_eq!(left, size, "another blob");
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(nothing.len());
            let (_, count) =
                recv(&stream, &mut nothing[..most], RecvFlags::TRUNC).expect("the connection holds");
            assert!(count > 0, "the body breaks off");
            left -= count as u64;
        }
    }
}

/// Reads the head of a 200; the length it announces.
fn head(stream: &mut TcpStream) -> u64 {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|text| text.trim().parse().ok()).expect("a length")
}

/// Asks over TLS, then discards the records as they are: opening them is not what is measured.
fn secure(target: &Target, tls: &Arc<rustls::ClientConfig>, size: u64) {
    let mut stream = connect(target);
    shake(target, tls, &mut stream);
    let mut nothing = vec![0u8; 1 << 20];
    let mut got = 0;
    while let (_, count @ 1..) =
        recv(&stream, &mut nothing[..], RecvFlags::TRUNC).expect("the connection holds")
    {
        got += count as u64;
    }
    assert!(got + (1 << 20) >= size, "the body breaks off after {got}");
}

fn shake(target: &Target, tls: &Arc<rustls::ClientConfig>, stream: &mut TcpStream) {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut session = rustls::ClientConnection::new(tls.clone(), name).expect("a configuration");
    rustls::Stream::new(&mut session, stream).write_all(request(target, true).as_bytes()).expect("sent");
}
