//! Requests with conditions, and writes whose answers were lost.

use fusion::s3::{Condition, Etag, Get, Kind, Put};

use crate::client::{bytes, client, server};
use crate::support::s3::{Action, Object, Op, When};

fn absent() -> Put<'static> {
    Put { condition: Condition::IfAbsent, ..Put::default() }
}

#[tokio::test]
async fn a_put_that_took_effect_is_not_refused_by_its_own_object() {
    let server = server();
    let client = client(&server);
    for action in [Action::ResetAfterEffect, Action::ErrorAfter { status: 500, code: "InternalError" }] {
        server.faults().add(When::op(Op::PutObject), action);
        let etag = client.put("b", "k", vec!["mine".into()], absent()).await.expect("it was ours");
        assert_eq!(etag.as_str(), server.store().get("b", "k").expect("there").etag());
        server.store().remove("b", "k");
    }
    assert_eq!(server.faults().fired(), 2);
}

#[tokio::test]
async fn a_put_that_another_one_won_is_refused() {
    let server = server();
    let client = client(&server);
    server.store().put("b", "k", Object::of("hers"));
    server.faults().add(When::op(Op::PutObject), Action::Reset);
    let error = client.put("b", "k", vec!["mine".into()], absent()).await.expect_err("hers is there");
    assert_eq!(error.kind(), Kind::Precondition);
    assert_eq!(server.store().body("b", "k").expect("there"), "hers");
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_settled_by_the_object() {
    let server = server();
    let client = client(&server);
    for condition in [Condition::None, Condition::IfAbsent] {
        server.store().remove("b", "k");
        let id = client.create_upload("b", "k", Put::default()).await.expect("create");
        let part = client.upload_part("b", "k", &id, 1, vec![bytes(100)]).await.expect("part");
        server.faults().add(When::op(Op::CompleteUpload), Action::ResetAfterEffect);
        let etag = client.complete_upload("b", "k", &id, &[part], condition).await.expect("it is done");
        assert_eq!(etag.as_str(), server.store().get("b", "k").expect("there").etag());
    }
}

#[tokio::test]
async fn a_completion_that_was_lost_with_its_upload_is_an_error() {
    let server = server();
    let client = client(&server);
    let id = client.create_upload("b", "k", Put::default()).await.expect("create");
    let part = client.upload_part("b", "k", &id, 1, vec![bytes(100)]).await.expect("part");
    client.abort_upload("b", "k", &id).await.expect("abort");
    server.store().put("b", "k", Object::of("another"));
    server.faults().add(When::op(Op::CompleteUpload), Action::Reset);
    let error = client.complete_upload("b", "k", &id, &[part], Condition::None).await.expect_err("not ours");
    assert_eq!(error.kind(), Kind::NoSuchUpload);
    assert_eq!(server.log().count(Op::HeadObject), 1);
}

#[tokio::test]
async fn an_error_with_status_200_is_an_error() {
    let server = server();
    let client = client(&server);
    let id = client.create_upload("b", "k", Put::default()).await.expect("create");
    let part = client.upload_part("b", "k", &id, 1, vec![bytes(100)]).await.expect("part");
    server.faults().add(When::op(Op::CompleteUpload).times(2), Action::ErrorBody { code: "InternalError" });
    client.complete_upload("b", "k", &id, &[part], Condition::None).await.expect("the third time");
    assert_eq!(server.log().count(Op::CompleteUpload), 3);
    server.faults().add(When::op(Op::CopyObject).always(), Action::ErrorBody { code: "AccessDenied" });
    let from = fusion::s3::Source { bucket: "b", key: "k", range: None, if_match: None };
    let error = client.copy(from, "b", "copy", Condition::None).await.expect_err("denied");
    assert_eq!((error.code(), error.status()), (Some("AccessDenied"), Some(200)));
    assert!(server.store().get("b", "copy").is_none());
}

#[tokio::test]
async fn a_server_that_knows_no_conditions_for_get_mixes_no_versions() {
    let server = server();
    let client = client(&server);
    server.store().put("b", "k", Object::of("x"));
    let etag = client.head("b", "k").await.expect("there").etag;
    let bare = Etag::new(etag.as_str().trim_matches('"'));
    let get = |etag| Get { range: None, if_match: Some(etag) };
    client.get("b", "k", get(&bare)).await.expect("quotes are no difference");
    server.faults().add(When::op(Op::GetObject), Action::Headers(&[("etag", "\"other\"")]));
    let error = client.get("b", "k", get(&etag)).await.expect_err("another version");
    assert_eq!(error.kind(), Kind::Precondition);
}
