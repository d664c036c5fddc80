//! Multipart uploads.

use crate::client::{Client, Reply, ask, open_server};
use crate::support::s3::{Config, Object, Op, Server, generated};

fn begin(client: &mut Client, key: &str, headers: &[(&str, &str)]) -> String {
    let reply = client.ask("POST", &format!("/b/{key}?uploads"), headers, b"").expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.leaf("UploadId").expect("uploads have ids")
}

fn part(client: &mut Client, key: &str, id: &str, number: u32, body: &[u8]) -> String {
    let target = format!("/b/{key}?partNumber={number}&uploadId={id}");
    let reply = client.ask("PUT", &target, &[], body).expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("etag").expect("parts have tags").to_owned()
}

fn complete(
    client: &mut Client,
    key: &str,
    id: &str,
    headers: &[(&str, &str)],
    parts: &[(u32, &str)],
) -> Reply {
    let listed: String = parts
        .iter()
        .map(|(number, etag)| format!("<Part><ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>"))
        .collect();
    let document = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
    client.ask("POST", &format!("/b/{key}?uploadId={id}"), headers, document.as_bytes()).expect("an answer")
}

#[test]
fn parts_become_an_object() {
    let server = open_server();
    let mut client = Client::to(server.addr());
    let headers = [
        ("x-amz-meta-a", "1"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "AES256"),
    ];
    let id = begin(&mut client, "k", &headers);
    let second = part(&mut client, "k", &id, 2, b"world");
    let replaced = part(&mut client, "k", &id, 1, b"never seen");
    let first = part(&mut client, "k", &id, 1, b"hello ");
    assert_eq!(server.store().uploads("b"), ["k"]);
    assert!(server.store().get("b", "k").is_none(), "nothing is there before it is complete");
    let listed = client.ask("GET", &format!("/b/k?uploadId={id}"), &[], b"").expect("an answer");
    assert_eq!(listed.text().matches("<PartNumber>").count(), 2);
    let uploads = client.ask("GET", "/b?uploads", &[], b"").expect("an answer");
    assert_eq!(uploads.leaf("UploadId"), Some(id.clone()));

    let wrong = complete(&mut client, "k", &id, &[], &[(1, &replaced), (2, &second)]);
    assert_eq!(wrong.leaf("Code").as_deref(), Some("InvalidPart"));
    let wrong = complete(&mut client, "k", &id, &[], &[(2, &second), (1, &first)]);
    assert_eq!(wrong.leaf("Code").as_deref(), Some("InvalidPartOrder"));
    assert_eq!(complete(&mut client, "k", &id, &[], &[]).leaf("Code").as_deref(), Some("MalformedXML"));
    let done = complete(&mut client, "k", &id, &[], &[(1, &first), (2, &second)]);
    // MD5 of the two digests, one behind the other.
    assert_eq!(done.leaf("ETag").as_deref(), Some("&quot;e09e4fd6265b36115fe3db32df945d84-2&quot;"));
    let object = server.store().get("b", "k").expect("it is complete");
    assert_eq!(object.bytes(0..object.len()), "hello world");
    assert_eq!((object.header("x-amz-meta-a"), object.storage_class()), (Some("1"), "STANDARD_IA"));
    assert_eq!(
        complete(&mut client, "k", &id, &[], &[(1, &first), (2, &second)]).status,
        200,
        "once more is no error"
    );
    let late = client.ask("PUT", &format!("/b/k?partNumber=3&uploadId={id}"), &[], b"x").expect("an answer");
    assert_eq!((late.status, late.leaf("Code").as_deref()), (404, Some("NoSuchUpload")));
}

#[test]
fn conditions_are_judged_when_it_is_completed() {
    let server = open_server();
    let mut client = Client::to(server.addr());
    let id = begin(&mut client, "k", &[]);
    let etag = part(&mut client, "k", &id, 1, b"x");
    server.store().put("b", "k", Object::of("in between"));
    let refused = complete(&mut client, "k", &id, &[("if-none-match", "*")], &[(1, &etag)]);
    assert_eq!((refused.status, refused.leaf("Code").as_deref()), (412, Some("PreconditionFailed")));
    let there = server.store().get("b", "k").expect("it was put").etag().to_owned();
    assert_eq!(complete(&mut client, "k", &id, &[("if-match", &there)], &[(1, &etag)]).status, 200);
}

