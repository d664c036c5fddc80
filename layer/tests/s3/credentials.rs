use std::time::Duration;

use fusion::s3::{Get, Kind, List, Put};

use crate::client::{File, bytes, client, client_with, keyless, read, server};
use crate::support::s3::{ACCESS_KEY, Action, Mode, Object, Op, SECRET_KEY, Server, Settings, When};

async fn reaches(client: &fusion::s3::Client) {
    client.head_bucket("b").await.expect("the credentials are good");
}

#[tokio::test]
async fn a_containers_role() {
    let server = server();
    let container = server.container();
    let token = File::new("token", &format!("{}\n", container.token()));
    let uri = container.uri();
    for (name, value) in [
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", container.token().clone()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path().to_owned()),
    ] {
        let client = keyless(&server, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri), (name, &value)]);
        reaches(&client).await;
        reaches(&client).await;
    }
    assert_eq!(container.issued(), 2);
    container.mode(Mode::Fail(500));
    let client = keyless(&server, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)]);
    let error = client.head_bucket("b").await.expect_err("no credentials");
    assert_eq!(error.kind(), Kind::Credentials);
    assert!(error.to_string().contains("container"), "{error}");
}

#[tokio::test]
async fn an_instances_role() {
    let server = server();
    let imds = server.imds();
    let endpoint = imds.endpoint();
    let variables =
        [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())];
    let client = keyless(&server, &variables);
    reaches(&client).await;
    assert_eq!(imds.issued(), 1);
}

#[tokio::test]
async fn a_dead_metadata_service_means_anonymous_and_says_so() {
    let server = server();
    server.store().bucket_with("open", Settings { public: true, ..Settings::default() });
    let imds = server.imds();
    imds.mode(Mode::Dead);
    let endpoint = imds.endpoint();
    let variables =
        [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())];
    let client = keyless(&server, &variables);
    let begun = std::time::Instant::now();
    client.head_bucket("open").await.expect("anybody may");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    let error = client.head_bucket("b").await.expect_err("not anybody");
    assert!(begun.elapsed() < Duration::from_secs(1), "it is not asked again");
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.to_string().contains("hop limit to 2"), "{error}");
}

#[tokio::test]
async fn a_web_identity_whose_file_changes() {
    let server = server();
    let sts = server.sts();
    let token = File::new("web", "first");
    sts.web_token("first");
    let endpoint = sts.endpoint();
    let client = keyless(
        &server,
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path()),
            ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r"),
            ("AWS_ENDPOINT_URL_STS", &endpoint),
        ],
    );
    reaches(&client).await;
    std::fs::write(token.path(), "second").expect("the file can be written");
    sts.web_token("second");
    server.keys().expire(&sts.last().expect("one was given").access);
    reaches(&client).await;
    assert_eq!(sts.issued(), 2);
}

#[tokio::test]
async fn profiles_with_keys_and_with_roles() {
    let server = server();
    let sts = server.sts();
    let endpoint = sts.endpoint();
    let keys = File::new(
        "credentials",
        &format!("[base]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"),
    );
    let config = File::new(
        "config",
        "[profile role]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base\n",
    );
    let variables = |profile| {
        [
            ("AWS_PROFILE", profile),
            ("AWS_CONFIG_FILE", config.path()),
            ("AWS_SHARED_CREDENTIALS_FILE", keys.path()),
            ("AWS_ENDPOINT_URL_STS", endpoint.as_str()),
        ]
    };
    reaches(&keyless(&server, &variables("base"))).await;
    assert_eq!(sts.issued(), 0);
    reaches(&keyless(&server, &variables("role"))).await;
    assert_eq!(sts.issued(), 1);
    let error = keyless(&server, &variables("none")).head_bucket("b").await.expect_err("no such profile");
    assert_eq!(error.kind(), Kind::Credentials);
}

#[tokio::test]
async fn credentials_that_end_are_replaced_and_the_request_repeated() {
    let server = server();
    let container = server.container();
    let (uri, token) = (container.uri(), container.token().clone());
    let client = keyless(
        &server,
        &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token)],
    );
    server.store().put("b", "k", Object::of("x"));
    let expire = || server.keys().expire(&container.last().expect("one was given").access);
    client.get("b", "k", Get::default()).await.expect("get");
    expire();
    client.get("b", "k", Get::default()).await.expect("with new ones");
    expire();
    client.head("b", "k").await.expect("a HEAD's answer has no code");
    expire();
    client.put("b", "k", vec![bytes(1_000_000)], Put::default()).await.expect("with new ones");
    assert_eq!(container.issued(), 4);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_corrected() {
    for offset in [1200, -1200] {
        let server = server();
        server.clock().set_offset(offset);
        let client = client(&server);
        server.store().put("b", "k", Object::of("x"));
        client.head("b", "k").await.expect("a HEAD's answer has no code");
        let object = client.get("b", "k", Get::default()).await.expect("get");
        assert_eq!(read(object.body).await.expect("whole"), b"x");
        assert_eq!(server.log().entries().len(), 3, "{offset}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_corrected_once_for_all_requests() {
    let server = server();
    server.clock().set_offset(1200);
    let client = client(&server);
    server.store().put("b", "k", Object::of("x"));
    // Both are refused before either learns of it.
    for op in [Op::HeadObject, Op::ListObjects] {
        server.faults().add(When::op(op), Action::Delay(Duration::from_millis(200)));
    }
    let (head, list) = tokio::join!(client.head("b", "k"), client.list("b", List::default()));
    head.expect("the clock is right by now");
    list.expect("and is right for this one as well");
    client.head("b", "k").await.expect("and stays right");
    assert_eq!(server.log().entries().len(), 5);
}

#[tokio::test]
async fn keys_that_are_wrong_are_told_at_once() {
    let server = server();
    for (name, code) in
        [("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId"), ("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch")]
    {
        server.log().clear();
        let client = client_with(&server, &[(name, "AKIAWRONG")]);
        let error = client.get("b", "k", Get::default()).await.expect_err(name);
        assert_eq!((error.kind(), error.code()), (Kind::Denied, Some(code)));
        assert_eq!(server.log().entries().len(), 1);
    }
}

#[tokio::test]
async fn anybody_may_read_what_is_public() {
    let server: Server = server();
    server.store().bucket_with("open", Settings { public: true, ..Settings::default() });
    server.store().put("open", "k", Object::of("x"));
    let client = client_with(&server, &[("FUSION_AWS_ANONYMOUS", "1")]);
    client.head("open", "k").await.expect("anybody may");
    let error = client.head("b", "k").await.expect_err("not anybody");
    assert!(error.to_string().contains("FUSION_AWS_ANONYMOUS"), "{error}");
}

#[tokio::test]
async fn keys_that_may_not_be_seen_cost_no_new_credentials() {
    let server = server();
    server.store().bucket_with("part", Settings { list_denied: true, ..Settings::default() });
    let container = server.container();
    let (uri, token) = (container.uri(), container.token().clone());
    let client = keyless(
        &server,
        &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token)],
    );
    for _ in 0..3 {
        assert_eq!(client.head("part", "none").await.expect_err("hidden").kind(), Kind::Denied);
    }
    assert_eq!((container.issued(), server.log().entries().len()), (1, 3));
}
