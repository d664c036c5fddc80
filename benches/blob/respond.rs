//! Servers of ours that answer with the same bytes whatever is asked: what a request costs at least.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Serves as `kind`, `epoll` or `bare`, on a port of loopback, the message that is in `file`, until it is killed.
pub(crate) fn serve(kind: &str, port: &str, file: &str) {
    let message = std::fs::read(file).expect("a message");
    let listener =
        TcpListener::bind(("127.0.0.1", port.parse().expect("a port"))).expect("a port nobody has");
    listener.set_nonblocking(true).expect("a socket");
    match kind {
        "epoll" => epoll_loop(&listener, &message),
        _ => bare(listener, &message),
    }
}

/// Receives, looks for the end of the head, sends. Clients of this bench send each request whole.
fn epoll_loop(listener: &TcpListener, message: &[u8]) {
    const LISTENER: u64 = u64::MAX;
    let ready = epoll::EventFlags::IN;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
    epoll::add(&poll, listener, epoll::EventData::new_u64(LISTENER), ready).expect("epoll");
    let mut streams = HashMap::new();
    let mut next = 0;
    let mut events = Vec::with_capacity(256);
    let mut buffer = [0; 4096];
    loop {
        events.clear();
        if epoll::wait(&poll, spare_capacity(&mut events), None).is_err() {
            continue;
        }
        for event in events.drain(..) {
            let id = event.data.u64();
            if id == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nodelay(true).expect("a socket");
                    stream.set_nonblocking(true).expect("a socket");
                    epoll::add(&poll, &stream, epoll::EventData::new_u64(next), ready).expect("epoll");
                    streams.insert(next, stream);
                    next += 1;
                }
                continue;
            }
            let Some(stream) = streams.get_mut(&id) else { continue };
            let answered = match stream.read(&mut buffer) {
                Ok(count) if is_request(&buffer[..count]) => stream.write_all(message).is_ok(),
                _ => false,
            };
            if !answered {
                streams.remove(&id);
            }
        }
    }
}

fn is_request(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GET /") && bytes.windows(4).any(|end| end == b"\r\n\r\n")
}

/// hyper as it is by default, and one service that clones a response.
fn bare(listener: TcpListener, message: &[u8]) {
    let end = message.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    let body = Bytes::copy_from_slice(&message[end + 4..]);
    let head = String::from_utf8_lossy(&message[..end]);
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let mut headers: HeaderMap = fields
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::try_from(value).expect("a value"))
        })
        .collect();
    // hyper sets them.
    headers.remove(DATE);
    headers.remove(CONTENT_LENGTH);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            let (headers, body) = (headers.clone(), body.clone());
            let service = service_fn(move |_: Request<Incoming>| {
                let mut response = Response::new(Full::new(body.clone()));
                *response.headers_mut() = headers.clone();
                std::future::ready(Ok::<_, Infallible>(response))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}
