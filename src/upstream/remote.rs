//! Layers that are named by a URL: plain HTTP without credentials.

use super::Failure;
use super::guard::Private;
use super::request::USER_AGENT;
use crate::body::Body;
use crate::error::{Error, Side};
use crate::oci::Code;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Empty;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Service, ServiceExt as _};

/// Sends a request for a layer. https only, unless private addresses are allowed, which allows http too. Of the
/// request's headers only the range is kept.
#[derive(Clone, Debug)]
pub struct Fetcher<H> {
    http: H,
    private: Private,
}

impl<H> Fetcher<H> {
    /// Over `http`, which retries and follows redirects under the guard for layers.
    pub fn new(http: H, private: Private) -> Fetcher<H> {
        Fetcher { http, private }
    }
}

impl<H> Service<Request<Empty<Bytes>>> for Fetcher<H>
where
    H: Service<Request<Empty<Bytes>>, Response = Response<Body>, Error = Failure> + Clone + Send + 'static,
    H::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        let (http, private) = (self.http.clone(), self.private);
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_string();
            let response = http.oneshot(clean(request, private)?).await?;
            judge(&host, response)
        })
    }
}

fn clean(request: Request<Empty<Bytes>>, private: Private) -> Result<Request<Empty<Bytes>>, Error> {
    let userinfo = request.uri().authority().is_some_and(|authority| authority.as_str().contains('@'));
    match (request.uri().scheme_str(), private) {
        _ if userinfo => Err(Error::client(Code::Denied, "a layer location must not have a user name")),
        (Some("https"), _) | (Some("http"), Private::Allowed) => {
            let (mut parts, body) = request.into_parts();
            let range = parts.headers.remove(header::RANGE);
            parts.headers.clear();
            range.map(|range| parts.headers.insert(header::RANGE, range));
            parts.headers.insert(header::USER_AGENT, USER_AGENT);
            parts.headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
            parts.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            Ok(Request::from_parts(parts, body))
        }
        _ => Err(Error::client(Code::Denied, "a layer location must be an https URL")),
    }
}

fn judge(host: &str, response: Response<Body>) -> Result<Response<Body>, Error> {
    let encoded = response.headers().get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity");
    match response.status().as_u16() {
        200..=299 if encoded => Err(Error::bad_gateway(format!("'{host}' encoded the layer"))),
        200..=299 | 416 => Ok(response),
        404 | 410 => {
            Err(Error::new(Code::BlobUnknown, Side::Upstream, format!("'{host}' has no such layer")))
        }
        status => Err(Error::bad_gateway(format!("'{host}' answered {status} to the request for a layer"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_and_headers() {
        let request = |uri: &str| {
            let builder = Request::get(uri).header("range", "bytes=1-").header("authorization", "Basic x");
            builder.body(Empty::new()).unwrap()
        };
        let refused = |uri: &str, private| clean(request(uri), private).unwrap_err().code();
        assert_eq!(refused("http://a/x", Private::Refused), Code::Denied);
        assert_eq!(refused("https://u:p@a/x", Private::Allowed), Code::Denied);
        assert_eq!(refused("file://a/x", Private::Allowed), Code::Denied);
        clean(request("http://a/x"), Private::Allowed).unwrap();
        let cleaned = clean(request("https://a/x"), Private::Refused).unwrap();
        assert_eq!(cleaned.headers().len(), 4);
        assert_eq!(cleaned.headers()["range"], "bytes=1-");
    }

    #[test]
    fn answers() {
        let check = |status: u16, want: Result<u16, u16>| {
            let response = Response::builder().status(status).body(Body::empty()).unwrap();
            let got = judge("a", response).map(|r| r.status().as_u16()).map_err(|e| e.status().as_u16());
            assert_eq!(got, want);
        };
        check(200, Ok(200));
        check(206, Ok(206));
        check(416, Ok(416));
        check(403, Err(502));
        check(404, Err(404));
        check(302, Err(502));
        check(304, Err(502));
        let encoded = Response::builder().header("content-encoding", "gzip").body(Body::empty()).unwrap();
        assert_eq!(judge("a", encoded).unwrap_err().status(), 502);
    }
}
