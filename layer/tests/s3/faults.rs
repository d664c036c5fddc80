use std::time::{Duration, Instant};

use bytes::Bytes;
use fusion::s3::{Client, Get, Kind, List, Put};

use crate::client::{aws, bytes, client, read, server};
use crate::support::s3::{ACCESS_KEY, Action, Object, Op, SECRET_KEY, Server, Settings, Shape, When};

/// A client that takes a body for stalled sooner than users would want.
fn hasty(server: &Server) -> Client {
    let endpoint = server.endpoint();
    let mut aws = aws(&[
        ("AWS_S3_ENDPOINT", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ]);
    aws.stall = Duration::from_millis(200);
    Client::new(aws)
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let server = server();
    let client = client(&server);
    server.store().put("b", "k", Object::of("x"));
    for action in [
        Action::Error { status: 503, code: "SlowDown" },
        Action::Error { status: 500, code: "InternalError" },
        Action::Error { status: 408, code: "RequestTimeout" },
        Action::Reset,
        Action::Close,
    ] {
        server.faults().add(When::any().times(3), action.clone());
        client.head("b", "k").await.expect("after three faults");
        server.faults().add(When::any().times(3), action.clone());
        let page =
            client.list("b", List { prefix: "k", ..List::default() }).await.expect("after three faults");
        assert_eq!(page.objects.len(), 1);
        server.faults().add(When::any().times(3), action.clone());
        client.put("b", "put", vec!["x".into()], Put::default()).await.expect("after three faults");
    }
    assert_eq!(server.faults().fired(), 45);
}

#[tokio::test]
async fn what_does_not_pass_is_told_at_once() {
    let server = server();
    let client = client(&server);
    for (status, code, kind) in [
        (403, "AccessDenied", Kind::Denied),
        (404, "NoSuchKey", Kind::NoSuchKey),
        (400, "InvalidArgument", Kind::Invalid),
        (409, "BucketAlreadyExists", Kind::Conflict),
        (501, "NotImplemented", Kind::Remote),
    ] {
        server.log().clear();
        server.faults().add(When::any(), Action::Error { status, code });
        let error = client.get("b", "k", Get::default()).await.expect_err(code);
        assert_eq!((error.kind(), error.code(), error.status()), (kind, Some(code), Some(status)));
        assert_eq!(server.log().entries().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn idle_connections_that_were_closed_cost_nothing() {
    let server = server();
    let client = client(&server);
    server.store().put("b", "k", Object::of("x"));
    client.head("b", "k").await.expect("head");
    for _ in 0..5 {
        server.drop_connections();
        let begun = Instant::now();
        client.put("b", "put", vec![bytes(100_000)], Put::default()).await.expect("put");
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn nobody_there() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let endpoint = format!("http://{}", closed.local_addr().expect("bound"));
    drop(closed);
    let client = Client::new(aws(&[
        ("AWS_S3_ENDPOINT", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "A"),
        ("AWS_SECRET_ACCESS_KEY", "S"),
    ]));
    // Ten attempts take longer than a test should: one failure is enough to be dropped in mid-retry.
    let outcome = tokio::time::timeout(Duration::from_millis(300), client.head("b", "k")).await;
    assert!(outcome.is_err(), "{outcome:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let server = server();
    let client = hasty(&server);
    server.store().put("b", "k", Object::generated(1, 1_000_000));
    for action in
        [Action::ResetAt { at: 300_000 }, Action::Truncate { at: 300_000 }, Action::StallAt { at: 300_000 }]
    {
        server.faults().add(When::op(Op::GetObject), action.clone());
        let mut object = client.get("b", "k", Get::default()).await.expect("the head is there");
        let (mut length, mut errors) = (0, Vec::new());
        while let Some(piece) = object.body.next().await {
            match piece {
                Ok(piece) => length += piece.len(),
                Err(error) => errors.push(error.kind()),
            }
        }
        assert!(length <= 300_000, "{length}");
        assert_eq!(errors, [Kind::Interrupted], "{action:?}");
    }
}

#[tokio::test]
async fn a_body_goes_on_where_it_broke_off() {
    let server = server();
    let client = hasty(&server);
    let body: Bytes = server_body(&server, 2_000_000);
    for action in
        [Action::ResetAt { at: 300_000 }, Action::Truncate { at: 300_000 }, Action::StallAt { at: 300_000 }]
    {
        server.log().clear();
        server.faults().add(When::op(Op::GetObject).times(3), action.clone());
        let get = Get { range: Some(10..1_900_000), ..Get::default() };
        let object = client.get_resumed("b", "k", get).await.expect("the head is there");
        assert!(read(object.body).await.expect("whole") == body.slice(10..1_900_000), "{action:?}");
        let gets = server.log().entries();
        assert_eq!(gets.len(), 4, "{action:?}");
        let etag = server.store().get("b", "k").expect("there").etag().to_owned();
        assert!(gets[1..].iter().all(|entry| entry.header("if-match") == Some(&etag)));
    }
}

fn server_body(server: &Server, length: u64) -> Bytes {
    let object = Object::generated(7, length);
    let body = object.bytes(0..length);
    server.store().put("b", "k", object);
    body
}

#[tokio::test]
async fn a_body_never_goes_on_in_another_generation() {
    let server = server();
    let client = hasty(&server);
    server_body(&server, 1_000_000);
    server.faults().add(When::op(Op::GetObject), Action::StallAt { at: 300_000 });
    let object = client.get_resumed("b", "k", Get::default()).await.expect("the head is there");
    server.store().put("b", "k", Object::generated(8, 1_000_000));
    let error = read(object.body).await.expect_err("another object");
    assert_eq!(error.kind(), Kind::Precondition);
}

#[tokio::test]
async fn dropping_the_future_of_a_piece_loses_nothing() {
    let server = server();
    let client = hasty(&server);
    let body = server_body(&server, 1_000_000);
    server
        .faults()
        .add(When::op(Op::GetObject), Action::Drip { bytes: 50_000, every: Duration::from_millis(10) });
    server.faults().add(When::op(Op::GetObject), Action::ResetAt { at: 200_000 });
    let mut object = client.get_resumed("b", "k", Get::default()).await.expect("the head is there");
    let mut found = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_millis(3), object.body.next()).await {
            Err(_) => continue,
            Ok(None) => break,
            Ok(Some(piece)) => found.extend_from_slice(&piece.expect("it goes on")),
        }
    }
    assert!(found == body);
}

#[tokio::test]
async fn a_server_without_this_checksum_gets_the_old_one() {
    let server = server();
    let client = client(&server);
    let refuse = || When::any().header("x-amz-checksum-crc64nvme", "").always();
    server.faults().add(refuse(), Action::Error { status: 501, code: "NotImplemented" });
    client.put("b", "k", vec!["x".into()], Put::default()).await.expect("with MD5");
    client.put("b", "k2", vec!["x".into()], Put::default()).await.expect("with MD5");
    let puts = server.log().entries();
    let md5: Vec<bool> = puts.iter().map(|entry| entry.header("content-md5").is_some()).collect();
    assert_eq!(md5, [false, true, true]);
}

#[tokio::test]
async fn a_wrong_upload_is_noticed_by_the_server() {
    let server = server();
    let client = client(&server);
    client.put("b", "k", vec![bytes(1_000_000)], Put::default()).await.expect("put");
    let put = server.log().entries().remove(0);
    assert!(put.header("x-amz-checksum-crc64nvme").is_some());
    assert_eq!(
        put.header("x-amz-content-sha256").map(str::len),
        Some(64),
        "plain connections sign the payload"
    );
    // A server that says it has stored something else is not believed the first time.
    server
        .faults()
        .add(When::op(Op::PutObject), Action::Headers(&[("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")]));
    client.put("b", "k", vec![bytes(1_000_000)], Put::default()).await.expect("the second time");
    assert_eq!(server.log().count(Op::PutObject), 3);
}

#[tokio::test]
async fn a_slow_server_gets_less_at_once() {
    let server = server();
    let client = client(&server);
    server.store().put("b", "k", Object::of("x"));
    let heads = async |count: usize| {
        let heads: Vec<_> = (0..count)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.head("b", "k").await })
            })
            .collect();
        for head in heads {
            head.await.expect("no panic").expect("after a while");
        }
    };
    let slow = Action::Error { status: 503, code: "SlowDown" };
    server.faults().add(When::any().times(32), slow);
    heads(32).await;
    // From now on every answer takes a while, so requests that are made at once are seen at once.
    server.shape(Shape { first_byte: Duration::from_millis(50), rate: None });
    server.log().clear();
    heads(64).await;
    let at_once = most_at_once(&server);
    assert!((1..=24).contains(&at_once), "{at_once} requests at once");
}

/// The largest number of requests that were under way at the same time.
fn most_at_once(server: &Server) -> usize {
    let entries = server.log().entries();
    let under_way = |at: Instant| {
        entries
            .iter()
            .filter(|entry| entry.started <= at && entry.finished.is_none_or(|end| end > at))
            .count()
    };
    entries.iter().map(|entry| under_way(entry.started)).max().unwrap_or(0)
}

#[tokio::test]
async fn a_large_upload_that_is_refused_is_told_as_refused() {
    let server = server();
    server.store().bucket_with("shut", Settings { read_only: true, ..Settings::default() });
    let body = vec![bytes(1 << 20); 32];
    let error = client(&server).put("shut", "k", body, Put::default()).await.expect_err("read-only");
    assert_eq!(error.kind(), Kind::Denied, "{error}");
    assert_eq!(server.log().count(Op::PutObject), 1);
}
