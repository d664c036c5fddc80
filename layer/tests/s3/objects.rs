use std::time::{Duration, SystemTime};

use fusion::s3::{Condition, Etag, Get, Kind, Put, Source};

use crate::client::{bytes, client, client_with, read, server};
use crate::support::s3::{Object, Op, Settings};

/// Keys that clients are known to trip over.
const ODD: [&str; 14] = [
    "plain",
    "a//b",
    "/lead",
    "dir/",
    "./.",
    "..",
    "a b+c",
    "per%41cent",
    "q?x=1&y",
    "h#ash",
    "caf\u{e9}\u{1f980}",
    "line\nend\t",
    "~!*'()",
    "x=y;z,@:$",
];

#[tokio::test]
async fn odd_keys_are_written_read_and_deleted_as_they_are() {
    let server = server();
    for style in ["1", "0"] {
        let endpoint = format!("http://localhost:{}", server.addr().port());
        let client =
            client_with(&server, &[("AWS_S3_ENDPOINT", &endpoint), ("FUSION_AWS_PATH_STYLE", style)]);
        for bucket in ["b", "bucket-b"] {
            server.store().bucket(bucket);
            for key in ODD {
                let etag = client.put(bucket, key, vec![key.into()], Put::default()).await.expect(key);
                assert_eq!(server.store().body(bucket, key).expect(key), key, "the server has another key");
                let meta = client.head(bucket, key).await.expect(key);
                assert_eq!((meta.size, &meta.etag), (key.len() as u64, &etag));
                let object = client.get(bucket, key, Get::default()).await.expect(key);
                assert_eq!(read(object.body).await.expect(key), key.as_bytes());
                client.delete(bucket, key).await.expect(key);
                assert_eq!(client.head(bucket, key).await.expect_err(key).kind(), Kind::NoSuchKey);
                client.delete(bucket, key).await.expect("gone is as good");
            }
        }
    }
}

#[tokio::test]
async fn one_connection_serves_one_caller() {
    let server = server();
    let client = client(&server);
    let body = bytes(3_000_000);
    client
        .put("b", "k", vec![body.slice(..1_000_000), body.slice(1_000_000..)], Put::default())
        .await
        .expect("put");
    for _ in 0..5 {
        let object = client.get("b", "k", Get::default()).await.expect("get");
        assert_eq!(read(object.body).await.expect("whole"), body);
        client.head("b", "k").await.expect("head");
    }
    assert_eq!(client.head("b", "none").await.expect_err("absent").kind(), Kind::NoSuchKey);
    assert_eq!(server.log().connections(), 1);
    // A body that is dropped takes its connection with it.
    drop(client.get("b", "k", Get::default()).await.expect("get"));
    client.head("b", "k").await.expect("head");
    assert_eq!(server.log().connections(), 2);
}

#[tokio::test]
async fn ranges_and_generations() {
    let server = server();
    let client = client(&server);
    let old = Etag::new(&server.store().put("b", "k", Object::of("0123456789")));
    let get = |range, if_match| Get { range, if_match };
    for (range, want) in [(2..5, "234"), (7..100, "789"), (0..1, "0"), (9..10, "9")] {
        let object = client.get("b", "k", get(Some(range.clone()), Some(&old))).await.expect("get");
        assert_eq!((object.meta.size, object.range.clone()), (10, range.start..range.end.min(10)));
        assert_eq!(read(object.body).await.expect("whole"), want.as_bytes());
    }
    let error = client.get("b", "k", get(Some(10..11), None)).await.expect_err("behind the end");
    assert_eq!(error.kind(), Kind::Range);
    let error = client.get("b", "k", get(Some(5..5), None)).await.expect_err("empty");
    assert_eq!(error.kind(), Kind::Local);
    server.store().put("b", "k", Object::of("new"));
    let error = client.get("b", "k", get(Some(0..1), Some(&old))).await.expect_err("another generation");
    assert_eq!(error.kind(), Kind::Precondition);
    server.store().put("b", "empty", Object::of(""));
    let object = client.get("b", "empty", Get::default()).await.expect("get");
    assert_eq!((object.range.clone(), read(object.body).await.expect("whole")), (0..0, Vec::new()));
}

#[tokio::test]
async fn attributes_are_those_of_the_server() {
    let server = server();
    let client = client(&server);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let object = Object::of("x")
        .with("x-amz-meta-mode", "0755")
        .with("x-amz-storage-class", "GLACIER")
        .modified(modified);
    server.store().put("b", "cold", object);
    let meta = client.head("b", "cold").await.expect("head");
    assert_eq!((meta.modified, meta.archived, meta.size), (modified, true, 1));
    assert_eq!(meta.metadata, [("mode".into(), "0755".into())]);
    let error = client.get("b", "cold", Get::default()).await.expect_err("archived");
    assert_eq!((error.kind(), error.code()), (Kind::Archived, Some("InvalidObjectState")));
}

#[tokio::test]
async fn conditions_of_writes() {
    let server = server();
    let client = client(&server);
    let put = |condition| Put { condition, ..Put::default() };
    let first = client.put("b", "k", vec!["1".into()], put(Condition::IfAbsent)).await.expect("new");
    let error = client.put("b", "k", vec!["2".into()], put(Condition::IfAbsent)).await.expect_err("there");
    assert_eq!((error.kind(), error.status()), (Kind::Precondition, Some(412)));
    client.put("b", "k", vec!["3".into()], put(Condition::IfMatch(&first))).await.expect("still the first");
    let error =
        client.put("b", "k", vec!["4".into()], put(Condition::IfMatch(&first))).await.expect_err("third");
    assert_eq!(error.kind(), Kind::Precondition);
    assert_eq!(server.store().body("b", "k").expect("there"), "3");
}

