//! Every fault as a client sees it, and what the store has afterwards.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::client::{Client, End, ask, open_server};
use crate::support::s3::{Action, Object, Op, When, generated};

#[test]
fn errors_come_as_planned() {
    let server = open_server();
    server.store().put("b", "dir/k.bam", Object::of("x"));
    let slow = Action::Error { status: 503, code: "SlowDown" };
    let when = When::op(Op::GetObject).bucket("b").key_prefix("dir/").key_suffix(".bam").skip(1).times(2);
    server.faults().add(when.method("GET").header("range", "bytes="), slow);
    let mut client = Client::to(server.addr());
    let mut get = |headers: &[(&str, &str)]| {
        let reply = client.ask("GET", "/b/dir/k.bam", headers, b"").expect("an answer");
        (reply.status, reply.leaf("Code"))
    };
    assert_eq!(get(&[]).0, 200, "not planned for");
    let found: Vec<u16> = (0..4).map(|_| get(&[("range", "bytes=0-0")]).0).collect();
    assert_eq!(found, [206, 503, 503, 206]);
    assert_eq!(server.faults().fired(), 2);
    assert_eq!(server.log().connections(), 1, "an error ends no connection");
    let statuses: Vec<u16> = server.log().entries().iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [200, 206, 503, 503, 206]);
}

#[test]
fn effects_before_and_without_an_answer() {
    let server = open_server();
    let put = |key: &str| Client::to(server.addr()).ask("PUT", &format!("/b/{key}"), &[], b"body");
    server
        .faults()
        .add(When::op(Op::PutObject).key("no"), Action::Error { status: 500, code: "InternalError" });
    server
        .faults()
        .add(When::op(Op::PutObject).key("yes"), Action::ErrorAfter { status: 500, code: "InternalError" });
    server.faults().add(When::op(Op::PutObject).key("lost"), Action::ResetAfterEffect);
    server.faults().add(When::op(Op::PutObject).key("reset"), Action::Reset);
    server.faults().add(When::op(Op::PutObject).key("closed"), Action::Close);
    assert_eq!(put("no").map(|reply| reply.status).ok(), Some(500));
    assert_eq!(put("yes").map(|reply| reply.status).ok(), Some(500));
    for key in ["lost", "reset"] {
        let error = put(key).expect_err("no answer comes");
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{key}: {error}");
    }
    assert_eq!(put("closed").expect_err("no answer comes").kind(), ErrorKind::UnexpectedEof);
    assert_eq!(server.store().keys("b"), ["lost", "yes"]);
    server.faults().add(When::op(Op::CopyObject), Action::ErrorBody { code: "InternalError" });
    let copy = ask(&server, "PUT", "/b/copy", &[("x-amz-copy-source", "b/yes")], b"");
    assert_eq!((copy.status, copy.leaf("Code").as_deref()), (200, Some("InternalError")));
    assert!(server.store().get("b", "copy").is_none());
}

#[test]
fn an_upload_is_broken_off_in_its_middle() {
    let server = open_server();
    server.faults().add(When::op(Op::PutObject), Action::ResetUpload { at: 1 << 20 });
    let error =
        Client::to(server.addr()).ask("PUT", "/b/k", &[], &vec![7; 64 << 20]).expect_err("no answer comes");
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    let entry = &server.log().entries()[0];
    assert!((1 << 20..8 << 20).contains(&entry.bytes_in), "{}", entry.bytes_in);
    assert!(server.store().keys("b").is_empty());
}

#[test]
fn bodies_break_where_they_should() {
    let server = open_server();
    let length = 3_000_000;
    server.store().put("b", "k", Object::generated(1, length));
    let body = generated(1, 0..length).concat();
    let check = |action: Action, end: End, until: usize| {
        server.faults().add(When::op(Op::GetObject), action.clone());
        let reply = ask(&server, "GET", "/b/k", &[], b"");
        assert_eq!((reply.status, reply.end, reply.body.len()), (200, end, until), "{action:?}");
        assert!(reply.body == body[..until]);
        let entry = server.log().entries().pop().expect("it was logged");
        assert_eq!((entry.bytes_out, entry.complete), (until as u64, end == End::Whole), "{action:?}");
    };
    let at = 1_234_567;
    check(Action::Truncate { at }, End::Short, at as usize);
    check(Action::Truncate { at: 0 }, End::Short, 0);
    check(Action::ResetAt { at }, End::Reset, at as usize);
    check(Action::StallAt { at }, End::Silent, at as usize);
    check(Action::Drip { bytes: 500_000, every: Duration::from_millis(1) }, End::Whole, length as usize);
}

