//! Which redirects are followed, and which are handed to the client.
//!
//! The loop itself is tower-http's; its `FilterCredentials` binds `Authorization` to scheme, host and port, and what
//! it removed on one hop stays removed on the next. Private targets are refused at dial ([`super::guard`]).

use super::Failure;
use crate::body::Body;
use crate::error::Error;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Empty;
use tower_http::follow_redirect::RequestUri;
use tower_http::follow_redirect::policy::{Action, Attempt, FilterCredentials, Policy};
use url::Url;

/// What to do with a redirect to another origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// Follow it.
    Follow,
    /// Give it to the client (`redirect: true`).
    HandOut,
}

/// The redirect policy of one request.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    redirects: Redirects,
    left: usize,
    seen: Vec<Uri>,
    credentials: FilterCredentials,
}

impl Rule {
    /// At most `limit` hops.
    pub(crate) fn new(redirects: Redirects, limit: usize) -> Rule {
        Rule { redirects, left: limit, seen: Vec::new(), credentials: FilterCredentials::new() }
    }

    fn decide(&mut self, from: &Uri, to: &Uri) -> Result<Action, &'static str> {
        if to.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err("a redirect leads to a URL with a user name or without a host");
        }
        match (from.scheme_str(), to.scheme_str()) {
            (Some("https"), Some("https")) | (Some("http"), Some("http" | "https")) => {}
            (Some("https"), Some("http")) => return Err("a redirect leads from https to http"),
            _ => return Err("a redirect leads to a scheme other than http and https"),
        }
        if self.redirects == Redirects::HandOut && origin(from) != origin(to) {
            return Ok(Action::Stop);
        }
        self.seen.push(from.clone());
        if self.seen.contains(to) {
            return Err("redirects go in a circle");
        }
        self.left = self.left.checked_sub(1).ok_or("too many redirects")?;
        metrics::counter!(crate::telemetry::names::UPSTREAM_REDIRECTS).increment(1);
        Ok(Action::Follow)
    }
}

impl Policy<Empty<Bytes>, Failure> for Rule {
    fn redirect(&mut self, attempt: &Attempt<'_>) -> Result<Action, Failure> {
        let (from, to) = (attempt.previous(), attempt.location());
        let action = self.decide(from, to).map_err(|why| {
            let host = from.host().unwrap_or_default();
            Failure::Final(Error::bad_gateway(format!("'{host}': {why}")).answered())
        })?;
        Policy::<Empty<Bytes>, Failure>::redirect(&mut self.credentials, attempt)?;
        Ok(action)
    }

    fn on_request(&mut self, request: &mut Request<Empty<Bytes>>) {
        Policy::<Empty<Bytes>, Failure>::on_request(&mut self.credentials, request);
    }
}

/// A redirect as it is handed to a client: absolute `Location`, no content. Other responses pass.
pub(crate) fn hand_out(response: Response<Body>) -> Response<Body> {
    if !is_redirect(&response) {
        return response;
    }
    let absolute = || {
        let base = Url::parse(&response.extensions().get::<RequestUri>()?.0.to_string()).ok()?;
        let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
        let mut value = HeaderValue::try_from(String::from(base.join(location).ok()?)).ok()?;
        // The query of a signed URL is a credential.
        value.set_sensitive(true);
        Some(value)
    };
    let location = absolute();
    let mut out = Response::new(Body::empty());
    *out.status_mut() = response.status();
    out.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    if let Some(location) = location {
        out.headers_mut().insert(header::LOCATION, location);
    }
    out
}

/// Is this a redirect that carries a `Location` (RFC 9110, 15.4)?
pub(crate) fn is_redirect<B>(response: &Response<B>) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn origin(uri: &Uri) -> (Option<&str>, Option<&str>, Option<u16>) {
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    (uri.scheme_str(), uri.host(), uri.port_u16().or(Some(default)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(redirects: Redirects, hops: &[&str], want: Result<Action, &str>) {
        let mut rule = Rule::new(redirects, 3);
        let hops: Vec<Uri> = hops.iter().map(|hop| hop.parse().unwrap()).collect();
        let last = hops.windows(2).map(|pair| rule.decide(&pair[0], &pair[1])).last().unwrap();
        match (last, want) {
            (Ok(got), Ok(want)) => assert_eq!(got.is_follow(), want.is_follow()),
            (Err(got), Err(want)) => assert!(got.contains(want), "{got}"),
            (got, want) => panic!("{got:?} is not {want:?}"),
        }
    }

    #[test]
    fn rules() {
        use Redirects::{Follow, HandOut};
        check(Follow, &["https://a/1", "https://b/2"], Ok(Action::Follow));
        check(Follow, &["http://a/1", "https://a/1"], Ok(Action::Follow));
        check(Follow, &["https://a/1", "http://a/1"], Err("from https to http"));
        check(Follow, &["https://a/1", "https://u:p@b/1"], Err("user name"));
        check(Follow, &["https://a/1", "ftp://b/1"], Err("scheme"));
        check(Follow, &["https://a/1", "https://a/2", "https://a/1"], Err("circle"));
        check(Follow, &["https://a/1", "https://a/1"], Err("circle"));
        let chain = ["https://a/1", "https://a/2", "https://a/3", "https://a/4", "https://a/5"];
        check(Follow, &chain[..4], Ok(Action::Follow));
        check(Follow, &chain, Err("too many"));
        check(HandOut, &["https://a/1", "https://a:443/2"], Ok(Action::Follow));
        check(HandOut, &["https://a/1", "https://cdn/2"], Ok(Action::Stop));
        check(HandOut, &["https://a/1", "http://cdn/2"], Err("from https to http"));
    }

    #[test]
    fn a_handed_out_redirect_is_absolute_and_empty() {
        let mut response = Response::new(Body::full("moved"));
        *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("../x?sig=1"));
        response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("a=b"));
        response.extensions_mut().insert(RequestUri(Uri::from_static("https://a/v2/b/c")));
        let out = hand_out(response);
        assert_eq!(out.headers()[header::LOCATION], "https://a/v2/x?sig=1");
        assert_eq!(out.headers()[header::CONTENT_LENGTH], "0");
        assert_eq!((out.headers().len(), out.body().as_full().is_none()), (2, true));
    }
}
