use fusion::s3::{Kind, List};

use crate::client::{client, server};
use crate::support::s3::{Object, Op, Settings};

#[tokio::test]
async fn pages_make_up_the_whole_in_order() {
    let server = server();
    let client = client(&server);
    let mut keys: Vec<String> = (0..250).map(|number| format!("d/{number:03} +%\n\u{e9}")).collect();
    keys.extend([
        "d//x".to_owned(),
        "d/sub/1".to_owned(),
        "d/sub/2".to_owned(),
        "e".to_owned(),
        "d/\u{1}".to_owned(),
    ]);
    server.store().fill("b", keys.clone(), Object::of("body"));
    keys.sort();
    let (mut found, mut pages, mut next) = (Vec::new(), 0, None::<Box<str>>);
    loop {
        let list = List { continuation: next.as_deref(), max_keys: Some(100), ..List::default() };
        let page = client.list("b", list).await.expect("a page");
        found.extend(page.objects.iter().map(|object| object.key.to_string()));
        assert!(page.objects.iter().all(|object| object.size == 4 && !object.archived));
        (pages, next) = (pages + 1, page.next);
        if next.is_none() {
            break;
        }
    }
    assert_eq!(found, keys);
    assert_eq!((pages, server.log().count(Op::ListObjects)), (3, 3));
    let list = List { prefix: "d/", delimiter: Some("/"), start_after: Some("d/249"), ..List::default() };
    let page = client.list("b", list).await.expect("a page");
    assert_eq!(page.prefixes, ["d/sub/".into()]);
    assert_eq!(page.objects.iter().map(|object| &*object.key).collect::<Vec<_>>(), ["d/249 +%\n\u{e9}"]);
    let page = client
        .list("b", List { prefix: "d/", delimiter: Some("/"), ..List::default() })
        .await
        .expect("a page");
    assert_eq!(page.prefixes, ["d//".into(), "d/sub/".into()]);
}

#[tokio::test]
async fn a_listed_object_is_the_one_that_head_shows() {
    let server = server();
    let client = client(&server);
    server.store().put("b", "k", Object::of("xyz").with("x-amz-storage-class", "DEEP_ARCHIVE"));
    let page =
        client.list("b", List { prefix: "k", max_keys: Some(1), ..List::default() }).await.expect("a page");
    let meta = client.head("b", "k").await.expect("head");
    let [listed] = &page.objects[..] else { panic!("{page:?}") };
    assert_eq!(
        (&listed.etag, listed.size, listed.modified, listed.archived),
        (&meta.etag, meta.size, meta.modified, true)
    );
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let server = server();
    let client = client(&server);
    server.store().bucket_with("closed", Settings { list_denied: true, ..Settings::default() });
    for (bucket, kind, code) in
        [("closed", Kind::Denied, "AccessDenied"), ("none", Kind::NoSuchBucket, "NoSuchBucket")]
    {
        let error = client.list(bucket, List::default()).await.expect_err(bucket);
        assert_eq!((error.kind(), error.code()), (kind, Some(code)));
    }
}
