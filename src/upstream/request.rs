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
use url::{Position, Url, form_urlencoded};

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
    let mut request = plain(method, &target(base, &fetch.repository, &fetch.what))?;
    forward(request.headers_mut(), &fetch.headers);
    let accept = match fetch.what {
        What::Manifest(_) => ACCEPT_MANIFESTS,
        _ => ANYTHING,
    };
    request.headers_mut().entry(header::ACCEPT).or_insert(accept);
    Ok(request)
}

/// A request without anything of a client's: for tokens, probes and layers.
pub(crate) fn plain(method: Method, url: &str) -> Result<Request<Empty<Bytes>>, Failure> {
    let request = Request::builder()
        .method(method)
        .uri(url)
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

/// The URL of `what`. Nothing in a path has to be escaped: the grammars of names, tags and digests see to that.
fn target(base: &Url, repository: &Repository, what: &What) -> String {
    let site = &base[..Position::BeforePath];
    match what {
        What::Manifest(Reference::Tag(tag)) => format!("{site}/v2/{repository}/manifests/{tag}"),
        What::Manifest(Reference::Digest(digest)) => format!("{site}/v2/{repository}/manifests/{digest}"),
        What::Blob(digest) => format!("{site}/v2/{repository}/blobs/{digest}"),
        What::Tags { n, last, more } => {
            let n = n.map(|n| n.to_string());
            let own = [("n", n.as_deref()), ("last", last.as_deref())];
            with_query(format!("{site}/v2/{repository}/tags/list"), &own, more)
        }
        What::Referrers { subject, artifact_type, more, .. } => {
            let own = [("artifactType", artifact_type.as_deref())];
            with_query(format!("{site}/v2/{repository}/referrers/{subject}"), &own, more)
        }
    }
}

/// `url` with the parameters that are there, and behind them a cursor of the registry's own.
fn with_query(url: String, own: &[(&str, Option<&str>)], cursor: &[(String, String)]) -> String {
    let own = own.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
    let cursor = cursor.iter().map(|(key, value)| (&**key, &**value));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(own.chain(cursor)).finish();
    if query.is_empty() { url } else { format!("{url}?{query}") }
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
