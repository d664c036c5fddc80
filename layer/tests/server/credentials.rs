//! The endpoints that give credentials, and that what they give is known to the S3 side.

use std::net::SocketAddr;

use crate::client::{Client, Reply, Signer};
use crate::support::s3::checksum::{hex, sha256};
use crate::support::s3::{ACCESS_KEY, Issued, Mode, SECRET_KEY, Server};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn address(url: &str) -> (SocketAddr, &str) {
    let rest = url.strip_prefix("http://").expect("endpoints are plain HTTP");
    let (addr, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (addr.parse().expect("endpoints are addresses"), path)
}

fn ask(url: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    Client::to(address(url).0).ask(method, target, headers, body.as_bytes()).expect("an answer")
}

/// Whether the S3 side takes these credentials.
fn known(server: &Server, issued: &Issued) -> u16 {
    let key = Signer { access: &issued.access, secret: &issued.secret, region: "us-east-1", service: "s3" };
    let headers = [("x-amz-content-sha256", EMPTY), ("x-amz-security-token", issued.token.as_str())];
    let (headers, _) = key.sign(&server.addr().to_string(), "GET", "/", &headers, EMPTY);
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Client::to(server.addr()).ask("GET", "/", &headers, b"").expect("an answer").status
}

fn json(reply: &Reply, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_slice(&reply.body).expect("the answer is JSON");
    value[name].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_container_gets_a_new_pair_each_time() {
    let server = Server::start();
    let endpoint = server.container();
    let (uri, token) = (endpoint.uri(), endpoint.token());
    let path = address(&uri).1.to_owned();
    assert_eq!(ask(&uri, "GET", &path, &[], "").status, 401);
    assert_eq!(ask(&uri, "GET", "/other", &[("authorization", &token)], "").status, 404);
    let first = ask(&uri, "GET", &path, &[("authorization", &token)], "");
    let second = ask(&uri, "GET", &path, &[("authorization", &token)], "");
    assert_ne!(json(&first, "AccessKeyId"), json(&second, "AccessKeyId"));
    assert!(json(&first, "Expiration").ends_with('Z'));
    let last = endpoint.last().expect("two were given");
    assert_eq!(
        (json(&second, "AccessKeyId"), json(&second, "Token")),
        (last.access.clone(), last.token.clone())
    );
    assert_eq!((known(&server, &last), endpoint.issued(), endpoint.requests().len()), (200, 2, 4));
    server.keys().expire(&last.access);
    assert_eq!(known(&server, &last), 400);
    endpoint.set_token("renewed");
    assert_eq!(ask(&uri, "GET", &path, &[("authorization", &token)], "").status, 401);
}

#[test]
fn instance_metadata_wants_a_session() {
    let server = Server::start();
    let imds = server.imds();
    let url = imds.endpoint();
    let list = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(ask(&url, "GET", list, &[], "").status, 401);
    assert_eq!(ask(&url, "PUT", "/latest/api/token", &[], "").status, 400);
    let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    let session = ask(&url, "PUT", "/latest/api/token", &[ttl], "").text();
    let session = ("x-aws-ec2-metadata-token", session.as_str());
    assert_eq!(ask(&url, "GET", list, &[session], "").text(), imds.role());
    let given = ask(&url, "GET", &format!("{list}{}", imds.role()), &[session], "");
    assert_eq!((json(&given, "Code").as_str(), json(&given, "Type").as_str()), ("Success", "AWS-HMAC"));
    assert_eq!(known(&server, &imds.last().expect("one was given")), 200);
    let region = ask(&url, "GET", "/latest/meta-data/placement/region", &[session], "");
    assert_eq!(region.text(), "us-east-1");
    imds.end_session();
    assert_eq!(ask(&url, "GET", list, &[session], "").status, 401);
    imds.mode(Mode::DeadToken);
    assert!(Client::to(address(&url).0).ask("PUT", "/latest/api/token", &[ttl], b"").is_err());
    imds.mode(Mode::Fail(503));
    assert_eq!(ask(&url, "GET", list, &[session], "").status, 503);
}

#[test]
fn the_token_service_knows_both_ways() {
    let server = Server::start();
    let sts = server.sts();
    sts.web_token("jwt.of.pod");
    sts.lifetime(std::time::Duration::from_secs(900));
    let url = sts.endpoint();
    let form = |token: &str| {
        format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fr\
             &RoleSessionName=fusion&WebIdentityToken={token}"
        )
    };
    let refused = ask(&url, "POST", "/", &[], &form("old"));
    assert_eq!((refused.status, refused.leaf("Code").as_deref()), (400, Some("InvalidIdentityToken")));
    let given = ask(&url, "POST", "/", &[], &form("jwt.of.pod"));
    let last = sts.last().expect("one was given");
    assert_eq!((given.status, given.leaf("AccessKeyId")), (200, Some(last.access.clone())));
    assert_eq!(
        (given.leaf("SessionToken"), given.leaf("Expiration")),
        (Some(last.token.clone()), Some(last.expiration.clone()))
    );
    assert_eq!(known(&server, &last), 200);
    assert_eq!(ask(&url, "GET", &format!("/?{}", form("jwt.of.pod")), &[], "").status, 200);

    let role = form("x").replace("WithWebIdentity", "");
    assert_eq!(
        ask(&url, "POST", "/", &[], &role).leaf("Code").as_deref(),
        Some("MissingAuthenticationToken")
    );
    let digest = hex(&sha256(&[role.clone().into()]));
    let host = address(&url).0.to_string();
    let assume = |secret: &str| {
        let key = Signer { access: ACCESS_KEY, secret, region: "us-east-1", service: "sts" };
        let (headers, _) = key.sign(&host, "POST", "/", &[], &digest);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        ask(&url, "POST", "/", &headers, &role)
    };
    assert_eq!(assume("wrong").leaf("Code").as_deref(), Some("SignatureDoesNotMatch"));
    assert_eq!((assume(SECRET_KEY).status, sts.issued()), (200, 3));
    sts.mode(Mode::Garbage);
    assert_eq!(ask(&url, "POST", "/", &[], &role).status, 200);
    assert_eq!(sts.issued(), 3);
}
