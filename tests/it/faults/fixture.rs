//! The scripted registry does what its plans say, as a client of bare sockets sees it.

use crate::support::upstream::{Blob, Challenge, Ended, Plan, Signed, Tokens, Upstream, respond};
use http::Method;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wave_registry::oci::Digest;

const BLOB: &[u8] = b"0123456789";

/// Everything that came over one connection, and how it ended.
struct Heard {
    text: Vec<u8>,
    end: io::Result<usize>,
    took: Duration,
}

impl Heard {
    fn head(&self) -> String {
        let end = self.text.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        String::from_utf8(self.text[..end].to_vec()).expect("a head is text")
    }

    fn body(&self) -> &[u8] {
        &self.text[self.head().len() + 4..]
    }

    fn is_reset(&self) -> bool {
        self.end.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    }
}

/// Sends `text` and reads to the end of the connection.
async fn talk(address: SocketAddr, text: String) -> Heard {
    let talk = move || {
        let started = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut text = Vec::new();
        let end = stream.read_to_end(&mut text);
        Heard { text, end, took: started.elapsed() }
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

/// The last request of a connection.
fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n{headers}\r\n")
}

/// A registry with one blob, the path of which is given too.
async fn registry() -> (Upstream, String) {
    let upstream = Upstream::start().await;
    let digest = upstream.blob(BLOB);
    (upstream, format!("/v2/app/blobs/{digest}"))
}

/// What a GET of the blob gives under `plan`.
async fn planned(plan: Plan, headers: &str) -> Heard {
    let (upstream, path) = registry().await;
    upstream.next(Method::GET, "/blobs/", [plan]);
    talk(upstream.address, request("GET", &path, headers)).await
}

#[tokio::test]
async fn good_answers() {
    let (upstream, path) = registry().await;
    let etag = format!("\"{}\"", Digest::sha256(BLOB));
    let check = async |method: &str, headers: &str, status: &str, field: &str, body: &[u8]| {
        let heard = talk(upstream.address, request(method, &path, headers)).await;
        let head = heard.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains(field), "{head}");
        assert_eq!((heard.body(), heard.end.is_ok()), (body, true), "{head}");
    };
    check("GET", "", "200", &format!("etag: {etag}"), BLOB).await;
    check("GET", "", "200", &format!("docker-content-digest: {}", Digest::sha256(BLOB)), BLOB).await;
    check("HEAD", "", "200", "content-length: 10", b"").await;
    check("GET", "range: bytes=2-4\r\n", "206", "content-range: bytes 2-4/10", b"234").await;
    check("GET", "range: bytes=7-\r\n", "206", "content-range: bytes 7-9/10", b"789").await;
    check("GET", "range: bytes=-2\r\n", "206", "content-length: 2", b"89").await;
    check("GET", "range: bytes=10-\r\n", "416", "content-range: bytes */10", b"").await;
    check("GET", "range: bytes=0-1,3-4\r\n", "200", "content-length: 10", BLOB).await;
    check("GET", &format!("range: bytes=2-4\r\nif-range: {etag}\r\n"), "206", "content-length: 3", b"234")
        .await;
    check("GET", "range: bytes=2-4\r\nif-range: \"x\"\r\n", "200", "content-length: 10", BLOB).await;
    check("GET", &format!("if-none-match: {etag}\r\n"), "304", &etag, b"").await;
    assert_eq!((upstream.seen("/blobs/")[3].range(), upstream.sent("/blobs/")), ("bytes=2-4", 51));
}

#[tokio::test]
async fn bodies_that_break_off() {
    for (plan, body, reset) in [
        (Plan::normal().close_after(0), &b""[..], false),
        (Plan::normal().close_after(9), b"012345678", false),
        (Plan::normal().reset_after(0), b"", true),
        (Plan::normal().reset_after(4), b"0123", true),
        (Plan::normal().chunked().close_after(4), b"4\r\n0123\r\n", false),
        (Plan::normal().chunked_without_end(), b"a\r\n0123456789\r\n", false),
        (Plan::normal().chunked(), b"a\r\n0123456789\r\n0\r\n\r\n", false),
    ] {
        let heard = planned(plan.clone(), "").await;
        assert_eq!((heard.body(), heard.is_reset()), (body, reset), "{plan:?}");
        let length = heard.head().contains("content-length: 10");
        assert_ne!(length, heard.head().contains("transfer-encoding: chunked"), "{plan:?}");
    }
    for (plan, reset) in [(Plan::reset(), true), (Plan::close(), false)] {
        let heard = planned(plan, "").await;
        assert_eq!((heard.text.len(), heard.is_reset()), (0, reset));
    }
}

