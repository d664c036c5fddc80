//! The edge layers in their order, over a real connection.

use super::support::{Rig, limits, rest};
use crate::admission::Pool;
use crate::auth::{AccessKey, Accounts, Anonymous, Gate};
use crate::body::Body;
use crate::config::{self, Log, LogFormat};
use crate::error::{BoxError, Error};
use crate::net::Listener;
use crate::oci::Code;
use crate::pull::{Pull, What};
use crate::route::Pong;
use crate::stack;
use crate::telemetry::{RecordLayer, names};
use crate::upstream::Registries;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::service_fn;

/// The edge stack over pulls that are told by their tag what to do.
fn edge(pool: Pool) -> crate::net::Service {
    let log = Log { level: "info".into(), format: LogFormat::Text, access: true };
    let registries = Arc::new(Registries::new(&config::Registries::default()));
    let pull = service_fn(async |pull: Pull| {
        let What::Manifest(reference) = pull.wish else {
            return Err(Error::client(Code::NameUnknown, "gone"));
        };
        match &*reference.to_string() {
            "panic" => panic!("a bug"),
            "stuck" => std::future::pending().await,
            _ => {
                let frames = std::iter::repeat_n(Bytes::from_static(&[0; 64 << 10]), 256);
                let frames = frames.map(|data| Ok::<_, BoxError>(Frame::data(data)));
                Ok(Response::new(Body::local(StreamBody::new(futures_util::stream::iter(frames)))))
            }
        }
    });
    let control = service_fn(async |_: Request<Incoming>| {
        Err(Error::client(Code::NameUnknown, "there is no such page"))
    });
    let gate = Gate::new(Accounts::default(), Anonymous::Allowed, &registries, AccessKey::new(&[0; 32]));
    let deadline = Duration::from_millis(500);
    stack::edge(RecordLayer::new(&log), pool, deadline, registries, Pong::new(Arc::new(gate)), pull, control)
}

fn rig() -> Rig {
    let listener = Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap();
    Rig::with(listener, limits(), || edge(Pool::new("edge", 1)))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

async fn ask(rig: &Rig, path: &str) -> String {
    let mut stream = rig.connect().await;
    stream.write_all(get(path).as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn every_failure_is_an_answer() {
    let rig = rig();
    for (path, status, code) in [
        ("/v2/a/manifests/panic", "500 ", "UNKNOWN"),
        ("/v2/a/manifests/stuck", "504 ", "UNAVAILABLE"),
        ("/v2/a/tags/list", "404 ", "NAME_UNKNOWN"),
    ] {
        let answer = ask(&rig, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("x-request-id: ") && answer.contains(code), "{answer}");
        assert_eq!(rig.value(names::REQUESTS, &[("status", status.trim()), ("code", code)]), 1.0);
    }
}

#[tokio::test]
async fn what_no_part_of_the_api_has_is_refused_and_recorded() {
    let rig = rig();
    let long = format!("GET /v2/{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(9000));
    for (request, status, code) in [
        ("GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "400", "UNSUPPORTED"),
        ("HEAD /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", ""),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
            "",
        ),
        (&*long, "414", "NAME_INVALID"),
    ] {
        let mut stream = rig.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        // The connection is not kept, though nobody asked for that.
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(code), "{answer}");
        assert!(answer.contains("x-request-id: ") && answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(rig.value(names::REQUESTS, &[("status", "400"), ("side", "client")]), 3.0);
    assert_eq!(rig.value(names::REQUESTS, &[("status", "414"), ("code", "NAME_INVALID")]), 1.0);
    assert_eq!(rig.value(names::REQUESTS_REJECTED, &[("reason", "unexpected-body")]), 3.0);
    assert_eq!(rig.value(names::REQUESTS_REJECTED, &[("reason", "uri-too-long")]), 1.0);
}

#[tokio::test]
async fn a_pull_in_flight_holds_its_permit_until_its_body_ends() {
    let rig = rig();
    let mut first = rig.connect().await;
    first.write_all(get("/v2/a/manifests/big").as_bytes()).await.unwrap();
    first.read_exact(&mut [0; 12]).await.unwrap();
    let refused = ask(&rig, "/v2/a/tags/list").await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
    assert_eq!(rig.value(names::REFUSED, &[("pool", "edge")]), 1.0);
    assert!(rest(&mut first).await.len() > 16 << 20);
    rig.reaches(names::ADMITTED, &[("pool", "edge")], 0.0).await;
    assert!(ask(&rig, "/v2/a/tags/list").await.starts_with("HTTP/1.1 404 "));
}
