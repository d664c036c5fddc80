//! Signatures: the examples of the S3 API reference, and what a live server refuses.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use crate::client::{Client, Signer, compact};
use crate::support::s3::auth::chunks;
use crate::support::s3::auth::keys::Keys;
use crate::support::s3::auth::sigv4::{Identity, verify};
use crate::support::s3::checksum::{hex, hmac, sha256};
use crate::support::s3::error::Error;
use crate::support::s3::request::Request;
use crate::support::s3::{ACCESS_KEY, Object, Op, SECRET_KEY, Server, uri};

/// The key pair, and the SHA-256 of nothing, of the examples.
const EXAMPLE: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// 2013-05-24T00:00:00Z.
const DAY: u64 = 1_369_353_600;

fn example(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    signed: &str,
    signature: &str,
) -> Result<Identity, Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let scope = "20130524/us-east-1/s3/aws4_request";
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={signed},Signature={signature}",
        EXAMPLE.0
    );
    let mut all = vec![("authorization".to_owned(), authorization)];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        bucket: "examplebucket".to_owned(),
        key: String::new(),
        query: uri::query(query).expect("the examples have readable queries"),
        headers: all,
        op: Op::Other,
    };
    let keys = Keys::default();
    keys.add(EXAMPLE.0, EXAMPLE.1, None);
    verify(&request, &keys, UNIX_EPOCH + Duration::from_secs(DAY), "s3", None, |_| Ok(()))
}

