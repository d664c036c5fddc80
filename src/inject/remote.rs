//! Layers that are elsewhere: behind a URL, or in a registry.

use super::blob::Injector;
use super::checked::Checked;
use super::respond;
use crate::auth::Access;
use crate::body::Body;
use crate::error::Error;
use crate::grant::Layer;
use crate::oci::{Host, Repository};
use crate::pull::{Fetch, Span, Verb, What};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use tower::ServiceExt as _;

impl Injector {
    /// Streams the layer at `url` through.
    pub(super) async fn url(
        &self,
        layer: &Layer,
        url: &str,
        span: Option<&Span>,
    ) -> Result<Response<Body>, Error> {
        let whence = url::Url::parse(url).ok().and_then(|url| url.host_str().map(String::from));
        let whence = whence.unwrap_or_default();
        let request = Request::get(url).body(Empty::<Bytes>::new());
        let mut request =
            request.map_err(|error| Error::internal("the layer has no valid URL").with_source(error))?;
        range(span, request.headers_mut());
        let response = self.remote().oneshot(request).await?;
        self.stream(layer, &whence, response, span).await
    }

    /// Streams the layer from a registry through. `access` is used where it belongs; another registry is read with
    /// the operator's access if anonymous callers may use that, else with none.
    pub(super) async fn blob_of(
        &self,
        layer: &Layer,
        (host, repository): (&Host, &Repository),
        access: &Access,
        span: Option<&Span>,
    ) -> Result<Response<Body>, Error> {
        let registry = self.registries().find(host)?;
        let access = match access.is_for(host) {
            true => access.clone(),
            false if registry.policy.anonymous => registry.access(),
            false => Access::anonymous(),
        };
        let mut headers = HeaderMap::new();
        range(span, &mut headers);
        let (repository, what) = (repository.clone(), What::Blob(layer.digest));
        let redirects = registry.redirects();
        let fetch = Fetch { registry, repository, what, verb: Verb::Get, headers, access, redirects };
        let response = self.upstream().oneshot(fetch).await?;
        // The registry's policy hands clients on to its storage; they verify what they get there.
        if response.status().is_redirection() {
            return Ok(response);
        }
        self.stream(layer, host.as_str(), response, span).await
    }

    async fn stream(
        &self,
        layer: &Layer,
        whence: &str,
        response: Response<Body>,
        span: Option<&Span>,
    ) -> Result<Response<Body>, Error> {
        let fail = |what: String| Error::bad_gateway(format!("the layer from '{whence}' {what}"));
        let (parts, body) = response.into_parts();
        let field = |name| parts.headers.get(name);
        if field(header::CONTENT_ENCODING).is_some_and(|value| value != "identity") {
            return Err(fail("came with a content encoding".into()));
        }
        let length = field(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let check = |want: u64| match length {
            Some(found) if found != want => Err(fail(format!("has {found} bytes, not {want}"))),
            _ => Ok(()),
        };
        match (parts.status, span) {
            (StatusCode::PARTIAL_CONTENT, Some(span)) => {
                if field(header::CONTENT_RANGE) != Some(&span.content_range()) {
                    return Err(fail("came in another range than asked for".into()));
                }
                check(span.len())?;
                Ok(respond::part(layer, span, body))
            }
            // Ranges may be ignored, by others and by us.
            (StatusCode::OK, _) => {
                check(layer.size)?;
                let checked = Checked::new(body, layer);
                let checked = match self.measures().known(&layer.digest).await {
                    Some(_) => checked,
                    None => match self.measures().claim(layer.digest) {
                        Some(claim) => checked.measuring(self.measures(), claim),
                        // Another stream measures. Clients verify the tar's digest themselves; ours spares the others.
                        None => checked,
                    },
                };
                Ok(respond::whole(layer, Body::local(checked)))
            }
            (status, _) => Err(fail(format!("came with status {}", status.as_u16()))),
        }
    }
}

fn range(span: Option<&Span>, headers: &mut HeaderMap) {
    if let Some(span) = span {
        let text = format!("bytes={}-{}", span.bytes.start, span.bytes.end - 1);
        headers.insert(header::RANGE, HeaderValue::try_from(text).expect("digits are ASCII"));
    }
}