#[test]
fn small_parts_are_refused_and_aborting_ends_it() {
    let server = Server::with(Config { anonymous: true, ..Config::default() });
    server.store().bucket("b");
    let mut client = Client::to(server.addr());
    let id = begin(&mut client, "k", &[]);
    let (first, second) = (part(&mut client, "k", &id, 1, b"x"), part(&mut client, "k", &id, 2, b"y"));
    let small = complete(&mut client, "k", &id, &[], &[(1, &first), (2, &second)]);
    assert_eq!((small.status, small.leaf("Code").as_deref()), (400, Some("EntityTooSmall")));
    for number in ["0", "10001", "x"] {
        let target = format!("/b/k?partNumber={number}&uploadId={id}");
        let reply = client.ask("PUT", &target, &[], b"x").expect("an answer");
        assert_eq!(reply.leaf("Code").as_deref(), Some("InvalidArgument"), "{number}");
    }
    let abort = |client: &mut Client| {
        client.ask("DELETE", &format!("/b/k?uploadId={id}"), &[], b"").expect("an answer")
    };
    assert_eq!((abort(&mut client).status, abort(&mut client).status), (204, 404));
    assert!(server.store().uploads("b").is_empty());
    assert_eq!(server.log().count(Op::AbortUpload), 2);
}

#[test]
fn ranges_are_copied_into_parts() {
    let server = open_server();
    server.store().put("b", "src", Object::generated(3, 3_000_000));
    let mut client = Client::to(server.addr());
    let id = begin(&mut client, "dst", &[]);
    let mut copy = |number: u32, range: &str| {
        let target = format!("/b/dst?partNumber={number}&uploadId={id}");
        let headers = [("x-amz-copy-source", "/b/src"), ("x-amz-copy-source-range", range)];
        client.ask("PUT", &target, &headers, b"").expect("an answer")
    };
    assert_eq!(copy(9, "bytes=0-3000000").status, 416);
    assert_eq!(copy(9, "bytes=5-").status, 400);
    let etags: Vec<String> = [(1, "bytes=1000000-2999999"), (3, "bytes=0-999999")]
        .iter()
        .map(|(number, range)| {
            copy(*number, range).leaf("ETag").expect("it was copied").replace("&quot;", "\"")
        })
        .collect();
    let middle = part(&mut client, "dst", &id, 2, b"between");
    let done = complete(&mut client, "dst", &id, &[], &[(1, &etags[0]), (2, &middle), (3, &etags[1])]);
    assert_eq!(done.status, 200, "{}", done.text());
    let expected = [
        generated(3, 1_000_000..3_000_000).concat(),
        b"between".to_vec(),
        generated(3, 0..1_000_000).concat(),
    ];
    assert!(server.store().body("b", "dst").expect("it is complete") == expected.concat());
    let copied = ask(&server, "PUT", "/b/copy", &[("x-amz-copy-source", "/b/dst")], b"");
    assert!(!copied.leaf("ETag").expect("it was copied").contains('-'), "a copy is one part");
}

#[test]
fn checksums_of_the_whole_and_of_the_parts() {
    let server = open_server();
    let mut client = Client::to(server.addr());
    let full = [("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let id = begin(&mut client, "k", &full);
    let (first, second) = (part(&mut client, "k", &id, 1, b"1234"), part(&mut client, "k", &id, 2, b"56789"));
    let parts = [(1, first.as_str()), (2, second.as_str())];
    let wrong = complete(&mut client, "k", &id, &[("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")], &parts);
    assert_eq!(wrong.leaf("Code").as_deref(), Some("BadDigest"));
    let right = complete(&mut client, "k", &id, &[("x-amz-checksum-crc64nvme", "rosUhgp5mIg=")], &parts);
    assert_eq!((right.status, right.header("x-amz-checksum-crc64nvme")), (200, Some("rosUhgp5mIg=")));
    let head = ask(&server, "HEAD", "/b/k", &[("x-amz-checksum-mode", "ENABLED")], b"");
    assert_eq!(head.header("x-amz-checksum-type"), Some("FULL_OBJECT"));

    let id = begin(&mut client, "k", &[("x-amz-checksum-algorithm", "SHA256")]);
    let target = format!("/b/k?partNumber=1&uploadId={id}");
    let mismatch = client
        .ask("PUT", &target, &[("x-amz-checksum-crc32c", "4waSgw==")], b"123456789")
        .expect("an answer");
    assert_eq!(mismatch.leaf("Code").as_deref(), Some("InvalidRequest"), "not the upload's algorithm");
    let etag = part(&mut client, "k", &id, 1, b"123456789");
    let done = complete(&mut client, "k", &id, &[], &[(1, &etag)]);
    assert!(done.header("x-amz-checksum-sha256").is_some_and(|sum| sum.ends_with("-1")), "{done:?}");
}