#[test]
fn examples_of_the_reference_hold() {
    let (host, date) = (("host", "examplebucket.s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z"));
    let empty = ("x-amz-content-sha256", EMPTY);
    let get = example(
        "GET",
        "/test.txt",
        &[host, ("range", "bytes=0-9"), empty, date],
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    assert!(matches!(get, Ok(Identity::Signed(_))), "{get:?}");
    let digest = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    let put = example(
        "PUT",
        "/test%24file.text",
        &[
            host,
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            date,
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", digest),
        ],
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    assert!(matches!(put, Ok(Identity::Signed(_))), "{put:?}");
    let names = "host;x-amz-content-sha256;x-amz-date";
    let lifecycle = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    assert!(example("GET", "/?lifecycle", &[host, empty, date], names, lifecycle).is_ok());
    let list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    assert!(example("GET", "/?max-keys=2&prefix=J", &[host, empty, date], names, list).is_ok());
    let other = example("GET", "/?max-keys=3&prefix=J", &[host, empty, date], names, list);
    assert_eq!(other.map(|_| ()).map_err(|error| error.code), Err("SignatureDoesNotMatch"));
}

#[test]
fn the_example_in_chunks_holds() {
    let identity = example(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("content-length", "66824"),
        ],
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
    .expect("the seed signature of the example holds");
    let signatures = [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ];
    let chunk = |size: usize, signature: &str| {
        format!("{size:x};chunk-signature={signature}\r\n{}\r\n", "a".repeat(size))
    };
    let body: String = signatures.iter().map(|(size, signature)| chunk(*size, signature)).collect();
    assert_eq!(body.len(), 66_824);
    let form = "AWS4-HMAC-SHA256-PAYLOAD";
    let (segments, trailers) =
        chunks::decode(form, Bytes::from(body.clone()), &identity).expect("chunks hold");
    assert_eq!((segments.concat().len(), trailers.len()), (66_560, 0));
    let forged = Bytes::from(body.replacen("aaa", "aab", 1));
    let refused = chunks::decode(form, forged, &identity).expect_err("a changed chunk is found");
    assert_eq!(refused.code, "SignatureDoesNotMatch");
}

#[test]
fn a_live_server_verifies() {
    let server = Server::start();
    server.store().bucket("b");
    let mut client = Client::to(server.addr());
    let put =
        client.ask_signed("PUT", "/b/dir/a%20b%2Bc", &[("x-amz-meta-a", "1")], b"hello").expect("an answer");
    assert_eq!((put.status, put.header("etag")), (200, Some("\"5d41402abc4b2a76b9719d911017c592\"")));
    let get = client.ask_signed("GET", "/b/dir/a%20b%2Bc?x-id=GetObject", &[], b"").expect("an answer");
    assert_eq!((get.status, get.body.as_slice()), (200, &b"hello"[..]));
    let anonymous = client.ask("GET", "/b/dir/a%20b%2Bc", &[], b"").expect("an answer");
    assert_eq!((anonymous.status, anonymous.leaf("Code").as_deref()), (403, Some("AccessDenied")));
    let entries = server.log().entries();
    assert_eq!(entries[0].header("authorization"), Some("[hidden]"));
    assert_eq!(server.log().ops(), [Op::PutObject, Op::GetObject, Op::GetObject]);
    assert_eq!(server.log().connections(), 1);
}

#[test]
fn refusals_have_their_codes() {
    let server = Server::start();
    server.store().bucket("b");
    server.store().put("b", "k", Object::of("x"));
    let host = server.addr().to_string();
    let ask = |key: &Signer<'_>, headers: &[(&str, &str)], extra: &[(&str, &str)], body: &[u8]| {
        let payload = headers
            .iter()
            .find(|(name, _)| *name == "x-amz-content-sha256")
            .map_or(EMPTY, |(_, value)| *value);
        let method = if body.is_empty() { "GET" } else { "PUT" };
        let (signed, _) = key.sign(&host, method, "/b/k", headers, payload);
        let mut all: Vec<(&str, &str)> =
            signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.extend(extra);
        let reply = Client::to(server.addr()).ask(method, "/b/k", &all, body).expect("an answer");
        (reply.status, reply.leaf("Code").unwrap_or_default())
    };
    let empty = ("x-amz-content-sha256", EMPTY);
    let good = Signer { access: ACCESS_KEY, secret: SECRET_KEY, region: "us-east-1", service: "s3" };
    assert_eq!(ask(&good, &[empty], &[], b"").0, 200);
    assert_eq!(ask(&good, &[], &[], b""), (400, "InvalidRequest".into()));
    assert_eq!(ask(&good, &[empty], &[("x-amz-meta-late", "1")], b""), (403, "AccessDenied".into()));
    assert_eq!(ask(&good, &[empty], &[], b"body"), (400, "XAmzContentSHA256Mismatch".into()));
    assert_eq!(
        ask(&Signer { secret: "wrong", ..good }, &[empty], &[], b""),
        (403, "SignatureDoesNotMatch".into())
    );
    assert_eq!(
        ask(&Signer { access: "AKIANOBODY", ..good }, &[empty], &[], b""),
        (403, "InvalidAccessKeyId".into())
    );
    let token = ("x-amz-security-token", "session");
    assert_eq!(ask(&good, &[empty, token], &[], b""), (400, "InvalidToken".into()));

    server.keys().add("ASIATEMP", "s", Some("session"));
    let temporary = Signer { access: "ASIATEMP", secret: "s", ..good };
    assert_eq!(ask(&temporary, &[empty, token], &[], b"").0, 200);
    server.keys().expire("ASIATEMP");
    assert_eq!(ask(&temporary, &[empty, token], &[], b""), (400, "ExpiredToken".into()));

    server.clock().set_offset(20 * 60);
    assert_eq!(ask(&good, &[empty], &[], b""), (403, "RequestTimeTooSkewed".into()));
    let corrected = compact(std::time::SystemTime::now() + Duration::from_secs(20 * 60));
    assert_eq!(ask(&good, &[empty, ("x-amz-date", &corrected)], &[], b"").0, 200);
}

#[test]
fn chunks_with_trailers_are_taken() {
    let server = Server::start();
    server.store().bucket("b");
    let host = server.addr().to_string();
    let key = Signer { access: ACCESS_KEY, secret: SECRET_KEY, region: "us-east-1", service: "s3" };
    let form = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let headers = [
        ("content-encoding", "aws-chunked"),
        ("x-amz-content-sha256", form),
        ("x-amz-decoded-content-length", "9"),
        ("x-amz-trailer", "x-amz-checksum-crc32c"),
    ];
    let put = |trailer: &str| {
        let (signed, _) = key.sign(&host, "PUT", "/b/k", &headers, form);
        let all: Vec<(&str, &str)> =
            signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = format!("4\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc32c:{trailer}\r\n\r\n");
        Client::to(server.addr()).ask("PUT", "/b/k", &all, body.as_bytes()).expect("an answer")
    };
    let wrong = put("AAAAAA==");
    assert_eq!((wrong.status, wrong.leaf("Code").as_deref()), (400, Some("BadDigest")));
    let put = put("4waSgw==");
    assert_eq!((put.status, put.header("x-amz-checksum-crc32c")), (200, Some("4waSgw==")));
    assert_eq!(server.store().body("b", "k").as_deref(), Some(&b"123456789"[..]));
    let object = server.store().get("b", "k").expect("it was put");
    assert_eq!(object.header("content-encoding"), None, "the framing is no property of the object");
}

#[test]
fn signed_trailers_are_verified() {
    let server = Server::start();
    server.store().bucket("b");
    let host = server.addr().to_string();
    let key = Signer { access: ACCESS_KEY, secret: SECRET_KEY, region: "us-east-1", service: "s3" };
    let form = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    let headers = [
        ("x-amz-content-sha256", form),
        ("x-amz-decoded-content-length", "3"),
        ("x-amz-trailer", "x-amz-checksum-sha256"),
    ];
    let (signed, seed) = key.sign(&host, "PUT", "/b/k", &headers, form);
    let time =
        signed.iter().find(|(name, _)| name == "x-amz-date").map(|(_, value)| value.clone()).expect("signed");
    let scope = format!("{}/us-east-1/s3/aws4_request", &time[..8]);
    let signing = crate::support::s3::auth::sigv4::signing_key(SECRET_KEY, &time[..8], "us-east-1", "s3");
    let digest = |data: &str| hex(&sha256(&[Bytes::from(data.to_owned())]));
    let sign = |kind: &str, previous: &str, rest: &str| {
        hex(&hmac(
            &signing,
            format!("AWS4-HMAC-SHA256-{kind}\n{time}\n{scope}\n{previous}\n{rest}").as_bytes(),
        ))
    };
    let first = sign("PAYLOAD", &seed, &format!("{EMPTY}\n{}", digest("abc")));
    let last = sign("PAYLOAD", &first, &format!("{EMPTY}\n{EMPTY}"));
    let sum = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    let trailer = sign("TRAILER", &last, &digest(&format!("x-amz-checksum-sha256:{sum}\n")));
    let put = |trailer: &str| {
        let all: Vec<(&str, &str)> =
            signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = format!(
            "3;chunk-signature={first}\r\nabc\r\n0;chunk-signature={last}\r\nx-amz-checksum-sha256:{sum}\r\n\
             x-amz-trailer-signature:{trailer}\r\n\r\n"
        );
        Client::to(server.addr()).ask("PUT", "/b/k", &all, body.as_bytes()).expect("an answer")
    };
    assert_eq!(put(&trailer).status, 200);
    assert_eq!(put(&first).leaf("Code").as_deref(), Some("SignatureDoesNotMatch"));
}
