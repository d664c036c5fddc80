use super::*;
use crate::body::Body;
use crate::telemetry::testing;
use crate::upstream::script::{alice, fetch, hub, latest, limits, listed, only};
use crate::upstream::{Failure, Registries};
use http::Response;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tower::{Layer as _, ServiceExt as _, service_fn};

type Answer = fn() -> Result<Response<Body>, Failure>;

fn rule() -> config::Upstream {
    config::Upstream {
        breaker_failures: 3,
        breaker_pause: Duration::from_secs(2),
        breaker_longest: Duration::from_secs(8),
        ..limits()
    }
}

fn status(status: u16) -> Result<Response<Body>, Failure> {
    Ok(Response::builder().status(status).body(Body::empty()).unwrap())
}

fn reset() -> Result<Response<Body>, Failure> {
    Err(Failure::Transient(Error::bad_gateway("reset")))
}

/// Sends a request that is answered so; its outcome, and whether it was sent.
async fn send(layer: &BreakerLayer, registry: &Arc<Registry>, answer: Answer) -> (Result<u16, Error>, bool) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let inner = service_fn(move |_: crate::pull::Fetch| {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(answer())
    });
    let outcome = tower::Layer::layer(layer, inner).oneshot(fetch(registry, latest())).await;
    (outcome.map(|r| r.status().as_u16()).map_err(Error::from), asked.load(Ordering::Relaxed) == 1)
}

#[tokio::test(start_paused = true)]
async fn what_counts() {
    let down: [Answer; 2] = [reset, || Err(Failure::Final(Error::gateway_timeout("late")))];
    // What fails for one repository alone is among them.
    let up: [Answer; 13] = [
        || status(500),
        || status(503),
        || status(504),
        || status(522),
        || status(200),
        || status(401),
        || status(404),
        || status(429),
        || status(501),
        || Err(Failure::Final(Error::bad_gateway("a certificate"))),
        || Err(Failure::Final(Error::new(Code::Denied, Side::Upstream, "no"))),
        || Err(Failure::Final(Error::new(Code::TooManyRequests, Side::Upstream, "the token server"))),
        || Err(Failure::Final(Error::gateway_timeout("no connection was free").unasked())),
    ];
    for (answers, opens) in [(&down[..], true), (&up[..], false)] {
        for (at, answer) in answers.iter().enumerate() {
            let (layer, registry) = (BreakerLayer::new(&rule()), hub());
            for _ in 0..3 {
                assert!(send(&layer, &registry, *answer).await.1, "{opens} {at}");
            }
            assert_ne!(send(&layer, &registry, *answer).await.1, opens, "{opens} {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_left_alone_and_tried_again() {
    let (recorder, metrics) = testing::recorder();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let open = || testing::value(&metrics, names::UPSTREAM_BREAKER_OPEN, &[("registry", "hub")]);
    let policy = config::Registry {
        alias: Some("hub".into()),
        credentials: Some(alice()),
        ..config::Registry::default()
    };
    let registry = only(&listed("a.example", policy));
    let layer = BreakerLayer::new(&rule());
    for _ in 0..3 {
        _ = send(&layer, &registry, reset).await;
    }
    assert_eq!(open(), 1.0);
    let (refused, sent) = send(&layer, &registry, || status(200)).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.code(), refused.status().as_u16(), sent), (Code::Unavailable, 503, false));
    assert_eq!((refused.retry_after(), refused.is_unasked()), (Some(Duration::from_secs(2)), true));
    assert!(!refused.message().contains("alice") && !refused.message().contains("s3cret"));
    assert_eq!(send(&layer, &hub(), || status(200)).await.0.unwrap(), 200, "another registry");

    // One request decides. Whoever leaves before decides nothing.
    tokio::time::advance(Duration::from_secs(2)).await;
    let stuck = layer.layer(service_fn(|_| std::future::pending::<Result<Response<Body>, Failure>>()));
    let trial = stuck.oneshot(fetch(&registry, latest()));
    assert!(tokio::time::timeout(Duration::from_secs(1), trial).await.is_err());
    assert!(send(&layer, &registry, reset).await.1, "the next one");
    let (refused, _) = send(&layer, &registry, || status(200)).await;
    assert_eq!(refused.unwrap_err().retry_after(), Some(Duration::from_secs(4)));
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(open(), 1.0);
    assert!(send(&layer, &registry, || status(404)).await.1, "an answer");
    assert_eq!((open(), send(&layer, &registry, || status(200)).await.1), (0.0, true));
    let refused = testing::value(&metrics, names::UPSTREAM_BREAKER_REFUSED, &[("registry", "hub")]);
    assert_eq!(refused, 2.0);
}

#[tokio::test(start_paused = true)]
async fn there_are_only_so_many() {
    let (recorder, metrics) = testing::recorder();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let registries = Registries::new(&config::Registries::default());
    let layer = BreakerLayer::new(&config::Upstream { breaker_failures: 1, ..rule() });
    let unlisted = |number: usize| registries.find(&format!("r{number}.example").parse().unwrap()).unwrap();
    for number in 0..2 * REMEMBERED {
        _ = send(&layer, &unlisted(number), reset).await;
    }
    assert_eq!(layer.known(), REMEMBERED);
    assert!(send(&layer, &unlisted(REMEMBERED + 1), reset).await.1, "asked all the same");
    _ = send(&layer, &hub(), reset).await;
    assert!(!send(&layer, &hub(), reset).await.1, "a listed one has its place");

    // Nobody has come back for them in time.
    tokio::time::advance(Duration::from_secs(5)).await;
    _ = send(&layer, &unlisted(REMEMBERED + 1), reset).await;
    assert_eq!(layer.known(), 2);
    assert_eq!(testing::value(&metrics, names::UPSTREAM_BREAKER_OPEN, &[]), 2.0);
}
