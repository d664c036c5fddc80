//! Objects: bodies, ranges, headers, checksums, and who may read them.

use crate::client::{ask, open_server};
use crate::support::s3::body::Body;
use crate::support::s3::{Config, Object, Op, Server, Settings, checksum, generated};

#[test]
fn ranges_are_those_of_the_rfc() {
    let server = open_server();
    server.store().put("b", "k", Object::of("0123456789"));
    server.store().put("b", "empty", Object::of(""));
    let get = |key: &str, range: &str| {
        let reply = ask(&server, "GET", &format!("/b/{key}"), &[("range", range)], b"");
        (reply.status, reply.header("content-range").unwrap_or("").to_owned(), reply.text())
    };
    assert_eq!(get("k", "bytes=2-4"), (206, "bytes 2-4/10".into(), "234".into()));
    assert_eq!(get("k", "bytes=8-99"), (206, "bytes 8-9/10".into(), "89".into()));
    assert_eq!(get("k", "bytes=7-"), (206, "bytes 7-9/10".into(), "789".into()));
    assert_eq!(get("k", "bytes=-3"), (206, "bytes 7-9/10".into(), "789".into()));
    assert_eq!(get("k", "bytes=-30"), (206, "bytes 0-9/10".into(), "0123456789".into()));
    assert_eq!(get("k", "bytes=4-2").0, 200, "what is no range is ignored");
    assert_eq!(get("k", "bytes=1-2,4-5").0, 200, "several ranges are ignored");
    for (key, range, length) in [("k", "bytes=10-", 10), ("k", "bytes=-0", 10), ("empty", "bytes=0-0", 0)] {
        let (status, header, text) = get(key, range);
        assert_eq!((status, header), (416, format!("bytes */{length}")), "{range}");
        assert!(text.contains("<Code>InvalidRange</Code>"), "{text}");
    }
    let head = ask(&server, "HEAD", "/b/k", &[("range", "bytes=2-4")], b"");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (206, Some("3"), 0));
}

#[test]
fn headers_stay_with_the_object() {
    let server = open_server();
    let headers = [
        ("content-type", "text/x-fastq"),
        ("x-amz-meta-owner", "1000"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "key-1"),
        ("x-amz-tagging", "a=b&c=d"),
        ("cache-control", "no-store"),
    ];
    let put = ask(&server, "PUT", "/b/k", &headers, b"body");
    assert_eq!((put.status, put.header("x-amz-server-side-encryption")), (200, Some("aws:kms")));
    let head = ask(&server, "HEAD", "/b/k", &[], b"");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "x-amz-tagging") {
        assert_eq!(head.header(name), Some(*value), "{name}");
    }
    assert_eq!(head.header("x-amz-tagging-count"), Some("2"));
    assert_eq!((head.header("content-length"), head.header("accept-ranges")), (Some("4"), Some("bytes")));
    assert!(head.header("x-amz-request-id").is_some() && head.header("last-modified").is_some());
    assert_eq!(server.store().get("b", "k").expect("it was put").header("x-amz-tagging"), Some("a=b&c=d"));
    let big = "v".repeat(2049);
    let refused = ask(&server, "PUT", "/b/k", &[("x-amz-meta-a", &big)], b"body");
    assert_eq!(refused.leaf("Code").as_deref(), Some("MetadataTooLarge"));
}