#[tokio::test]
async fn bodies_that_are_others() {
    let inverted: Vec<u8> = BLOB.iter().map(|byte| !byte).collect();
    for (plan, length, body) in [
        (Plan::normal().flip(3), 10, &b"012\xcc456789"[..]),
        (Plan::normal().flip(3).trickle(2, Duration::from_millis(1)), 10, b"012\xcc456789"),
        (Plan::normal().wrong_bytes(), 10, &inverted),
        (Plan::normal().too_long(2), 12, b"0123456789\0\0"),
        (Plan::normal().overrun(2), 10, b"0123456789\0\0"),
        (Plan::normal().header("content-length", "5"), 5, BLOB),
        (respond(200, &[], "other").into(), 5, b"other"),
    ] {
        let heard = planned(plan.clone(), "").await;
        assert_eq!(heard.body(), body, "{plan:?}");
        assert!(heard.head().contains(&format!("content-length: {length}")), "{plan:?}");
    }
    let part = planned(Plan::normal().flip(3), "range: bytes=2-4\r\n").await;
    assert_eq!(part.body(), b"2\xcc4", "the third byte of the blob, not of the part");
    let coded = planned(Plan::normal().gzipped(), "").await;
    let mut decoded = Vec::new();
    flate2::read::GzDecoder::new(coded.body()).read_to_end(&mut decoded).unwrap();
    assert_eq!((&decoded[..], coded.head().contains("content-encoding: gzip")), (BLOB, true));
}

#[tokio::test]
async fn heads_that_are_others() {
    for (plan, status, field) in [
        (Plan::normal().with_status(203), "203", "content-length: 3"),
        (Plan::status(429).header("retry-after", "7"), "429", "retry-after: 7"),
        (Plan::redirect("../else"), "307", "location: ../else"),
        (Plan::normal().no_ranges(), "200", "content-length: 10"),
        (Plan::normal().header("content-range", "bytes 0-2/10"), "206", "content-range: bytes 0-2/10"),
        (Plan::normal().header("etag", "\"v2\""), "206", "etag: \"v2\""),
    ] {
        let heard = planned(plan, "range: bytes=2-4\r\n").await;
        let head = heard.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains(field), "{head}");
    }
    let bare = planned(Plan::normal().without("docker-content-digest").without("content-length"), "").await;
    assert!(!bare.head().contains("digest") && !bare.head().contains("length"), "{}", bare.head());
}

#[tokio::test]
async fn answers_that_take_their_time() {
    let short = Duration::from_millis(60);
    for (plan, least, length) in [
        (Plan::normal().delay_head(short), 1, 10),
        (Plan::normal().stall_after(5, short), 1, 10),
        (Plan::normal().trickle(3, short), 4, 10),
        (Plan::normal().trickle(3, short).close_after(6), 2, 6),
    ] {
        let heard = planned(plan.clone(), "").await;
        assert_eq!(heard.body().len(), length, "{plan:?}");
        assert!(heard.took >= short * least, "{plan:?} took {:?}", heard.took);
    }
    let silent = planned(Plan::silence(short), "").await;
    assert!(silent.text.is_empty() && silent.took >= short);
}

#[tokio::test]
async fn a_connection_is_kept_or_hung_up_on() {
    let (upstream, path) = registry().await;
    let twice = format!("GET {path} HTTP/1.1\r\nhost: registry\r\n\r\n{}", request("GET", &path, ""));
    let kept = talk(upstream.address, twice.clone()).await;
    assert!(kept.text.ends_with(BLOB) && kept.body().len() > 2 * BLOB.len());
    upstream.next(Method::GET, "/blobs/", [Plan::normal().hang_up()]);
    assert_eq!(talk(upstream.address, twice).await.body(), BLOB);
    let connections: Vec<_> = upstream.seen("/").iter().map(|seen| (seen.connection, seen.nth)).collect();
    assert_eq!(connections, [(0, 0), (0, 1), (1, 2)]);
}

#[tokio::test]
async fn it_is_known_how_an_answer_ended() {
    let (upstream, path) = registry().await;
    upstream.next(Method::GET, "/blobs/", [Plan::normal().close_after(3)]);
    talk(upstream.address, request("GET", &path, "")).await;
    talk(upstream.address, request("GET", &path, "")).await;
    upstream.next(Method::GET, "/blobs/", [Plan::normal().stall_after(2, Duration::from_secs(60))]);
    let mut left = TcpStream::connect(upstream.address).unwrap();
    left.write_all(request("GET", &path, "").as_bytes()).unwrap();
    upstream.until("/blobs/", |seen| seen.len() == 3 && seen[2].sent() == 2).await;
    assert_eq!(upstream.seen("/blobs/")[2].ended(), None);
    drop(left);
    upstream.until("/blobs/", |seen| seen[2].ended() == Some(Ended::Left)).await;
    let ends: Vec<_> = upstream.seen("/").iter().map(|seen| (seen.ended().unwrap(), seen.sent())).collect();
    assert_eq!(ends, [(Ended::Broken, 3), (Ended::Whole, 10), (Ended::Left, 2)]);
}

