//! The edge layers in their order, over a real connection.

use super::support::{Rig, limits, rest};
use crate::admission::{AdmissionLayer, Pool};
use crate::body::Body;
use crate::config::{Log, LogFormat};
use crate::error::{Error, RescueLayer};
use crate::net::Listener;
use crate::oci::Code;
use crate::telemetry::{RecordLayer, names};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, service_fn};

fn edge(pool: Pool) -> crate::net::Service {
    let log = Log { level: "info".into(), format: LogFormat::Text, access: true };
    let leaf = service_fn(async |request: Request<Incoming>| match request.uri().path() {
        "/v2/panic" => panic!("a bug"),
        "/v2/stuck" => std::future::pending().await,
        "/v2/big" => {
            let frames = std::iter::repeat_n(Bytes::from_static(&[0; 64 << 10]), 256);
            let frames = frames.map(|data| Ok::<_, BoxError>(Frame::data(data)));
            Ok(Response::new(Body::local(StreamBody::new(futures_util::stream::iter(frames)))))
        }
        _ => Err::<_, BoxError>(Error::client(Code::NameUnknown, "gone").into()),
    });
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            .layer(RecordLayer::new(&log))
            .layer(RescueLayer)
            .layer(AdmissionLayer::new(pool))
            .timeout(Duration::from_millis(500))
            .service(leaf),
    )
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
    let listener = Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap();
    let rig = Rig::with(listener, limits(), || edge(Pool::new("edge", 1)));
    for (path, status, code) in [
        ("/v2/panic", "500 ", "UNKNOWN"),
        ("/v2/stuck", "504 ", "UNAVAILABLE"),
        ("/v2/a/tags/list", "404 ", "NAME_UNKNOWN"),
    ] {
        let answer = ask(&rig, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("x-request-id: ") && answer.contains(code), "{answer}");
        assert_eq!(rig.value(names::REQUESTS, &[("status", status.trim()), ("code", code)]), 1.0);
    }
}

#[tokio::test]
async fn a_pull_in_flight_holds_its_permit_until_its_body_ends() {
    let listener = Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap();
    let rig = Rig::with(listener, limits(), || edge(Pool::new("edge", 1)));
    let mut first = rig.connect().await;
    first.write_all(get("/v2/big").as_bytes()).await.unwrap();
    first.read_exact(&mut [0; 12]).await.unwrap();
    let refused = ask(&rig, "/v2/a/tags/list").await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
    assert_eq!(rig.value(names::REFUSED, &[("pool", "edge")]), 1.0);
    assert!(rest(&mut first).await.len() > 16 << 20);
    rig.reaches(names::ADMITTED, &[("pool", "edge")], 0.0).await;
    assert!(ask(&rig, "/v2/a/tags/list").await.starts_with("HTTP/1.1 404 "));
}