#[test]
fn checksums_are_the_catalogued_ones() {
    let nine = [bytes::Bytes::from_static(b"1234"), bytes::Bytes::from_static(b"56789")];
    // Check values of the catalogue of CRC algorithms, and what sha256sum says, in base64.
    assert_eq!(checksum::compute("crc32", &nine).as_deref(), Some("y/Q5Jg=="));
    assert_eq!(checksum::compute("crc32c", &nine).as_deref(), Some("4waSgw=="));
    assert_eq!(checksum::compute("crc64nvme", &nine).as_deref(), Some("rosUhgp5mIg="));
    assert_eq!(
        checksum::compute("sha256", &nine).as_deref(),
        Some("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=")
    );
    let server = open_server();
    for (name, value) in [("crc32c", "4waSgw=="), ("crc64nvme", "rosUhgp5mIg="), ("crc32", "y/Q5Jg==")] {
        let header = format!("x-amz-checksum-{name}");
        let put = ask(&server, "PUT", "/b/k", &[(&header, value)], b"123456789");
        assert_eq!((put.status, put.header(&header)), (200, Some(value)));
        let head = ask(&server, "HEAD", "/b/k", &[("x-amz-checksum-mode", "ENABLED")], b"");
        assert_eq!(head.header(&header), Some(value));
        assert_eq!(ask(&server, "HEAD", "/b/k", &[], b"").header(&header), None);
        let wrong = ask(&server, "PUT", "/b/k", &[(&header, value)], b"123456780");
        assert_eq!((wrong.status, wrong.leaf("Code").as_deref()), (400, Some("BadDigest")));
    }
    let good = ("content-md5", "JfnnlDI7RThtoR+T8PYf4w==");
    let wrong = ask(&server, "PUT", "/b/k", &[good], b"123456780");
    assert_eq!(wrong.leaf("Code").as_deref(), Some("BadDigest"));
    assert_eq!(
        ask(&server, "PUT", "/b/k", &[("content-md5", "short")], b"x").leaf("Code").as_deref(),
        Some("InvalidDigest")
    );
    assert_eq!(
        server.store().body("b", "k").as_deref(),
        Some(&b"123456789"[..]),
        "refused bodies are not stored"
    );
}

#[test]
fn generated_bodies_are_what_they_say_at_every_offset() {
    let server = open_server();
    let length = 5 << 20;
    server.store().put("b", "g", Object::generated(7, length));
    let whole = generated(7, 0..length).concat();
    assert_eq!(whole.len() as u64, length);
    assert_ne!(whole[..1 << 20], whole[1 << 20..2 << 20], "blocks differ");
    assert_ne!(whole, generated(8, 0..length).concat(), "seeds differ");
    for (from, to) in [(0, 1), (1_048_570, 1_048_590), (3_000_000, 4_999_999)] {
        let reply = ask(&server, "GET", "/b/g", &[("range", &format!("bytes={from}-{}", to - 1))], b"");
        assert!(reply.body == whole[from..to], "{from}..{to}");
    }
    let body = Body::new([b"ab"[..].to_vec().into(), bytes::Bytes::new(), b"cde"[..].to_vec().into()]);
    assert_eq!((body.len(), body.slice(1..4).concat()), (5, b"bcd".to_vec()));
}

#[test]
fn a_read_in_flight_keeps_its_generation() {
    let server = open_server();
    let length = 64 << 20;
    server.store().put("b", "k", Object::generated(1, length));
    let mut client = crate::client::Client::to(server.addr());
    client.send("GET", "/b/k", &[], b"").expect("sent");
    let mut seen = Vec::with_capacity(length as usize);
    client
        .receive(false, |part| {
            if seen.is_empty() {
                server.store().put("b", "k", Object::generated(2, 10));
            }
            seen.extend_from_slice(part);
        })
        .expect("an answer");
    assert!(seen == generated(1, 0..length).concat(), "one generation, whole");
    assert_eq!(ask(&server, "HEAD", "/b/k", &[], b"").header("content-length"), Some("10"));
}

#[test]
fn archived_objects_can_be_seen_and_not_read() {
    let server = open_server();
    server.store().put("b", "cold", Object::of("x").with("x-amz-storage-class", "GLACIER"));
    assert_eq!(ask(&server, "HEAD", "/b/cold", &[], b"").header("x-amz-storage-class"), Some("GLACIER"));
    let get = ask(&server, "GET", "/b/cold", &[], b"");
    assert_eq!((get.status, get.leaf("Code").as_deref()), (403, Some("InvalidObjectState")));
    let copy = ask(&server, "PUT", "/b/copy", &[("x-amz-copy-source", "/b/cold")], b"");
    assert_eq!((copy.status, copy.leaf("Code").as_deref()), (403, Some("ObjectNotInActiveTierError")));
    let restored = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"";
    let object = Object::of("x").with("x-amz-storage-class", "GLACIER").with("x-amz-restore", restored);
    server.store().put("b", "cold", object);
    assert_eq!(ask(&server, "GET", "/b/cold", &[], b"").status, 200);
}