#[tokio::test]
async fn plans_are_taken_by_method_path_and_order() {
    let upstream = Upstream::scripted(|seen| (seen.nth == 2).then(|| Plan::status(418))).await;
    let path = format!("/v2/app/blobs/{}", upstream.blob(BLOB));
    upstream.next(Method::GET, "/blobs/", [Plan::status(500), Plan::status(503)]);
    let mut told = Vec::new();
    for method in ["GET", "HEAD", "GET", "GET", "GET", "HEAD"] {
        let heard = talk(upstream.address, request(method, &path, "")).await;
        told.push(heard.head()[9..12].to_string());
    }
    assert_eq!(told, ["500", "200", "503", "418", "200", "200"]);
    upstream.remove(path.rsplit_once('/').unwrap().1);
    assert!(talk(upstream.address, request("GET", &path, "")).await.head().contains(" 404 "));
    let times: Vec<_> = upstream.seen("/").iter().map(|seen| seen.at).collect();
    assert!(times.is_sorted());
}

#[tokio::test]
async fn tokens_and_signatures() {
    let tokens = Arc::new(Tokens::new(Challenge::Own, Some("Basic YTpi")));
    let guard = tokens.clone();
    let upstream = Upstream::scripted(move |seen| guard.plan(seen)).await;
    let path = format!("/v2/app/blobs/{}", upstream.blob(BLOB));
    let ask = async |path: &str, authorization: &str| {
        let headers = format!("authorization: {authorization}\r\n");
        talk(upstream.address, request("GET", path, &headers)).await
    };
    let refused = ask(&path, "").await;
    assert!(refused.head().contains(r#"www-authenticate: Bearer realm="http://registry/token",service="s""#));
    assert!(ask("/token", "Basic eDp5").await.head().contains(" 401 "));
    assert_eq!(ask("/token", "Basic YTpi").await.body(), br#"{"token":"t1","expires_in":300}"#);
    assert_eq!(ask(&path, "Bearer t1").await.body(), BLOB);
    tokens.revoke();
    assert!(ask(&path, "Bearer t1").await.head().contains(" 401 "));
    tokens.answer_next([Plan::status(500)]);
    assert!(ask("/token", "Basic YTpi").await.head().contains(" 500 "));
    assert!(ask("/token", "Basic YTpi").await.text.ends_with(br#"{"token":"t2","expires_in":300}"#));

    let lines = Tokens::new(Challenge::Lines(vec!["Basic realm=\"x\"", "Bearer"]), None);
    let strange = Upstream::scripted(move |seen| lines.plan(seen)).await;
    let head = talk(strange.address, request("GET", "/v2/", "")).await.head();
    assert!(head.contains("www-authenticate: Basic realm=\"x\"\r\nwww-authenticate: Bearer\r\n"), "{head}");

    let signed = Arc::new(Signed::new(2));
    let check = signed.clone();
    let storage = Upstream::scripted(move |seen| check.check(seen)).await;
    let path = format!("/blobs/{}", storage.blob(BLOB));
    let moved = planned(signed.redirect(&path), "").await.head();
    assert!(moved.contains(&format!("location: {path}?sig=1")), "{moved}");
    for (query, status) in
        [("sig=1", "200"), ("sig=1", "200"), ("sig=1", "403"), ("sig=2", "403"), ("", "403")]
    {
        let heard = talk(storage.address, request("GET", &format!("/x{path}?{query}"), "")).await;
        assert_eq!(&heard.head()[9..12], status, "{query}");
    }
}

#[tokio::test]
async fn a_blob_is_made_by_offset() {
    let upstream = Upstream::start().await;
    let blob = upstream.random(7, 3_000_001);
    let whole = blob.bytes(0..blob.size);
    assert_eq!((whole.len(), Digest::sha256(&whole)), (3_000_001, blob.digest));
    for (from, to) in [(0, 5), (3, 4), (3, 30), (8, 24), (65_533, 65_541), (2_999_999, 3_000_001)] {
        assert_eq!(blob.bytes(from..to), whole[from as usize..to as usize], "{from}..{to}");
    }
    assert_ne!(Blob::random(8, 3_000_001).digest, blob.digest);
    let path = format!("/v2/app/blobs/{}", blob.digest);
    let heard = talk(upstream.address, request("GET", &path, "range: bytes=65533-2999998\r\n")).await;
    assert!(heard.body() == &whole[65_533..2_999_999]);
    assert_eq!(upstream.sent("/blobs/"), 2_934_466);
}
