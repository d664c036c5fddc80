//! Under which name clients reach us.

use super::json::invalid;
use crate::error::Error;
use http::uri::Authority;
use http::{Request, header};
use url::Url;

/// The authority of image names we hand out: that of `wave.server.url`, else the one the request was made to
/// (RFC 9110, 7.2). Forwarded headers are not looked at: anybody can send them.
pub(super) fn authority<B>(url: Option<&Url>, request: &Request<B>) -> Result<String, Error> {
    if let Some(url) = url {
        let host = url.host_str().unwrap_or_default();
        return Ok(url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}")));
    }
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let given = request.uri().authority().map(Authority::as_str).or(host);
    let parsed = given.and_then(|text| text.parse::<Authority>().ok());
    match parsed.filter(|authority| !authority.host().is_empty() && !authority.as_str().contains('@')) {
        Some(authority) => Ok(authority.as_str().to_ascii_lowercase()),
        None => Err(invalid("the request does not say which host it is for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_or_asked_for() {
        let check = |url: Option<&str>, uri: &str, host: &str, want: Option<&str>| {
            let url = url.map(|url| url.parse().unwrap());
            let request = Request::builder().uri(uri).header(header::HOST, host).body(()).unwrap();
            assert_eq!(authority(url.as_ref(), &request).ok().as_deref(), want, "{uri} {host}");
        };
        check(Some("https://reg.example.com"), "/", "other", Some("reg.example.com"));
        check(Some("http://localhost:9090/"), "/", "other", Some("localhost:9090"));
        check(None, "/", "Reg.example.com:8080", Some("reg.example.com:8080"));
        check(None, "http://h2.example/", "other", Some("h2.example"));
        check(None, "/", "[::1]:9090", Some("[::1]:9090"));
        check(None, "/", "a@b", None);
        check(None, "/", "a/b", None);
        check(None, "/", "", None);
    }
}
