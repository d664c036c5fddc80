use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Aws, String> {
    Aws::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

#[test]
fn an_empty_environment_means_amazon_and_whatever_credentials_there_are() {
    let aws = read(&[("AWS_REGION", ""), ("HOME", "/root")]).expect("nothing is wrong");
    assert_eq!((aws.endpoint, aws.region, aws.path_style), (None, None, false));
    assert!(aws.sources.instance && aws.sources.keys.is_none());
    assert_eq!(aws.sources.config_file.as_deref(), Some("/root/.aws/config".as_ref()));
}

#[test]
fn the_most_special_variable_wins() {
    let aws = read(&[
        ("AWS_ENDPOINT_URL", "http://all:1"),
        ("AWS_ENDPOINT_URL_S3", "http://s3:2"),
        ("AWS_S3_ENDPOINT", "minio.test:9000/store/"),
        ("AWS_DEFAULT_REGION", "default"),
        ("AWS_REGION", "eu-west-1"),
        ("FUSION_AWS_REGION", "garage"),
    ]);
    let aws = aws.expect("nothing is wrong");
    let endpoint = aws.endpoint.expect("one is set");
    assert_eq!(endpoint.origin, Origin { tls: true, host: "minio.test".into(), port: 9000 });
    assert_eq!(&*endpoint.prefix, "/store");
    assert!(aws.path_style);
    assert_eq!(aws.region.as_deref(), Some("garage"));
    assert_eq!(aws.sources.sts.expect("one is set").origin.host.as_ref(), "all");
}

#[test]
fn endpoints_are_addresses() {
    for (text, tls, host, port) in [
        ("http://127.0.0.1:9000", false, "127.0.0.1", 9000),
        ("http://Store/", false, "store", 80),
        ("https://[::1]:8443", true, "::1", 8443),
        ("s3.example.org", true, "s3.example.org", 443),
    ] {
        let endpoint = Endpoint::parse("X", text).expect(text);
        assert_eq!(endpoint.origin, Origin { tls, host: host.into(), port }, "{text}");
        assert_eq!(&*endpoint.prefix, "");
    }
    for text in ["ftp://host", "http://", "http://user@host", "http://host?x", "a b"] {
        let message = Endpoint::parse("AWS_S3_ENDPOINT", text).expect_err(text);
        assert!(message.contains("AWS_S3_ENDPOINT"), "{message}");
    }
}

#[test]
fn values_that_cannot_be_are_told_by_name() {
    for (name, value) in [
        ("AWS_REGION", "eu west"),
        ("AWS_REGION", "evil.example.org/"),
        ("FUSION_AWS_PATH_STYLE", "maybe"),
        ("FUSION_AWS_SERVER_SIDE_ENCRYPTION", "rot13"),
        ("AWS_ACCESS_KEY_ID", "alone"),
        ("AWS_SECRET_ACCESS_KEY", "alone"),
        ("FUSION_TAGS", "[*]"),
    ] {
        let message = read(&[(name, value)]).expect_err(name);
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_key_alone_means_kms() {
    let encryption = |variables| read(variables).expect("valid").encryption;
    let kms = encryption(&[("FUSION_AWS_SSEKMS_KEY_ID", "k")]);
    assert_eq!(kms, Some(Encryption { algorithm: "aws:kms", key: Some("k".into()) }));
    let plain =
        encryption(&[("FUSION_AWS_SERVER_SIDE_ENCRYPTION", "AES256"), ("FUSION_AWS_SSEKMS_KEY_ID", "k")]);
    assert_eq!(plain, Some(Encryption { algorithm: "AES256", key: None }));
}

#[test]
fn secrets_are_not_shown() {
    let aws = read(&[
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "hidden-1"),
        ("AWS_SESSION_TOKEN", "hidden-2"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hidden-3"),
    ]);
    let shown = format!("{:?}", aws.expect("nothing is wrong"));
    assert!(shown.contains("AKIA") && !shown.contains("hidden"), "{shown}");
}

#[test]
fn the_payer_may_be_written_as_s3_does() {
    for (value, pays) in [("requester", true), ("1", true), ("false", false)] {
        assert_eq!(read(&[("FUSION_AWS_REQUEST_PAYER", value)]).expect(value).requester_pays, pays);
    }
}

#[test]
fn amazons_own_endpoint_is_no_endpoint_of_its_own() {
    for (text, region) in [
        ("https://s3.amazonaws.com", None),
        ("https://s3.eu-west-1.amazonaws.com/", Some("eu-west-1")),
        ("https://s3.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
    ] {
        let aws = read(&[("AWS_S3_ENDPOINT", text)]).expect(text);
        assert_eq!((aws.endpoint, aws.region.as_deref(), aws.path_style), (None, region, false), "{text}");
    }
    for text in [
        "http://s3.amazonaws.com",
        "https://s3.dualstack.eu-west-1.amazonaws.com",
        "https://s3.amazonaws.com:444",
    ] {
        assert!(read(&[("AWS_S3_ENDPOINT", text)]).expect(text).endpoint.is_some(), "{text}");
    }
}
