//! Conditional reads and writes, and copies.

use std::time::{Duration, UNIX_EPOCH};

use crate::client::{ask, open_server};
use crate::support::s3::Object;

#[test]
fn reads_are_conditional() {
    let server = open_server();
    let at = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
    let etag = server.store().put("b", "k", Object::of("x").modified(at));
    let (before, same) = ("Thu, 23 May 2013 00:00:00 GMT", "Fri, 24 May 2013 00:00:00 GMT");
    let status = |headers: &[(&str, &str)]| ask(&server, "GET", "/b/k", headers, b"").status;
    assert_eq!(status(&[("if-match", &etag)]), 200);
    assert_eq!(status(&[("if-match", etag.trim_matches('"'))]), 200);
    assert_eq!(status(&[("if-match", "\"other\"")]), 412);
    assert_eq!(status(&[("if-none-match", &etag)]), 304);
    assert_eq!(status(&[("if-none-match", "\"other\"")]), 200);
    assert_eq!(status(&[("if-modified-since", same)]), 304);
    assert_eq!(status(&[("if-modified-since", before)]), 200);
    assert_eq!(status(&[("if-unmodified-since", before)]), 412);
    assert_eq!(
        status(&[("if-match", &etag), ("if-unmodified-since", before)]),
        200,
        "the tag goes before the time"
    );
    assert_eq!(status(&[("if-none-match", &etag), ("if-modified-since", before)]), 304);
    let unchanged = ask(&server, "HEAD", "/b/k", &[("if-none-match", &etag)], b"");
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some(etag.as_str())));
    let head = ask(&server, "HEAD", "/b/k", &[("if-match", "\"other\"")], b"");
    assert_eq!((head.status, head.body.len()), (412, 0));
}

#[test]
fn writes_are_conditional() {
    let server = open_server();
    let put = |headers: &[(&str, &str)], body: &[u8]| ask(&server, "PUT", "/b/k", headers, body).status;
    assert_eq!(put(&[("if-match", "\"any\"")], b"0"), 404);
    assert_eq!(put(&[("if-none-match", "*")], b"1"), 200);
    assert_eq!(put(&[("if-none-match", "*")], b"2"), 412);
    let etag = server.store().get("b", "k").expect("it was put").etag().to_owned();
    assert_eq!(put(&[("if-match", "\"other\"")], b"3"), 412);
    assert_eq!(put(&[("if-match", &etag)], b"4"), 200);
    assert_eq!(server.store().body("b", "k").as_deref(), Some(&b"4"[..]));
    assert_eq!(ask(&server, "DELETE", "/b/k", &[("if-match", &etag)], b"").status, 412);
    assert_eq!(ask(&server, "DELETE", "/b/k", &[], b"").status, 204);
    assert_eq!(ask(&server, "DELETE", "/b/k", &[], b"").status, 204);
    assert!(server.store().keys("b").is_empty());
}

#[test]
fn copies_take_what_they_are_told() {
    let server = open_server();
    let etag = server.store().put(
        "b",
        "dir/a+b é",
        Object::of("x").with("x-amz-meta-a", "1").with("x-amz-tagging", "t=1"),
    );
    let copy = |key: &str, headers: &[(&str, &str)]| {
        let source = ("x-amz-copy-source", "b/dir/a%2Bb%20%C3%A9");
        let headers: Vec<(&str, &str)> = [source].into_iter().chain(headers.iter().copied()).collect();
        ask(&server, "PUT", &format!("/b/{key}"), &headers, b"")
    };
    let reply = copy("copied", &[("x-amz-meta-a", "ignored"), ("x-amz-storage-class", "STANDARD_IA")]);
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("<CopyObjectResult ") && reply.text().contains("<LastModified>"));
    let copied = server.store().get("b", "copied").expect("it was copied");
    assert_eq!((copied.header("x-amz-meta-a"), copied.header("x-amz-tagging")), (Some("1"), Some("t=1")));
    assert_eq!((copied.etag(), copied.storage_class()), (etag.as_str(), "STANDARD_IA"));
    assert_eq!(
        copy("replaced", &[("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-b", "2")]).status,
        200
    );
    let replaced = server.store().get("b", "replaced").expect("it was copied");
    assert_eq!((replaced.header("x-amz-meta-a"), replaced.header("x-amz-meta-b")), (None, Some("2")));
    assert_eq!(copy("dir/a%2Bb%20%C3%A9", &[]).leaf("Code").as_deref(), Some("InvalidRequest"));
    assert_eq!(copy("dir/a%2Bb%20%C3%A9", &[("x-amz-metadata-directive", "REPLACE")]).status, 200);
    assert_eq!(copy("no", &[("x-amz-copy-source-if-match", "\"other\"")]).status, 412);
    assert_eq!(copy("copied", &[("if-none-match", "*")]).status, 412);
    let missing = ask(&server, "PUT", "/b/no", &[("x-amz-copy-source", "b/none")], b"");
    assert_eq!((missing.status, missing.leaf("Code").as_deref()), (404, Some("NoSuchKey")));
}
