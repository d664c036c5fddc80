//! A typed fetch as an HTTP request. Nothing of the client's request line reaches an upstream: paths are rebuilt
//! from types, and three headers are forwarded.

use super::Failure;
use crate::error::Error;
use crate::oci::media::ACCEPT_MANIFESTS;
use crate::oci::{Reference, Repository};
use crate::pull::{Fetch, Verb, What};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Empty;
use url::Url;

/// `User-Agent` of everything we send.
pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("wave-registry/", env!("CARGO_PKG_VERSION")));

const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

/// The request for `fetch` at the registry at `base`.
pub(crate) fn of_fetch(base: &Url, fetch: &Fetch) -> Result<Request<Empty<Bytes>>, Failure> {
    let method = match fetch.verb {
        Verb::Get => Method::GET,
        Verb::Head => Method::HEAD,
    };
    let mut request = plain(method, &url(base, &fetch.repository, &fetch.what))?;
    forward(request.headers_mut(), &fetch.headers);
    let accept = match fetch.what {
        What::Manifest(_) => ACCEPT_MANIFESTS,
        _ => ANYTHING,
    };
    request.headers_mut().entry(header::ACCEPT).or_insert(accept);
    Ok(request)
}

/// A request without anything of a client's: for tokens, probes and layers.
pub(crate) fn plain(method: Method, url: &Url) -> Result<Request<Empty<Bytes>>, Failure> {
    let request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT_ENCODING, IDENTITY)
        .body(Empty::new());
    request
        .map_err(|error| Failure::Final(Error::bad_gateway("a URL cannot be requested").with_source(error)))
}

/// `/v2/` of the registry at `base`: the support check.
pub(crate) fn ping(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path("/v2/");
    url
}

fn forward(headers: &mut HeaderMap, of: &HeaderMap) {
    for name in [header::ACCEPT, header::RANGE, header::IF_RANGE] {
        for value in of.get_all(&name) {
            headers.append(&name, value.clone());
        }
    }
}

fn url(base: &Url, repository: &Repository, what: &What) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    let tail = match what {
        What::Manifest(Reference::Tag(tag)) => format!("manifests/{tag}"),
        What::Manifest(Reference::Digest(digest)) => format!("manifests/{digest}"),
        What::Blob(digest) => format!("blobs/{digest}"),
        What::Tags { .. } => "tags/list".into(),
        What::Referrers { subject, .. } => format!("referrers/{subject}"),
    };
    url.set_path(&format!("/v2/{repository}/{tail}"));
    match what {
        What::Tags { n, last, more } => {
            if let Some(n) = n {
                url.query_pairs_mut().append_pair("n", &n.to_string());
            }
            if let Some(last) = last {
                url.query_pairs_mut().append_pair("last", last);
            }
            append(&mut url, more);
        }
        What::Referrers { artifact_type, more, .. } => {
            if let Some(kind) = artifact_type {
                url.query_pairs_mut().append_pair("artifactType", kind);
            }
            append(&mut url, more);
        }
        _ => {}
    }
    url
}

/// Cursors of the registry's own.
fn append(url: &mut Url, more: &[(String, String)]) {
    for (key, value) in more {
        url.query_pairs_mut().append_pair(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Access;
    use crate::config;
    use crate::oci::{Digest, Host};
    use crate::upstream::{Redirects, Registries};

    fn request(verb: Verb, what: What, headers: &[(&'static str, &'static str)]) -> Request<Empty<Bytes>> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let registry = Registries::new(&config::Registries::default()).find(&Host::docker_hub()).unwrap();
        let repository = "library/busybox".parse().unwrap();
        let access = Access::anonymous();
        let redirects = Redirects::Follow;
        let fetch = Fetch { registry, repository, what, verb, headers: map, access, redirects };
        of_fetch(&Url::parse("https://registry-1.docker.io/").unwrap(), &fetch).unwrap()
    }

    #[track_caller]
    fn check(what: What, want: &str) {
        let uri = request(Verb::Get, what, &[]).uri().to_string();
        assert_eq!(uri, format!("https://registry-1.docker.io/v2/library/busybox/{want}"));
    }

    #[test]
    fn paths_are_rebuilt() {
        let digest = Digest::sha256("x");
        check(What::Manifest("1.2".parse().unwrap()), "manifests/1.2");
        check(What::Manifest(Reference::Digest(digest)), &format!("manifests/{digest}"));
        check(What::Blob(digest), &format!("blobs/{digest}"));
        check(What::Tags { n: None, last: None, more: vec![] }, "tags/list");
        check(
            What::Tags { n: Some(5), last: Some("a&b=c".into()), more: vec![] },
            "tags/list?n=5&last=a%26b%3Dc",
        );
        check(
            What::Referrers { subject: digest, artifact_type: Some("a/b+c".into()), skip: 0, more: vec![] },
            &format!("referrers/{digest}?artifactType=a%2Fb%2Bc"),
        );
    }

    #[test]
    fn three_headers_are_forwarded() {
        let given = [
            ("accept", "a/b"),
            ("accept", "c/d"),
            ("range", "bytes=0-1"),
            ("if-range", "\"x\""),
            ("if-none-match", "\"y\""),
            ("authorization", "Basic YTpi"),
            ("cookie", "a=b"),
            ("accept-encoding", "gzip"),
            ("host", "evil"),
        ];
        let request = request(Verb::Head, What::Blob(Digest::sha256("x")), &given);
        let headers = request.headers();
        assert_eq!(request.method(), Method::HEAD);
        assert_eq!(headers.get_all("accept").iter().count(), 2);
        assert_eq!(headers["range"], "bytes=0-1");
        assert_eq!(headers["if-range"], "\"x\"");
        assert_eq!(headers["accept-encoding"], "identity");
        assert!(headers["user-agent"].to_str().unwrap().starts_with("wave-registry/"));
        assert_eq!(headers.len(), 6);
    }

    #[test]
    fn manifests_are_accepted_in_every_form_when_nobody_says() {
        let request = request(Verb::Get, What::Manifest("latest".parse().unwrap()), &[]);
        assert_eq!(request.headers()["accept"], ACCEPT_MANIFESTS);
    }
}