#[test]
fn nothing_comes_from_a_stalled_server() {
    let server = open_server();
    server.faults().add(When::op(Op::HeadObject), Action::Stall);
    let mut client = Client::to(server.addr());
    let error = client.ask("HEAD", "/b/k", &[], b"").expect_err("no answer comes");
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "the connection is open and silent");
    assert_eq!((server.log().entries()[0].status, server.log().entries()[0].finished), (0, None));
    assert_eq!(ask(&server, "HEAD", "/b/k", &[], b"").status, 404, "others are served");
    assert_eq!(server.log().max_in_flight(), 2);
    server.drop_connections();
    assert!(client.closed());
}

#[test]
fn lengths_lie_and_bits_turn() {
    let server = open_server();
    server.store().put("b", "k", Object::of("0123456789"));
    server.faults().add(When::op(Op::GetObject), Action::Length { delta: 5 });
    let long = ask(&server, "GET", "/b/k", &[], b"");
    assert_eq!(
        (long.header("content-length"), long.end, long.text().as_str()),
        (Some("15"), End::Short, "0123456789")
    );
    server.faults().add(When::op(Op::GetObject), Action::Length { delta: -5 });
    let short = ask(&server, "GET", "/b/k", &[], b"");
    assert_eq!(
        (short.header("content-length"), short.end, short.text().as_str()),
        (Some("5"), End::Whole, "01234")
    );
    server.faults().add(When::op(Op::GetObject), Action::Corrupt { at: 4 });
    assert_eq!(ask(&server, "GET", "/b/k", &[], b"").text(), "0123556789");
    server.faults().add(When::op(Op::GetObject), Action::Headers(&[("etag", "\"other\"")]));
    assert_eq!(ask(&server, "GET", "/b/k", &[], b"").header("etag"), Some("\"other\""));
    let begun = Instant::now();
    server.faults().add(
        When::op(Op::GetObject).query("x-id", Some("GetObject")),
        Action::Delay(Duration::from_millis(150)),
    );
    assert_eq!(ask(&server, "GET", "/b/k?x-id=GetObject", &[], b"").text(), "0123456789");
    assert!(begun.elapsed() >= Duration::from_millis(150));
    server.faults().add(When::any().always(), Action::Error { status: 500, code: "InternalError" });
    assert_eq!((0..3).map(|_| ask(&server, "GET", "/b/k", &[], b"").status).max(), Some(500));
    server.faults().clear();
    assert_eq!(ask(&server, "GET", "/b/k", &[], b"").status, 200);
}

#[test]
fn blanks_come_before_the_document() {
    let server = open_server();
    server.store().put("b", "k", Object::of("x"));
    let blanks = |code| Action::Blanks { times: 4, every: Duration::from_millis(20), code };
    let copy = |key: &str| {
        let begun = Instant::now();
        let reply = ask(&server, "PUT", &format!("/b/{key}"), &[("x-amz-copy-source", "b/k")], b"");
        assert!(begun.elapsed() >= Duration::from_millis(100));
        assert_eq!((reply.status, reply.header("transfer-encoding")), (200, Some("chunked")));
        reply
    };
    server.faults().add(When::op(Op::CopyObject), blanks(None));
    let done = copy("done").text();
    assert!(done.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n    <CopyObjectResult "), "{done}");
    server.faults().add(When::op(Op::CopyObject), blanks(Some("SlowDown")));
    assert_eq!(copy("not").leaf("Code").as_deref(), Some("SlowDown"));
    assert_eq!(server.store().keys("b"), ["done", "k"]);
}

#[test]
fn a_busy_server_slows_its_clients() {
    let server = open_server();
    server.faults().add(When::op(Op::GetObject).key("slow").always(), Action::Stall);
    let busy = When::op(Op::HeadBucket).busier(2).always();
    server.faults().add(busy, Action::Error { status: 503, code: "SlowDown" });
    let head = || ask(&server, "HEAD", "/b", &[], b"").status;
    let stalled: Vec<Client> = (0..2)
        .map(|number| {
            assert_eq!(head(), 200, "{number} are stalled");
            let mut client = Client::to(server.addr());
            client.send("GET", "/b/slow", &[], b"").expect("sent");
            assert!(server.log().wait(Op::GetObject, number + 1, Duration::from_secs(5)));
            client
        })
        .collect();
    assert_eq!(head(), 503);
    drop(stalled);
}

#[test]
fn a_test_can_wait_for_a_request() {
    let server = open_server();
    assert!(!server.log().wait(Op::HeadObject, 1, Duration::from_millis(20)));
    std::thread::scope(|scope| {
        scope.spawn(|| ask(&server, "HEAD", "/b/k", &[], b""));
        assert!(server.log().wait(Op::HeadObject, 1, Duration::from_secs(5)));
    });
    assert_eq!(server.log().take().len(), 1);
    assert!(server.log().ops().is_empty());
}