#[tokio::test]
async fn settings_reach_the_server() {
    let server = server();
    let client = client_with(
        &server,
        &[
            ("FUSION_AWS_REQUEST_PAYER", "requester"),
            ("FUSION_AWS_EXPECTED_BUCKET_OWNER", "111122223333"),
            ("FUSION_AWS_SERVER_SIDE_ENCRYPTION", "aws:kms:dsse"),
            ("FUSION_AWS_SSEKMS_KEY_ID", "arn:aws:kms:eu:1:key/k"),
            ("FUSION_AWS_STORAGE_CLASS", "STANDARD_IA"),
            ("FUSION_TAGS", "[.command.*](kind=meta),[*](nextflow.io/temporary=true)"),
        ],
    );
    server.store().bucket_with("paid", Settings { requester_pays: true, ..Settings::default() });
    let put = Put { metadata: &[("uid", "7")], content_type: Some("text/plain"), ..Put::default() };
    client.put("paid", "w/.command.sh", vec!["x".into()], put).await.expect("put");
    let from = Source { bucket: "paid", key: "w/.command.sh", range: None, if_match: None };
    client.copy(from, "b", "copy", Condition::None).await.expect("copy");
    let id = client.create_upload("b", "parts", put).await.expect("create");
    client.abort_upload("b", "parts", &id).await.expect("abort");
    for entry in server.log().entries() {
        assert_eq!(entry.header("x-amz-request-payer"), Some("requester"), "{:?}", entry.op);
        assert_eq!(entry.header("x-amz-expected-bucket-owner"), Some("111122223333"));
        if entry.op == Op::AbortUpload {
            continue;
        }
        assert_eq!(entry.header("x-amz-server-side-encryption"), Some("aws:kms:dsse"));
        assert_eq!(
            entry.header("x-amz-server-side-encryption-aws-kms-key-id"),
            Some("arn:aws:kms:eu:1:key/k")
        );
        assert_eq!(entry.header("x-amz-storage-class"), Some("STANDARD_IA"));
        let tags = if entry.bucket == "paid" { "kind=meta" } else { "nextflow.io%2Ftemporary=true" };
        assert_eq!(entry.header("x-amz-tagging"), Some(tags));
    }
    let stored = server.store().get("paid", "w/.command.sh").expect("there");
    assert_eq!(
        (stored.header("x-amz-meta-uid"), stored.header("content-type")),
        (Some("7"), Some("text/plain"))
    );
}

#[tokio::test]
async fn the_owner_and_the_payer_are_asked_for() {
    let server = server();
    server.store().bucket_with("paid", Settings { requester_pays: true, ..Settings::default() });
    let error = client(&server).head_bucket("paid").await.expect_err("nobody pays");
    assert_eq!(error.kind(), Kind::Denied);
    let stranger = client_with(&server, &[("FUSION_AWS_EXPECTED_BUCKET_OWNER", "999999999999")]);
    assert_eq!(stranger.head_bucket("b").await.expect_err("another owner").kind(), Kind::Denied);
    client(&server).head_bucket("b").await.expect("ours");
    assert_eq!(client(&server).head_bucket("none").await.expect_err("absent").kind(), Kind::NoSuchBucket);
    let error = client(&server).get("none", "k", Get::default()).await.expect_err("absent");
    assert_eq!(error.kind(), Kind::NoSuchBucket);
    assert!(error.request_id().is_some(), "{error}");
}

#[tokio::test]
async fn copies_and_their_conditions() {
    let server = server();
    let client = client(&server);
    let etag = Etag::new(&server.store().put("b", "a b/+%", Object::of("x").with("x-amz-meta-m", "1")));
    let from = |if_match| Source { bucket: "b", key: "a b/+%", range: None, if_match };
    client.copy(from(Some(&etag)), "b", "copy", Condition::IfAbsent).await.expect("copy");
    let copy = server.store().get("b", "copy").expect("there");
    assert_eq!((copy.header("x-amz-meta-m"), copy.len()), (Some("1"), 1));
    let other = Etag::new("\"0123\"");
    let error = client.copy(from(Some(&other)), "b", "copy2", Condition::None).await.expect_err("another");
    assert_eq!(error.kind(), Kind::Precondition);
    let gone = Source { bucket: "b", key: "gone", range: None, if_match: None };
    assert_eq!(
        client.copy(gone, "b", "copy2", Condition::None).await.expect_err("gone").kind(),
        Kind::NoSuchKey
    );
}

#[tokio::test]
async fn many_keys_are_deleted_by_the_thousand() {
    let server = server();
    let client = client(&server);
    let mut keys: Vec<String> = (0..2500).map(|number| format!("d/{number} & <{number}>\r\n")).collect();
    keys.push("control\u{1}".to_owned());
    server.store().fill("b", keys.iter().cloned(), Object::of("x"));
    server.store().put("b", "stays", Object::of("x"));
    let refs: Vec<&str> = keys.iter().map(String::as_str).collect();
    let failed = client.delete_many("b", &refs).await.expect("deleted");
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(server.store().keys("b"), ["stays"]);
    assert_eq!((server.log().count(Op::DeleteObjects), server.log().count(Op::DeleteObject)), (3, 1));
}
