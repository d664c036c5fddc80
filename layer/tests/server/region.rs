//! The two ways of naming a bucket, and buckets of other regions.

use crate::client::{Client, Reply, Signer, ask};
use crate::support::s3::{ACCESS_KEY, Config, ForeignRegion, Object, SECRET_KEY, Server, Settings};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn far(foreign_region: ForeignRegion) -> Server {
    let server = Server::with(Config { foreign_region, ..Config::default() });
    server.store().bucket_with("far", Settings { region: "eu-west-1".into(), ..Settings::default() });
    server.store().put("far", "k", Object::of("x"));
    server
}

fn signed_for(server: &Server, region: &str, method: &str, target: &str) -> Reply {
    let key = Signer { access: ACCESS_KEY, secret: SECRET_KEY, region, service: "s3" };
    let host = server.addr().to_string();
    let (headers, _) = key.sign(&host, method, target, &[("x-amz-content-sha256", EMPTY)], EMPTY);
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Client::to(server.addr()).ask(method, target, &headers, b"").expect("an answer")
}

#[test]
fn a_redirect_names_the_region() {
    let server = far(ForeignRegion::Redirect);
    let wrong = signed_for(&server, "us-east-1", "GET", "/far/k");
    assert_eq!((wrong.status, wrong.leaf("Code").as_deref()), (301, Some("PermanentRedirect")));
    assert_eq!(wrong.header("x-amz-bucket-region"), Some("eu-west-1"));
    assert_eq!(wrong.leaf("Endpoint").as_deref(), Some("far.s3.eu-west-1.amazonaws.com"));
    let head = signed_for(&server, "us-east-1", "HEAD", "/far");
    assert_eq!((head.status, head.header("x-amz-bucket-region")), (301, Some("eu-west-1")));
    assert_eq!(signed_for(&server, "eu-west-1", "GET", "/far/k").status, 200);
    let anonymous = ask(&server, "HEAD", "/far", &[], b"");
    assert_eq!((anonymous.status, anonymous.header("x-amz-bucket-region")), (403, Some("eu-west-1")));
}

#[test]
fn a_malformed_header_names_the_region() {
    let server = far(ForeignRegion::Malformed);
    let wrong = signed_for(&server, "us-east-1", "GET", "/far/k");
    assert_eq!((wrong.status, wrong.leaf("Code").as_deref()), (400, Some("AuthorizationHeaderMalformed")));
    assert_eq!(wrong.leaf("Region").as_deref(), Some("eu-west-1"));
    let head = signed_for(&server, "us-east-1", "HEAD", "/far");
    assert_eq!((head.status, head.header("x-amz-bucket-region")), (400, Some("eu-west-1")));
    assert_eq!(signed_for(&server, "eu-west-1", "HEAD", "/far").status, 200);
}

#[test]
fn a_bucket_is_in_the_path_or_in_the_host() {
    let server = Server::with(Config { anonymous: true, ..Config::default() });
    server.store().bucket("b.dots");
    server.store().put("b.dots", "dir//k", Object::of("x"));
    let get = |host: &str, target: &str| ask(&server, "GET", target, &[("host", host)], b"").status;
    for host in [
        "b.dots.localhost:9000",
        "b.dots.s3.test",
        "b.dots.s3.amazonaws.com",
        "b.dots.s3.eu-west-1.amazonaws.com",
    ] {
        assert_eq!(get(host, "/dir//k"), 200, "{host}");
    }
    for host in ["localhost:9000", "127.0.0.1", "s3.amazonaws.com", "s3.eu-west-1.amazonaws.com"] {
        assert_eq!(get(host, "/b.dots/dir//k"), 200, "{host}");
    }
    assert!(
        server
            .log()
            .entries()
            .iter()
            .all(|entry| (entry.bucket.as_str(), entry.key.as_str()) == ("b.dots", "dir//k"))
    );
}
