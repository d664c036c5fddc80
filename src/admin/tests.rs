use super::*;
use crate::net::{Addresses, Drain, Pipes};
use crate::telemetry::testing;
use http_body_util::Full;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tracing_subscriber::layer::SubscriberExt as _;

async fn ask(state: &State, method: Method, path: &str, body: &'static str) -> (u16, String, Response<()>) {
    let request = Request::builder().method(method).uri(path).body(Full::new(Bytes::from(body))).unwrap();
    let (head, body) = answer(state, request).await.into_parts();
    let body = bounded(body, 1 << 20).await.unwrap();
    (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap(), Response::from_parts(head, ()))
}

#[tokio::test]
async fn pages() {
    let (recorder, metrics) = testing::recorder();
    metrics::with_local_recorder(&recorder, || metrics::counter!("wave_pulls_total").increment(3));
    let (_filter, level) = Level::parse("info").unwrap();
    let (drain, watch) = Drain::new();
    let state = State::new(metrics, level, watch, Vec::new());

    let (status, text, response) = ask(&state, Method::GET, "/metrics", "").await;
    assert!(status == 200 && text.contains("wave_pulls_total 3"), "{status} {text}");
    assert!(
        response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain; version=0.0.4")
    );
    assert_eq!(ask(&state, Method::GET, "/livez", "").await.0, 200);
    let (status, text, response) = ask(&state, Method::HEAD, "/livez", "").await;
    assert_eq!(
        (status, &*text, &response.headers()[header::CONTENT_LENGTH]),
        (200, "", &"3".parse().unwrap())
    );
    let (status, text, _) = ask(&state, Method::GET, "/v2/", "").await;
    assert_eq!((status, &*text), (404, r#"{"message":"there is no such page here"}"#));
    let (status, _, response) = ask(&state, Method::DELETE, "/log", "").await;
    assert_eq!((status, &response.headers()[header::ALLOW]), (405, &"GET, HEAD, PUT".parse().unwrap()));

    let ready = |(status, text, _): (u16, String, _)| (status, text);
    let page = ask(&state, Method::GET, "/readyz", "").await;
    assert_eq!(ready(page), (200, r#"{"ready":true,"reasons":[]}"#.into()));
    drain.start();
    let page = ask(&state, Method::GET, "/readyz", "").await;
    assert_eq!(ready(page), (503, r#"{"ready":false,"reasons":["draining"]}"#.into()));
    assert_eq!(ask(&state, Method::GET, "/livez", "").await.0, 200);
}

#[tokio::test]
async fn checks_are_reasons() {
    let (_recorder, metrics) = testing::recorder();
    let (_filter, level) = Level::parse("info").unwrap();
    let (_drain, watch) = Drain::new();
    let checks: Vec<Check> = vec![Box::new(|| None), Box::new(|| Some("no state".into()))];
    let state = State::new(metrics, level, watch, checks);
    let (status, text, _) = ask(&state, Method::GET, "/readyz", "").await;
    assert_eq!((status, &*text), (503, r#"{"ready":false,"reasons":["no state"]}"#));
}

#[tokio::test]
async fn the_level_is_shown_and_set() {
    let (_recorder, metrics) = testing::recorder();
    let (filter, level) = Level::parse("info").unwrap();
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(filter));
    let (_drain, watch) = Drain::new();
    let state = State::new(metrics, level, watch, Vec::new());
    assert_eq!(ask(&state, Method::GET, "/log", "").await.1, "info\n");
    assert!(!tracing::enabled!(tracing::Level::DEBUG));
    assert_eq!(ask(&state, Method::PUT, "/log", "debug\n").await.0, 200);
    assert!(tracing::enabled!(tracing::Level::DEBUG));
    for bad in ["", "=", "wave=loud"] {
        assert_eq!(ask(&state, Method::PUT, "/log", bad).await.0, 400, "{bad}");
    }
    let long: &'static str = Box::leak("x".repeat(FILTER_LIMIT + 1).into_boxed_str());
    assert_eq!(ask(&state, Method::PUT, "/log", long).await.0, 400);
    assert_eq!(ask(&state, Method::GET, "/log", "").await.1, "debug\n");
}

#[tokio::test]
async fn it_serves_until_its_own_drain() {
    let (_recorder, metrics) = testing::recorder();
    let (_filter, level) = Level::parse("info").unwrap();
    let (clients, watch) = Drain::new();
    let (drain, own) = Drain::new();
    let listener = Listener::admin("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let second = Duration::from_secs(1);
    let limits = Limits {
        connections: Arc::new(Semaphore::new(4)),
        addresses: Addresses::new(4),
        pipes: Pipes::new(4),
        header: second,
        idle: second,
        tls: second,
        stall: second,
        splice: true,
    };
    let state = State::new(metrics, level, watch, Vec::new());
    let serving = tokio::spawn(serve(listener, state, limits, own));
    clients.start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("draining"), "{text}");
    drain.start();
    serving.await.unwrap();
}
