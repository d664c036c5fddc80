use fusion::s3::{Get, Kind, List, Put};

use crate::client::client_with;
use crate::support::s3::{Config, ForeignRegion, Object, Server, Settings};

#[tokio::test]
async fn a_bucket_elsewhere_costs_one_more_request_once() {
    // The answer to a HEAD has no document that could name the region: it takes a question more.
    for (foreign_region, requests) in [(ForeignRegion::Redirect, 8), (ForeignRegion::Malformed, 9)] {
        let server = Server::with(Config { foreign_region, ..Config::default() });
        for bucket in ["head", "get", "list", "put"] {
            server
                .store()
                .bucket_with(bucket, Settings { region: "eu-central-1".into(), ..Settings::default() });
            server.store().put(bucket, "k", Object::of("x"));
        }
        let client = client_with(&server, &[("AWS_REGION", "us-west-2")]);
        for requests in [requests, 4] {
            server.log().clear();
            client.head("head", "k").await.expect("head");
            client.get("get", "k", Get::default()).await.expect("get");
            client.list("list", List::default()).await.expect("list");
            client.put("put", "k", vec!["x".into()], Put::default()).await.expect("put");
            assert_eq!(server.log().entries().len(), requests, "{:?}", server.log().ops());
        }
    }
}

#[tokio::test]
async fn a_region_that_was_set_is_used_where_it_is_right() {
    let server = Server::start();
    server.store().bucket_with("b", Settings { region: "garage".into(), ..Settings::default() });
    let client = client_with(&server, &[("AWS_REGION", "us-east-1"), ("FUSION_AWS_REGION", "garage")]);
    assert_eq!(client.head("b", "k").await.expect_err("absent").kind(), Kind::NoSuchKey);
    assert_eq!(server.log().entries().len(), 1);
}
