//! The layer that tells a mirror's client for which registry it was answered.

use crate::body::Body;
use crate::oci::headers;
use http::{HeaderValue, Request, Response, Uri};
use percent_encoding::percent_decode_str;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower::{Layer, Service};

/// Makes [`Echo`].
#[derive(Clone, Copy, Debug)]
pub struct EchoLayer;

/// Puts the `ns` of a request into `OCI-Namespace` of its answer as it was sent, whatever the answer is
/// (distribution-spec main, "Registry proxying"). Where the name of the image has a token, `ns` means nothing.
#[derive(Clone, Debug)]
pub struct Echo<S> {
    inner: S,
}

pin_project! {
    /// The response future of [`Echo`].
    pub struct Echoing<F> {
        #[pin]
        inner: F,
        namespace: Option<HeaderValue>,
    }
}

/// Longest host with its port, and then some.
const LONGEST: usize = 300;

impl<S> Layer<S> for EchoLayer {
    type Service = Echo<S>;

    fn layer(&self, inner: S) -> Echo<S> {
        Echo { inner }
    }
}

impl<S, B> Service<Request<B>> for Echo<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Echoing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let namespace = namespace(request.uri());
        Echoing { inner: self.inner.call(request), namespace }
    }
}

impl<F, E> Future for Echoing<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(namespace) = this.namespace.take() {
            response.headers_mut().insert(headers::NAMESPACE, namespace);
        }
        Poll::Ready(Ok(response))
    }
}

fn namespace(uri: &Uri) -> Option<HeaderValue> {
    let pairs = url::form_urlencoded::parse(uri.query()?.as_bytes());
    let (_, text) = pairs.filter(|(key, _)| key == "ns").last()?;
    let first = uri.path().strip_prefix("/v2/")?.split('/').next()?;
    let names_token = percent_decode_str(first).decode_utf8_lossy() == "wt";
    let plain = text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic());
    HeaderValue::try_from(&*text)
        .ok()
        .filter(|_| plain && !text.is_empty() && !first.is_empty() && !names_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_comes_back() {
        let check = |uri: &str, want: Option<&str>| {
            let found = namespace(&uri.parse().unwrap());
            assert_eq!(found.as_ref().map(|value| value.to_str().unwrap()), want, "{uri}");
        };
        check("/v2/a/b/manifests/v1?ns=docker.io", Some("docker.io"));
        check("/v2/a/manifests/v1?n=1&ns=a.io&ns=Index.Docker.IO:443", Some("Index.Docker.IO:443"));
        check("/v2/nonsense?ns=quay.io", Some("quay.io"));
        check("/v2/a/manifests/v1?ns=a%0d%0ab", None);
        check("/v2/a/manifests/v1?ns=", None);
        check("/v2/a/manifests/v1", None);
        check("/v2/?ns=quay.io", None);
        check("/v2/%77t/abc/a/manifests/v1?ns=quay.io", None);
        check("/health?ns=quay.io", None);
    }
}
