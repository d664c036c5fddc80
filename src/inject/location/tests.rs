use super::*;
use crate::inject::testing::zlib;
use base64::engine::general_purpose::STANDARD;

fn parse(text: &str) -> Result<Location, String> {
    Location::parse(text, Private::Refused)
}

fn refused(text: &str, want: &str) {
    let said = parse(text).unwrap_err();
    assert!(said.starts_with(want), "{text}: {said}");
}

#[test]
fn urls() {
    let parsed = |text| match Location::parse(text, Private::Allowed) {
        Ok(Location::Url(url)) => url.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(parsed("https://example.com/a.tgz?sig=1#x"), "https://example.com/a.tgz?sig=1");
    assert_eq!(parsed("http://10.0.0.1:9000/a"), "http://10.0.0.1:9000/a");
    assert!(matches!(parse("https://example.com/a"), Ok(Location::Url(_))));
    refused("http://example.com/a", "Layer location must use https");
    refused("https://user@example.com/a", "Layer location must not have a user name");
    refused("https://:pw@example.com/a", "Layer location must not have a user name");
    assert!(!parse("https://user:hunter2@example.com/a").unwrap_err().contains("hunter2"));
    refused("https://", "Invalid layer location");
    refused("https://exa mple.com/", "Invalid layer location");
}

#[test]
fn private_addresses_in_any_spelling() {
    for host in [
        "169.254.169.254",
        "127.0.0.1:8080",
        "127.1",
        "0",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "017700000001",
        "10.1.2.3",
        "192.168.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[fe80::1]",
        "[fd00::1]",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
        "metadata.google.internal",
        "\u{ff11}27.0.0.1",
        "%31%32%37.0.0.1",
    ] {
        refused(&format!("https://{host}/a"), "Layer location must be a public address");
    }
}

#[test]
fn other_kinds_are_refused() {
    for text in ["/etc/passwd", "layer.tgz", "file:///etc/passwd", "ftp://x/y", "HTTPS//x", "s3://b/k", ""] {
        refused(text, "Unsupported location type");
    }
    refused(&format!("data:{}", "A".repeat(LIMIT)), "Container layer exceeds the maximum allowed size");
    assert!(parse(&format!("data:{}", "A".repeat(LIMIT - 5))).is_ok());
}

#[test]
fn only_what_is_inline_may_be_long() {
    for scheme in ["https://example.com/", "docker://quay.io/v2/a/blobs/sha256:", "/"] {
        let long = format!("{scheme}{}", "a".repeat(REMOTE_LIMIT));
        refused(&long, "Layer location must have at most 8192 characters");
        assert!(parse(&long).unwrap_err().len() < 400);
    }
    let start = "https://example.com/";
    assert!(parse(&format!("{start}{}", "a".repeat(REMOTE_LIMIT - start.len()))).is_ok());
}

#[test]
fn blobs_of_registries() {
    let hex = "a".repeat(64);
    let Ok(Location::Registry(host, repository, digest)) =
        parse(&format!("docker://quay.io/v2/nextflow/bash/blobs/sha256:{hex}"))
    else {
        panic!("not parsed")
    };
    assert_eq!((host.as_str(), repository.as_str()), ("quay.io", "nextflow/bash"));
    assert_eq!(digest.to_string(), format!("sha256:{hex}"));
    let hub = parse(&format!("docker://docker.io/v2/busybox/blobs/sha256:{hex}"));
    assert!(matches!(hub, Ok(Location::Registry(_, name, _)) if name.as_str() == "library/busybox"));
    for bad in [
        "quay.io".to_string(),
        "quay.io/v2/x/manifests/latest".into(),
        "quay.io/v2/x/blobs/latest".into(),
        format!("u:p@quay.io/v2/x/blobs/sha256:{hex}"),
        format!("quay.io/v1/x/blobs/sha256:{hex}"),
        format!("quay.io/v2/../x/blobs/sha256:{hex}"),
        format!("quay.io/v2/X/blobs/sha256:{hex}"),
    ] {
        refused(&format!("docker://{bad}"), "Invalid layer location, expected docker://");
    }
}

#[test]
fn inline_layers() {
    let decode = |text: &str, size| match parse(text) {
        Ok(Location::Inline(inline)) => inline.decode(size),
        other => panic!("{other:?}"),
    };
    assert_eq!(decode("data:SGVsbG8gd29ybGQ=", 100).unwrap(), b"Hello world");
    assert_eq!(decode("data:SGVsbG8gd29ybGQ", 11).unwrap(), b"Hello world");
    assert_eq!(decode("data:base64,SGVsbG8gd29ybGQ=", 11).unwrap(), b"Hello world");
    assert_eq!(decode("data:application/gzip;base64,SGVsbG8gd29ybGQ=", 11).unwrap(), b"Hello world");
    refused("data:text/plain,hello", "Invalid layer location - data URLs");
    assert!(decode("data:SGVs bG8", 5).unwrap_err().contains("base64"));

    let deflated = zlib(b"Hello world");
    let gzip = |bytes: &[u8]| format!("gzip:{}", STANDARD.encode(bytes));
    assert_eq!(decode(&gzip(&deflated), 11).unwrap(), b"Hello world");
    assert_eq!(decode(&gzip(&deflated), 100).unwrap(), b"Hello world");
    assert_eq!(decode(&gzip(&deflated), 5).unwrap(), b"Hello ", "one more than stated");
    assert!(decode(&gzip(b"Hello world"), 11).unwrap_err().contains("inflated"));
    assert!(decode(&gzip(&deflated[..8]), 11).unwrap_err().contains("inflated"));
    assert!(decode(&gzip(&[&deflated[..], b"x"].concat()), 11).unwrap_err().contains("trailing garbage"));
    let bomb = zlib(&vec![0; 70 << 20]);
    assert!(decode(&gzip(&bomb), u64::MAX).unwrap_err().contains("maximum allowed size"));
    assert_eq!(decode(&gzip(&bomb), 10).unwrap().len(), 11);
}