#[test]
fn buckets_say_who_may() {
    let server = Server::with(Config { anonymous: true, ..Config::default() });
    let with = |name: &str, settings: Settings| {
        server.store().bucket_with(name, settings);
        server.store().put(name, "k", Object::of("x"));
    };
    with("pays", Settings { requester_pays: true, ..Settings::default() });
    with("blind", Settings { list_denied: true, ..Settings::default() });
    with("fixed", Settings { read_only: true, ..Settings::default() });
    let status = |method: &str, target: &str, headers: &[(&str, &str)]| {
        ask(&server, method, target, headers, b"").status
    };
    assert_eq!(status("GET", "/pays/k", &[]), 403);
    assert_eq!(status("GET", "/pays/k", &[("x-amz-request-payer", "requester")]), 200);
    assert_eq!(status("GET", "/blind?list-type=2", &[]), 403);
    assert_eq!((status("HEAD", "/blind/k", &[]), status("HEAD", "/blind/none", &[])), (200, 403));
    assert_eq!(
        (status("GET", "/fixed/k", &[]), status("PUT", "/fixed/k", &[]), status("DELETE", "/fixed/k", &[])),
        (200, 403, 403)
    );
    assert_eq!(status("GET", "/fixed/k", &[("x-amz-expected-bucket-owner", "999999999999")]), 403);
    assert_eq!(status("GET", "/fixed/k", &[("x-amz-expected-bucket-owner", "111122223333")]), 200);
    assert_eq!(status("GET", "/nowhere/k", &[]), 404);
    assert_eq!(server.log().entries().iter().filter(|entry| entry.status == 403).count(), 6);
}

#[test]
fn what_is_not_served_is_not_guessed() {
    let server = open_server();
    server.store().put("b", "k", Object::of("x"));
    assert_eq!(ask(&server, "GET", "/b/k?acl", &[], b"").status, 501);
    assert_eq!(ask(&server, "PUT", "/b/k?tagging", &[], b"<Tagging/>").status, 501);
    assert_eq!(server.store().body("b", "k").as_deref(), Some(&b"x"[..]));
    assert_eq!(server.log().ops(), [Op::Other, Op::Other]);
    assert_eq!(ask(&server, "GET", "/b/%FF", &[], b"").leaf("Code").as_deref(), Some("InvalidURI"));
    let long = "k".repeat(1025);
    assert_eq!(
        ask(&server, "PUT", &format!("/b/{long}"), &[], b"").leaf("Code").as_deref(),
        Some("KeyTooLongError")
    );
}

#[test]
fn a_body_has_a_length() {
    let server = open_server();
    let mut client = crate::client::Client::to(server.addr());
    let chunked = "PUT /b/k HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    client.write(chunked.as_bytes()).expect("sent");
    let mut text = Vec::new();
    let reply = client.receive(false, |part| text.extend_from_slice(part)).expect("an answer");
    assert_eq!(reply.status, 411, "{}", String::from_utf8_lossy(&text));
    assert!(server.store().keys("b").is_empty());
}

#[test]
fn deleting_many_wants_a_digest() {
    let server = open_server();
    ["a", "b", "<&>"].iter().for_each(|key| _ = server.store().put("b", key, Object::of("x")));
    let document = b"<Delete><Object><Key>a</Key></Object><Object><Key>&lt;&amp;&gt;</Key></Object>\
                     <Object><Key>none</Key></Object></Delete>";
    assert_eq!(
        ask(&server, "POST", "/b?delete", &[], document).leaf("Code").as_deref(),
        Some("InvalidRequest")
    );
    let digest = checksum::compute("crc64nvme", &[document.to_vec().into()]).expect("it is known");
    let reply = ask(&server, "POST", "/b?delete", &[("x-amz-checksum-crc64nvme", &digest)], document);
    assert_eq!((reply.status, reply.text().matches("<Deleted>").count()), (200, 3));
    assert!(reply.text().contains("<Key>&lt;&amp;&gt;</Key>"));
    assert_eq!(server.store().keys("b"), ["b"]);
}
