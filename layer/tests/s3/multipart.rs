use fusion::s3::{Condition, Kind, Put, Source};

use crate::client::{bytes, client, server};
use crate::support::s3::{Object, Op};

const PART: usize = 5 << 20;

#[tokio::test]
async fn parts_in_any_order_make_one_object() {
    let server = server();
    let client = client(&server);
    let body = bytes(2 * PART + 7);
    server.store().put("b", "old", Object::of(body.clone()));
    let put = Put { metadata: &[("m", "1")], ..Put::default() };
    let id = client.create_upload("b", "big key", put).await.expect("create");
    let last = client.upload_part("b", "big key", &id, 3, vec![body.slice(2 * PART..)]).await.expect("part");
    let pieces = vec![body.slice(..100), body.slice(100..PART)];
    let first = client.upload_part("b", "big key", &id, 1, pieces).await.expect("part");
    let range = Some(PART as u64..2 * PART as u64);
    let from = Source { bucket: "b", key: "old", range, if_match: None };
    let middle = client.upload_part_copy("b", "big key", &id, 2, from).await.expect("copied part");
    let etag = client.complete_upload("b", "big key", &id, &[last, first, middle], Condition::IfAbsent).await;
    let etag = etag.expect("complete");
    assert!(etag.as_str().ends_with("-3\""), "{etag:?}");
    let stored = server.store().get("b", "big key").expect("there");
    assert_eq!((stored.len(), stored.header("x-amz-meta-m")), (body.len() as u64, Some("1")));
    assert!(stored.bytes(0..stored.len()) == body, "other bytes are stored");
    assert!(server.store().uploads("b").is_empty());
    let sums = server.log().entries().into_iter().filter(|entry| entry.op == Op::UploadPart);
    assert!(sums.into_iter().all(|entry| entry.header("x-amz-checksum-crc64nvme").is_some()));
}

#[tokio::test]
async fn uploads_that_are_gone() {
    let server = server();
    let client = client(&server);
    let id = client.create_upload("b", "k", Put::default()).await.expect("create");
    let part = client.upload_part("b", "k", &id, 1, vec!["x".into()]).await.expect("part");
    client.abort_upload("b", "k", &id).await.expect("abort");
    client.abort_upload("b", "k", &id).await.expect("gone is as good");
    let error = client.upload_part("b", "k", &id, 2, vec!["x".into()]).await.expect_err("gone");
    assert_eq!(error.kind(), Kind::NoSuchUpload);
    let error = client.complete_upload("b", "k", &id, &[part], Condition::None).await.expect_err("gone");
    assert_eq!(error.kind(), Kind::NoSuchUpload);
    assert_eq!(server.log().count(Op::HeadObject), 0, "nothing was in doubt");
}
