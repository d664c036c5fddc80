use super::*;
use crate::error::{Blame, BoxError};
use crate::oci::Code;
use http::{Method, StatusCode};
use std::time::Duration;
use tower::{ServiceExt as _, service_fn};
use tower_test::mock;

type Mock = mock::Mock<Request<()>, Response<Body>>;
type Handle = mock::Handle<Request<()>, Response<Body>>;

/// The layer over a service that the test plays, which is waited for within the call, as admission does it.
fn layered() -> (
    impl Service<Request<()>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static,
    Handle,
) {
    let (inner, handle): (Mock, Handle) = mock::pair();
    (RescueLayer.layer(service_fn(move |request| inner.clone().oneshot(request))), handle)
}

/// What becomes of a request whose service fails with `error`: status, blame and body.
async fn answer(method: Method, path: &str, error: impl Into<BoxError>) -> (Response<Body>, String) {
    let (service, mut handle) = layered();
    let request = Request::builder().method(method).uri(path).body(()).unwrap();
    let answer = tokio::spawn(service.oneshot(request));
    let (seen, reply) = handle.next_request().await.unwrap();
    assert_eq!(seen.uri().path(), path);
    reply.send_error(error);
    let (head, body) = answer.await.unwrap().unwrap().into_parts();
    let body = crate::body::bounded(body, 4096).await.unwrap();
    (Response::from_parts(head, Body::empty()), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn each_caller_gets_its_envelope() {
    let error = || Error::client(Code::NameUnknown, "gone");
    let registry = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"gone"}]}"#;
    for (method, path, body) in [
        (Method::GET, "/v2/x", registry),
        (Method::HEAD, "/v2/x", ""),
        (Method::POST, "/container-token", r#"{"message":"gone"}"#),
    ] {
        let (response, text) = answer(method, path, error()).await;
        assert_eq!((response.status(), &*text), (StatusCode::NOT_FOUND, body), "{path}");
        let blame = Blame { code: Code::NameUnknown, side: Side::Client };
        assert_eq!(response.extensions().get::<Blame>(), Some(&blame), "for the access line");
    }
}

#[tokio::test]
async fn an_error_keeps_its_time_and_one_of_nobody_is_ours() {
    let late = Error::overloaded("full", Duration::from_millis(1500));
    let (response, _) = answer(Method::GET, "/v2/x", late).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    let (response, text) = answer(Method::GET, "/v2/x", "secret").await;
    assert_eq!(response.status(), 500);
    assert!(text.contains("\"UNKNOWN\"") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn an_answer_passes_as_it_is() {
    let (service, mut handle) = layered();
    let answer = tokio::spawn(service.oneshot(Request::get("/v2/").body(()).unwrap()));
    let mut response = Response::new(Body::full("OK"));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    handle.next_request().await.unwrap().1.send_response(response);
    let response = answer.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert!(response.extensions().get::<Blame>().is_none());
    assert_eq!(crate::body::bounded(response.into_body(), 9).await.unwrap(), "OK");
}

#[tokio::test]
async fn it_is_ready_whatever_lies_below() {
    let (mut service, mut handle) = layered();
    handle.allow(0);
    let ready = std::future::poll_fn(|cx| service.poll_ready(cx));
    tokio::time::timeout(Duration::from_secs(5), ready).await.expect("it is ready").unwrap();
    let waiting = tokio::spawn(service.call(Request::get("/v2/").body(()).unwrap()));
    handle.allow(1);
    handle.next_request().await.unwrap().1.send_response(Response::new(Body::empty()));
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_panic_is_one_500() {
    let within = service_fn(|_: Request<()>| async { panic!("secret") as Result<Response<Body>, Error> });
    type Never = std::future::Ready<Result<Response<Body>, Error>>;
    let before = service_fn(|_: Request<()>| -> Never { panic!("secret") });
    let request = || Request::get("/v2/").body(()).unwrap();
    for response in [
        RescueLayer.layer(within).oneshot(request()).await.unwrap(),
        RescueLayer.layer(before).oneshot(request()).await.unwrap(),
    ] {
        assert_eq!(response.status(), 500);
        let body = crate::body::bounded(response.into_body(), 4096).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }
}
