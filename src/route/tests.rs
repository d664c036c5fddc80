use super::*;
use crate::config;
use crate::oci::{Digest, Reference};
use crate::pull::What;

fn registries() -> Registries {
    let mut config = config::Registries::default();
    let quay = config::Registry { alias: Some("quay".into()), ..config::Registry::default() };
    config.listed.insert("quay.io".parse().unwrap(), quay);
    config.listed.insert("127.0.0.1:5000".parse().unwrap(), config::Registry::default());
    Registries::new(&config)
}

fn get(uri: &str) -> Result<Pull, Error> {
    match route(&Request::get(uri).body(()).unwrap(), &registries())? {
        Routed::Pull(pull) => Ok(*pull),
        other => panic!("{uri} is {other:?}"),
    }
}

fn repository(text: &str) -> crate::oci::Repository {
    text.parse().unwrap()
}

fn code(uri: &str) -> Code {
    get(uri).unwrap_err().code()
}

#[test]
fn places() {
    let place = |uri: &str| get(uri).unwrap().place;
    let spelt = |text: &str, host: &str| Spelt { text: text.into(), host: host.parse().unwrap() };
    assert_eq!(place("/v2/hello-world/manifests/latest"), Place::Default(repository("hello-world")));
    assert_eq!(
        place("/v2/github.io/biocontainers/biocontainers/manifests/v1.1"),
        Place::Named(spelt("github.io", "github.io"), repository("biocontainers/biocontainers"))
    );
    assert_eq!(place("/v2/quay/a/b/manifests/v1"), Place::Named(spelt("quay", "quay.io"), repository("a/b")));
    assert_eq!(
        place("/v2/127.0.0.1:5000/a/manifests/v1"),
        Place::Named(spelt("127.0.0.1:5000", "127.0.0.1:5000"), repository("a"))
    );
    assert_eq!(
        place("/v2/a/b/manifests/v1?ns=quay.io"),
        Place::Mirror(spelt("quay.io", "quay.io"), repository("a/b"))
    );
    let token: Token = "abcdefghijklmnopqrstuvwxyz".parse().unwrap();
    let uri = format!("/v2/wt/{}/library/ubuntu/manifests/latest?ns=evil.example", token.expose());
    assert_eq!(place(&uri), Place::Token(token, repository("library/ubuntu")));
}

#[test]
fn wishes() {
    let wish = |uri: &str| get(uri).unwrap().wish;
    let digest = Digest::sha256("x");
    assert_eq!(wish(&format!("/v2/a/blobs/{digest}")), What::Blob(digest));
    assert_eq!(wish(&format!("/v2/a/manifests/{digest}")), What::Manifest(Reference::Digest(digest)));
    let more = vec![("next_page".to_string(), "abc".to_string())];
    let page = What::Tags { n: Some(10_000), last: Some("b".into()), more };
    assert_eq!(wish("/v2/a/tags/list?n=4000000000&last=b&next_page=abc"), page);
    let referrers = |skip, more: &[(&str, &str)]| {
        let more = more.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        What::Referrers { subject: digest, artifact_type: Some("a/b".into()), skip, more }
    };
    let ask = |rest: &str| wish(&format!("/v2/a/referrers/{digest}?artifactType=a%2Fb{rest}"));
    assert_eq!(ask(""), referrers(0, &[]));
    assert_eq!(ask("&n=5&last=x&page=2"), referrers(0, &[("page", "2"), ("n", "5"), ("last", "x")]));
    assert_eq!(ask("&wave.skip=1000&wave.skip=2000"), referrers(2000, &[("wave.skip", "1000")]));
}

#[test]
fn refusals() {
    assert_eq!(code("/v2/foo:bar/manifests/latest"), Code::NameInvalid);
    assert_eq!(code("/v2/Foo/manifests/latest"), Code::NameInvalid);
    assert_eq!(code("/v2/a/manifests/sha256:12"), Code::DigestInvalid);
    assert_eq!(code("/v2/wt/short/a/manifests/latest"), Code::NameUnknown);
    assert_eq!(code("/v2/wt/abcdefghijklmnopqrstuvwxyz/manifests/latest"), Code::NameInvalid);
    assert_eq!(code("/v2/a/manifests/v1?ns=evil.example"), Code::NameUnknown);
    assert_eq!(code("/v2/a/tags/list?n=-1"), Code::ManifestInvalid);
    let digest = Digest::sha256("x");
    assert_eq!(code(&format!("/v2/a/referrers/{digest}?wave.skip=-1")), Code::ManifestInvalid);
    assert_eq!(code("/v2/_catalog"), Code::NameInvalid);
}

#[test]
fn methods() {
    let route_of = |method, uri: &str| {
        route(&Request::builder().method(method).uri(uri).body(()).unwrap(), &registries())
    };
    for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
        let error = route_of(method, "/v2/a/blobs/uploads/").unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), (Code::Unsupported, 405));
    }
    assert!(matches!(route_of(Method::HEAD, "/v2/"), Ok(Routed::Ping(_))));
    assert!(matches!(route_of(Method::POST, "/container-token"), Ok(Routed::Control)));
    assert!(matches!(route_of(Method::GET, "/v2x"), Ok(Routed::Control)));
}

#[test]
fn a_refused_path_never_shows_its_token() {
    let token = "abcdefghijklmnopqrstuvwxyz";
    for path in [
        format!("/v2/wt/{token}/a/nonsense/x"),
        format!("/v2//wt/{token}/a/manifests/latest"),
        format!("/v2/%77t/{token}/a/nonsense/x"),
        format!("/v2/a/{token}/nonsense/x"),
        format!("/v2/wt/%61{}/a/nonsense/x", &token[1..]),
        format!("/v2/x%2Fwt%2F{token}/a/manifests/latest"),
    ] {
        let error = get(&path).unwrap_err();
        assert_eq!(error.code(), Code::NameInvalid, "{path}");
        assert!(!error.message().contains("bcdef"), "{}", error.message());
    }
    assert!(get("/v2/a/b/c").unwrap_err().message().contains("/v2/a/b/c"));
}

#[test]
fn two_ranges_are_as_good_as_none() {
    let request =
        Request::get("/v2/a/manifests/v1").header("range", "bytes=0-1").header("range", "bytes=2-3");
    let Ok(Routed::Pull(pull)) = route(&request.body(()).unwrap(), &registries()) else { panic!("a pull") };
    assert!(pull.conditions.range.is_none());
}

#[test]
fn several_lines_of_validators_are_one_list() {
    let request = Request::get("/v2/a/manifests/v1")
        .header("if-none-match", "\"x\"")
        .header("if-none-match", "\"y\", W/\"z\"");
    let Ok(Routed::Pull(pull)) = route(&request.body(()).unwrap(), &registries()) else { panic!("a pull") };
    assert_eq!(pull.conditions.if_none_match.unwrap(), "\"x\", \"y\", W/\"z\"");
}
