use super::*;
use crate::body::{Broken, Cause};
use crate::error::{BoxError, Error, RescueLayer};
use crate::grant::Token;
use crate::net::{Peer, Scheme};
use crate::oci::Code;
use crate::telemetry::{Metrics, names, testing};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use metrics_exporter_prometheus::PrometheusRecorder;
use std::io;
use std::sync::{Arc, Mutex};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn capture() -> (Lines, tracing::subscriber::DefaultGuard) {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer =
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
        (lines, tracing::subscriber::set_default(tracing_subscriber::registry().with(layer)))
    }

    fn access(&self) -> Vec<serde_json::Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["target"] == "access").collect()
    }
}

fn metered() -> (&'static PrometheusRecorder, Metrics) {
    let (recorder, metrics) = testing::recorder();
    (Box::leak(Box::new(recorder)), metrics)
}

fn layer() -> RecordLayer {
    RecordLayer { access: Access::On, handles: Arc::default() }
}

async fn answer(request: Request<()>, outcome: Result<&'static str, Error>) -> Response<Body> {
    let inner = service_fn(move |_: Request<()>| {
        std::future::ready(outcome.clone().map(|text| Response::new(Body::full(text))))
    });
    ServiceBuilder::new().layer(layer()).layer(RescueLayer).service(inner).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn the_line_is_written_when_the_body_ends() {
    let (recorder, metrics) = metered();
    let _recorder = metrics::set_default_local_recorder(recorder);
    let (lines, _log) = Lines::capture();
    let token = Token::mint().unwrap();
    let path = format!("/v2/wt/{}/library/busybox/manifests/latest?x=hush", token.expose());
    let peer = Peer { address: "192.0.2.7:4711".parse().unwrap(), scheme: Scheme::Https };
    let request =
        Request::get(path).header("authorization", "Basic aHVzaDpodXNo").extension(peer).body(()).unwrap();
    let response = answer(request, Ok("hello")).await;
    let id = response.headers()[REQUEST_ID].to_str().unwrap().to_string();
    assert_eq!(lines.access().len(), 0);
    assert_eq!(testing::value(&metrics, names::REQUESTS_IN_FLIGHT, &[]), 1.0);
    crate::body::bounded(response.into_body(), 100).await.unwrap();

    let [line] = &lines.access()[..] else { panic!("one line") };
    let masked = format!("/v2/wt/{token}/library/busybox/manifests/latest");
    for (key, value) in [
        ("id", &*id),
        ("peer", "192.0.2.7:4711"),
        ("scheme", "https"),
        ("method", "GET"),
        ("kind", "manifest"),
        ("path", &*masked),
        ("end", "complete"),
    ] {
        assert_eq!(line[key], value, "{key}");
    }
    assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &5.into()));
    assert!(!line.to_string().contains("hush") && !line.to_string().contains("aHVz"));
    assert_eq!(testing::value(&metrics, names::REQUESTS_IN_FLIGHT, &[]), 0.0);
    assert_eq!(testing::value(&metrics, names::RESPONSE_BYTES, &[("kind", "manifest")]), 5.0);
    assert_eq!(testing::value(&metrics, names::STREAMS, &[("end", "complete")]), 1.0);
    assert_eq!(testing::value(&metrics, &format!("{}_count", names::REQUEST_DURATION), &[]), 1.0);
}

#[tokio::test]
async fn an_error_is_counted_with_code_and_side() {
    let (recorder, metrics) = metered();
    let _recorder = metrics::set_default_local_recorder(recorder);
    let request = Request::get("/v2/a/blobs/x").body(()).unwrap();
    drop(answer(request, Err(Error::client(Code::DigestInvalid, "no"))).await);
    let labels = [("kind", "blob"), ("status", "400"), ("code", "DIGEST_INVALID"), ("side", "client")];
    assert_eq!(testing::value(&metrics, names::REQUESTS, &labels), 1.0);
    assert_eq!(testing::value(&metrics, names::STREAMS, &[("end", "dropped")]), 1.0);
}

#[tokio::test]
async fn a_body_that_breaks_off_says_why() {
    let (recorder, metrics) = metered();
    let _recorder = metrics::set_default_local_recorder(recorder);
    let (lines, _log) = Lines::capture();
    let errors: [(BoxError, &str); 3] = [
        (Broken::new(Cause::Idle, "upstream sent nothing for 60 s").into(), "idle"),
        (io::Error::other("disk").into(), "file"),
        ("strange".into(), "other"),
    ];
    for (error, cause) in errors {
        let text = error.to_string();
        let frames = futures_util::stream::iter([Ok(Frame::data(Bytes::from("half"))), Err(error)]);
        let body = std::sync::Mutex::new(Some(Body::local(StreamBody::new(frames))));
        let inner = service_fn(move |_: Request<()>| {
            let body = body.lock().unwrap().take().unwrap();
            std::future::ready(Ok::<_, Error>(Response::new(body)))
        });
        let request = Request::get("/v2/a/tags/list").body(()).unwrap();
        let response = ServiceBuilder::new().layer(layer()).service(inner).oneshot(request).await.unwrap();
        assert!(crate::body::bounded(response.into_body(), 100).await.is_err());
        assert_eq!(testing::value(&metrics, names::BROKEN, &[("cause", cause)]), 1.0);
        let all = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let warned = all.lines().find(|line| line.contains("broke off") && line.contains(cause)).unwrap();
        assert!(
            warned.contains("WARN") && warned.contains(&text) && warned.contains("\"bytes\":4"),
            "{warned}"
        );
    }
    assert_eq!(testing::value(&metrics, names::STREAMS, &[("end", "failed")]), 3.0);
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_head_is_recorded() {
    let (recorder, metrics) = metered();
    let _recorder = metrics::set_default_local_recorder(recorder);
    let (lines, _log) = Lines::capture();
    let (mut service, _requests) = tower_test::mock::spawn_layer::<Request<()>, Response<Body>, _>(layer());
    assert!(service.poll_ready().is_ready());
    drop(service.call(Request::get("/v2/").body(()).unwrap()));
    assert_eq!(testing::value(&metrics, names::REQUESTS, &[("kind", "ping"), ("status", "none")]), 1.0);
    assert_eq!(testing::value(&metrics, names::REQUESTS_IN_FLIGHT, &[]), 0.0);
    assert_eq!(lines.access()[0]["end"], "dropped");
}

#[tokio::test]
async fn a_sane_request_id_is_kept() {
    for (given, kept) in [("a-1.B_c", true), ("x\"y", false), ("", false), (&*"x".repeat(65), false)] {
        let request = Request::get("/").header(REQUEST_ID, given).body(()).unwrap();
        let id = answer(request, Ok("")).await.headers()[REQUEST_ID].clone();
        assert_eq!(id == given, kept, "{given}");
        assert!(kept || id.len() == 16);
    }
}
