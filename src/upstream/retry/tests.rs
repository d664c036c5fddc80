use super::*;
use crate::error::Error;
use crate::upstream::script::limits;
use http::StatusCode;
use tokio::time::Instant;
use tower::retry::Retry;
use tower::{ServiceExt as _, service_fn};

type Outcome = Result<Response<Body>, Failure>;

/// Plays `outcomes` in turn; gives the last one, how many were used and how long it took.
async fn play(attempts: u32, outcomes: Vec<fn() -> Outcome>) -> (Outcome, usize, Duration) {
    let config = config::Upstream { attempts, retry_delay: Duration::from_secs(1), ..limits() };
    let used = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = used.clone();
    let inner = service_fn(move |_: Request<()>| {
        let at = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        std::future::ready(outcomes[at.min(outcomes.len() - 1)]())
    });
    let begun = Instant::now();
    let outcome = Retry::new(Again::new(&config), inner).oneshot(Request::new(())).await;
    (outcome, used.load(std::sync::atomic::Ordering::Relaxed), begun.elapsed())
}

fn status(status: u16, after: Option<&str>) -> Outcome {
    let mut builder = Response::builder().status(status);
    if let Some(after) = after {
        builder = builder.header("retry-after", after);
    }
    Ok(builder.body(Body::empty()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn recovers() {
    let broken = || Err(Failure::Transient(Error::bad_gateway("broken")));
    let (outcome, used, took) = play(5, vec![broken, || status(503, None), || status(200, None)]).await;
    assert_eq!((outcome.unwrap().status(), used), (StatusCode::OK, 3));
    // 1 s and 1.75 s, a quarter more or less.
    assert!(took >= Duration::from_millis(2062) && took <= Duration::from_millis(3440), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn gives_up_after_its_attempts() {
    for code in [429, 500, 502, 503, 504] {
        let bad: Vec<fn() -> Outcome> = match code {
            429 => vec![|| status(429, None)],
            500 => vec![|| status(500, None)],
            502 => vec![|| status(502, None)],
            503 => vec![|| status(503, None)],
            _ => vec![|| status(504, None)],
        };
        let (outcome, used, _) = play(3, bad).await;
        assert_eq!((outcome.unwrap().status().as_u16(), used), (code, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_is_not_repeated() {
    let settled: [fn() -> Outcome; 5] = [
        || status(404, None),
        || status(401, None),
        || status(416, None),
        || status(501, None),
        || Err(Failure::Final(Error::gateway_timeout("late"))),
    ];
    for outcome in settled {
        assert_eq!(play(5, vec![outcome]).await.1, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_it_is_asked_within_reason() {
    let (_, used, took) = play(2, vec![|| status(429, Some("4")), || status(200, None)]).await;
    assert_eq!((used, took.as_secs()), (2, 4));
    let (outcome, used, took) = play(5, vec![|| status(429, Some("3600"))]).await;
    assert_eq!((outcome.unwrap().status().as_u16(), used, took), (429, 1, Duration::ZERO));
    assert_eq!(play(2, vec![|| status(503, Some("soon")), || status(200, None)]).await.1, 2);
}

#[tokio::test(start_paused = true)]
async fn those_who_are_told_the_same_time_do_not_all_come_then() {
    let config = config::Upstream { retry_delay: Duration::from_secs(1), ..limits() };
    let again = Again::new(&config);
    let asked = Duration::from_secs(4);
    let delays: Vec<Duration> = (0..50)
        .map(|_| again.clone().decide("quay", Verdict::Promising(Some(asked))).expect("it is worth a try"))
        .collect();
    assert!(delays.iter().all(|delay| *delay >= asked && *delay <= asked + Duration::from_millis(500)));
    assert!(delays.iter().any(|delay| *delay != delays[0]), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_spends_the_budget_of_one_peer() {
    let mut again = Again::new(&limits());
    // Ten a second for ten seconds are in reserve.
    for _ in 0..100 {
        assert!(again.clone().decide("quay", Verdict::Promising(None)).is_some());
    }
    assert!(again.decide("quay", Verdict::Promising(None)).is_none());
    assert!(again.decide("ghcr", Verdict::Promising(None)).is_some());
}

#[test]
fn each_listed_registry_is_a_peer() {
    use crate::upstream::Registries;
    use crate::upstream::script::latest;
    let mut config = config::Registries::default();
    let host = |name: &str| name.parse::<crate::oci::Host>().unwrap();
    config.listed.insert(host("a.example"), config::Registry::default());
    config.listed.insert(host("b.example"), config::Registry::default());
    let registries = Registries::new(&config);
    let peer = |name| {
        crate::upstream::script::fetch(&registries.find(&host(name)).unwrap(), latest()).peer().to_string()
    };
    assert_ne!(peer("a.example"), peer("b.example"));
    assert_eq!(peer("c.example"), peer("d.example"));
}
