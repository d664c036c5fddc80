use super::*;
use crate::body::bounded;
use crate::oci::Digest;
use crate::pull::{Verb, What};
use crate::upstream::script::hub;
use bytes::Bytes;
use http_body::Frame;
use std::sync::{Arc, Mutex};
use tower::service_fn;
use tower::util::BoxCloneSyncService;

const CONTENT: &str = "0123456789";

/// `text` and then a break.
fn breaking(text: &'static str) -> Body {
    let frames = [Ok(Frame::data(Bytes::from(text))), Err(BoxError::from("broken"))];
    Body::local(http_body_util::StreamBody::new(futures_util::stream::iter(frames)))
}

fn head(status: u16, headers: &[(&'static str, &str)]) -> http::response::Builder {
    headers.iter().fold(Response::builder().status(status), |head, (name, value)| head.header(*name, *value))
}

type Play = Arc<dyn Fn(usize, &str) -> Result<Response<Body>, Error> + Send + Sync>;

const WAIT: Duration = Duration::from_secs(60);

/// Begins with `first`; the later requests are answered by `play`, which gets their number and `Range`. What came of it,
/// and the requests.
async fn pull(
    first: Response<Body>,
    tries: u32,
    play: impl Fn(usize, &str) -> Response<Body> + Send + Sync + 'static,
) -> (Result<Bytes, Error>, Vec<(String, String)>) {
    pull_or(first, tries, move |count, range| Ok(play(count, range))).await
}

/// The same where a request may be refused.
async fn pull_or(
    first: Response<Body>,
    tries: u32,
    play: impl Fn(usize, &str) -> Result<Response<Body>, Error> + Send + Sync + 'static,
) -> (Result<Bytes, Error>, Vec<(String, String)>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, play): (_, Play) = (seen.clone(), Arc::new(play));
    let upstream = service_fn(move |fetch: Fetch| {
        let text =
            |name| fetch.headers.get(name).map_or("", |v: &HeaderValue| v.to_str().unwrap()).to_string();
        let mut log = log.lock().unwrap();
        log.push((text(header::RANGE), text(header::IF_RANGE)));
        assert_eq!(fetch.redirects, Redirects::Follow);
        std::future::ready(play(log.len(), &log.last().unwrap().0))
    });
    let registry = hub();
    let fetch = Fetch {
        access: registry.access(),
        registry,
        repository: "library/x".parse().unwrap(),
        what: What::Blob(Digest::sha256(CONTENT)),
        verb: Verb::Get,
        headers: HeaderMap::new(),
        redirects: Redirects::HandOut,
    };
    let (parts, body) = first.into_parts();
    let body =
        resumed(BoxCloneSyncService::new(upstream), fetch, &parts, body, Patience { tries, wait: WAIT });
    let content = bounded(body, 100).await;
    let seen = seen.lock().unwrap().clone();
    (content, seen)
}

fn whole(text: &'static str) -> Response<Body> {
    head(200, &[("content-length", "10"), ("etag", "\"v1\"")]).body(breaking(text)).unwrap()
}

fn part(range: &str, body: Body) -> Response<Body> {
    head(206, &[("content-range", range), ("etag", "\"v1\"")]).body(body).unwrap()
}

#[tokio::test]
async fn a_break_is_mended_from_where_it_was() {
    let play = |count, _: &str| match count {
        1 => part("bytes 4-9/10", breaking("45")),
        _ => part("bytes 6-9/10", Body::full("6789")),
    };
    let (content, seen) = pull(whole("0123"), 1, play).await;
    assert_eq!(content.unwrap(), CONTENT);
    let asked = |range: &str| (range.to_string(), "\"v1\"".to_string());
    assert_eq!(seen, [asked("bytes=4-"), asked("bytes=6-")]);
}

#[tokio::test]
async fn a_part_stays_a_part() {
    let first = part("bytes 2-7/10", breaking("23"));
    let (content, seen) = pull(first, 1, |_, _| part("bytes 4-7/10", Body::full("4567"))).await;
    assert_eq!((&content.unwrap()[..], &*seen[0].0), (&b"234567"[..], "bytes=4-7"));
}

#[tokio::test]
async fn an_upstream_without_ranges_sends_all_again() {
    let again = |_, _: &str| head(200, &[("content-length", "10")]).body(Body::full(CONTENT)).unwrap();
    let (content, seen) = pull(whole("0123"), 1, again).await;
    assert_eq!((&content.unwrap()[..], seen.len()), (CONTENT.as_bytes(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_second_failure_without_progress_is_the_end() {
    let (content, seen) = pull(whole("0123"), 1, |_, _| part("bytes 4-9/10", breaking(""))).await;
    assert!(content.is_err());
    assert_eq!(seen.len(), 1);
    let (content, seen) = pull(whole("0123"), 4, |_, _| part("bytes 5-9/10", Body::full("56789"))).await;
    assert!(content.is_err(), "that is another part");
    assert_eq!(seen.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_here_is_no_failure_of_upstream() {
    let rest = || Ok(part("bytes 4-9/10", Body::full("456789")));
    let busy = |after: u64| Err(Error::overloaded("busy", Duration::from_secs(after)).unasked());
    let begun = Instant::now();
    let play = move |count, _: &str| if count < 5 { busy(3) } else { rest() };
    let (content, seen) = pull_or(whole("0123"), 1, play).await;
    assert_eq!((content.unwrap(), seen.len(), begun.elapsed().as_secs()), (Bytes::from(CONTENT), 5, 12));

    // Not for ever, whatever comes between.
    for (after, most, least) in [(7, 9, 56), (0, 601, 59), (3600, 1, 0)] {
        let begun = Instant::now();
        let (content, seen) = pull_or(whole("0123"), 1, move |_, _| busy(after)).await;
        let took = begun.elapsed();
        assert!(content.is_err() && seen.len() <= most, "{after}: {}", seen.len());
        assert!((Duration::from_secs(least)..=WAIT).contains(&took), "{after}: {took:?}");
    }
    let begun = Instant::now();
    let play = move |count: usize, _: &str| {
        if count.is_multiple_of(5) { Err(Error::bad_gateway("down")) } else { busy(3) }
    };
    let (content, _) = pull_or(whole("0123"), 20, play).await;
    assert!(content.is_err() && begun.elapsed() <= WAIT, "{:?}", begun.elapsed());

    // Another's is one, whatever it asks for.
    let (content, seen) = pull_or(whole("0123"), 1, |_, _| Err(Error::bad_gateway("down"))).await;
    assert_eq!((content.is_err(), seen.len()), (true, 1));
}

#[tokio::test]
async fn a_content_that_changed_is_not_pieced_together() {
    for answer in [
        &[("content-range", "bytes 4-9/11"), ("etag", "\"v1\"")][..],
        &[("content-range", "bytes 4-9/10"), ("etag", "\"v2\"")],
    ] {
        let play = move |_, _: &str| head(206, answer).body(Body::full("456789")).unwrap();
        let (content, seen) = pull(whole("0123"), 3, play).await;
        assert_eq!((content.is_err(), seen.len()), (true, 1), "{answer:?}");
    }
    let longer =
        |_, _: &str| head(200, &[("content-length", "12")]).body(Body::full("0123456789ab")).unwrap();
    assert!(pull(whole("0123"), 3, longer).await.0.is_err());
}

#[tokio::test]
async fn an_upstream_that_breaks_off_at_every_byte_is_left() {
    let play = |_, range: &str| {
        let next: u64 = range.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        part(&format!("bytes {next}-99/100"), breaking("x"))
    };
    let first = head(200, &[("content-length", "100"), ("etag", "\"v1\"")]).body(breaking("x")).unwrap();
    let (content, seen) = pull(first, 3, play).await;
    assert_eq!((content.is_err(), seen.len() as u64), (true, FEW));
}

#[tokio::test]
async fn nor_is_one_asked_more_often_because_the_part_lies_far_behind() {
    let last: u64 = 1 << 40;
    let play = move |_, range: &str| {
        let next = range.trim_start_matches("bytes=").split('-').next().unwrap();
        part(&format!("bytes {next}-{}/{last}", last - 1), breaking("x"))
    };
    let first = part(&format!("bytes {}-{}/{last}", last - 100, last - 1), breaking("x"));
    let (content, seen) = pull(first, 3, play).await;
    assert_eq!((content.is_err(), seen.len() as u64), (true, FEW));
}

#[tokio::test]
async fn a_part_of_an_upstream_without_ranges_is_cut_out_of_the_whole() {
    let first = part("bytes 2-7/10", breaking("23"));
    let again = |_, _: &str| head(200, &[("content-length", "10")]).body(Body::full(CONTENT)).unwrap();
    assert_eq!(pull(first, 1, again).await.0.unwrap(), "234567");
    // Longer than it was is another content all the same.
    let longer = |_, _: &str| head(200, &[("content-length", "11")]).body(Body::full("0123456789a")).unwrap();
    assert!(pull(part("bytes 2-7/10", breaking("23")), 1, longer).await.0.is_err());
}

#[tokio::test]
async fn a_whole_that_grew_without_saying_so_is_not_cut() {
    let longer = |_, _: &str| head(200, &[]).body(Body::full("0123456789a")).unwrap();
    assert!(pull(whole("0123"), 1, longer).await.0.is_err());
}

#[tokio::test(start_paused = true)]
async fn of_an_unknown_size_a_part_without_a_total_is_no_end() {
    let first = head(200, &[]).body(breaking("0123")).unwrap();
    let (content, seen) = pull(first, 2, |_, _| part("bytes 4-6/*", Body::full("456"))).await;
    assert_eq!((content.is_err(), seen.len()), (true, 2));
}

#[tokio::test]
async fn of_an_unknown_size_the_end_is_upstreams() {
    let first = head(200, &[("etag", "W/\"weak\"")]).body(breaking("0123")).unwrap();
    let play = |_, _: &str| part("bytes 4-9/10", Body::full("456789"));
    let (content, seen) = pull(first, 1, play).await;
    assert_eq!((content.unwrap(), seen), (Bytes::from(CONTENT), vec![("bytes=4-".into(), String::new())]));
}

#[tokio::test]
async fn all_that_came_without_its_end_is_all() {
    let first = || head(200, &[]).body(breaking(CONTENT)).unwrap();
    let play = |_, _: &str| head(416, &[("content-range", "bytes */10")]).body(Body::empty()).unwrap();
    assert_eq!(pull(first(), 1, play).await.0.unwrap(), CONTENT);
    let longer = |_, _: &str| head(416, &[("content-range", "bytes */11")]).body(Body::empty()).unwrap();
    assert!(pull(first(), 1, longer).await.0.is_err());
}
