use super::*;
use crate::upstream::script::{alice, anonymous, blob, fetch, hub, latest, listed, only};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::{Layer as _, ServiceExt as _, service_fn};

type Answer = fn() -> Result<Response<Body>, Failure>;

fn refused(after: &'static str) -> Result<Response<Body>, Failure> {
    Ok(Response::builder().status(429).header("retry-after", after).body(Body::empty()).unwrap())
}

/// Sends a request that is answered so: the error, and whether it was sent.
async fn send(layer: &HoldLayer, fetch: Fetch, answer: Answer) -> (Option<Error>, bool) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let inner = service_fn(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(answer())
    });
    let outcome = layer.layer(inner).oneshot(fetch).await;
    (outcome.err().map(Error::from), asked.load(Ordering::Relaxed) == 1)
}

fn fine() -> Result<Response<Body>, Failure> {
    Ok(Response::new(Body::empty()))
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_asked_when_it_wants_to_be() {
    let (layer, hub) = (HoldLayer::new(), hub());
    let pull = || fetch(&hub, latest());
    assert!(send(&layer, pull(), || refused("100")).await.1);
    tokio::time::advance(Duration::from_secs(40)).await;
    let (error, sent) = send(&layer, pull(), fine).await;
    let error = error.unwrap();
    assert_eq!((error.code(), error.status().as_u16(), sent), (Code::TooManyRequests, 429, false));
    assert_eq!((error.retry_after(), error.is_unasked()), (Some(Duration::from_secs(60)), true));
    // What it does not count goes on.
    assert!(send(&layer, Fetch { verb: Verb::Head, ..pull() }, fine).await.1);
    assert!(send(&layer, fetch(&hub, blob()), fine).await.1);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(send(&layer, pull(), fine).await.1);
    assert!(send(&layer, pull(), fine).await.1);
}

#[tokio::test(start_paused = true)]
async fn each_access_at_each_registry_has_its_own() {
    let layer = HoldLayer::new();
    let policy = crate::config::Registry { credentials: Some(alice()), ..Default::default() };
    let one = only(&listed("a.example", policy));
    assert!(send(&layer, fetch(&one, latest()), || refused("100")).await.1);
    assert!(!send(&layer, fetch(&one, latest()), fine).await.1);
    assert!(send(&layer, anonymous(fetch(&one, latest())), fine).await.1);
    assert!(send(&layer, fetch(&hub(), latest()), fine).await.1);
}

#[tokio::test(start_paused = true)]
async fn only_what_was_said_counts_and_not_for_ever() {
    let said: [(Answer, u64); 6] = [
        (|| refused("soon"), 0),
        (|| refused("0"), 0),
        (|| Ok(Response::builder().status(503).header("retry-after", "9").body(Body::empty()).unwrap()), 0),
        (|| refused("999999"), 3600),
        (
            || {
                let error = Error::new(Code::TooManyRequests, Side::Upstream, "the token server");
                Err(Failure::Final(error.with_retry_after(Duration::from_secs(9))))
            },
            9,
        ),
        (
            || {
                let error = Error::new(Code::TooManyRequests, Side::Proxy, "our own rate");
                Err(Failure::Final(error.with_retry_after(Duration::from_secs(9)).unasked()))
            },
            0,
        ),
    ];
    for (at, (answer, seconds)) in said.into_iter().enumerate() {
        let layer = HoldLayer::new();
        send(&layer, fetch(&hub(), latest()), answer).await;
        let (error, _) = send(&layer, fetch(&hub(), latest()), fine).await;
        let told = error.and_then(|error| error.retry_after()).unwrap_or_default();
        assert_eq!(told.as_secs(), seconds, "{at}");
    }
}
