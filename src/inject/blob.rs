//! Injected layers as answers.

use super::file::FileBody;
use super::spool::Spool;
use super::verify::{Tarred, Verdict};
use crate::auth::Access;
use crate::body::{Body, Expect};
use crate::error::Error;
use crate::grant::{Layer, Source};
use crate::oci::{Compression, Digest, Host, Repository, headers};
use crate::pull::range::{Span, Spans};
use crate::pull::respond::{identity, not_modified, range_not_satisfiable, unmodified};
use crate::pull::{Conditions, Fetch, Verb, What};
use crate::upstream::guard::Private;
use crate::upstream::{Registries, Remote, Upstream};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use std::path::Path;
use std::sync::Arc;
use tower::ServiceExt as _;

/// Serves injected layers from wherever they are. Cheap to clone.
#[derive(Clone)]
pub struct Injector(Arc<Parts>);

struct Parts {
    upstream: Upstream,
    remote: Remote,
    registries: Arc<Registries>,
    spool: Spool,
    private: Private,
    /// What whole layers from elsewhere turned out to be, by digest and diff id: decompressed once.
    verdicts: moka::sync::Cache<(Digest, Digest), Verdict>,
}

/// Verdicts kept.
const MAX_VERDICTS: u64 = 10_000;
/// A tar may be this many times as large as its layer, and a fixed amount above that.
const MAX_RATIO: u64 = 200;
const MAX_BASE: u64 = 256 << 20;

impl Injector {
    /// An injector that fetches through these, and keeps inline layers in `spool`.
    pub fn new(
        upstream: Upstream,
        remote: Remote,
        registries: Arc<Registries>,
        spool: Spool,
        private: Private,
    ) -> Injector {
        let verdicts = moka::sync::Cache::new(MAX_VERDICTS);
        Injector(Arc::new(Parts { upstream, remote, registries, spool, private, verdicts }))
    }

    /// May layer URLs use plain HTTP and private addresses?
    pub fn private(&self) -> Private {
        self.0.private
    }

    /// Where inline layers are kept.
    pub fn spool(&self) -> &Spool {
        &self.0.spool
    }

    /// The answer to a request for `layer`. A whole layer from elsewhere is verified on the way, digest, size and
    /// diff id, and its last bytes are withheld until they are right; a part of one is passed on as it is.
    pub async fn serve(
        &self,
        layer: &Layer,
        access: &Access,
        verb: Verb,
        conditions: &Conditions,
    ) -> Result<Response<Body>, Error> {
        let etag = headers::etag_value(&layer.digest);
        if unmodified(conditions, &etag) {
            return Ok(not_modified(&layer.digest));
        }
        if verb == Verb::Head {
            return Ok(answer(layer, None, Body::empty()));
        }
        let spans = Spans::of(conditions.range.as_ref(), conditions.if_range.as_ref(), &etag, layer.size);
        let span = match spans {
            Spans::Whole => None,
            Spans::Part(span) => Some(span),
            Spans::Unsatisfiable => return Ok(range_not_satisfiable(Some(layer.size))),
        };
        match &layer.source {
            Source::File(path) => local(layer, path, span).await,
            Source::Spooled => local(layer, &self.0.spool.path(&layer.digest), span).await,
            Source::Url(url) => {
                let mut request = Request::get(url.as_str()).body(Empty::<Bytes>::new());
                if let (Ok(request), Some(span)) = (&mut request, &span) {
                    request.headers_mut().insert(header::RANGE, asked(span));
                }
                let request = request.map_err(|error| Error::internal("a layer's URL is none").with_source(error))?;
                let response = self.0.remote.clone().oneshot(request).await?;
                self.relay(layer, span, response)
            }
            Source::Registry(host, repository) => {
                let response = self.fetch(layer, host, repository, access, &span).await?;
                self.relay(layer, span, response)
            }
        }
    }

    async fn fetch(
        &self,
        layer: &Layer,
        host: &Host,
        repository: &Repository,
        access: &Access,
        span: &Option<Span>,
    ) -> Result<Response<Body>, Error> {
        let registry = self.0.registries.find(host)?;
        let mut headers = HeaderMap::new();
        if let Some(span) = span {
            headers.insert(header::RANGE, asked(span));
        }
        // Credentials are for the registry they were given for.
        let access = match access.is_for(host) {
            true => access.clone(),
            false => registry.access(),
        };
        let what = What::Blob(layer.digest);
        let fetch = Fetch { registry, repository: repository.clone(), what, verb: Verb::Get, headers, access };
        self.0.upstream.clone().oneshot(fetch).await
    }

    /// A layer that streams from elsewhere.
    fn relay(&self, layer: &Layer, span: Option<Span>, response: Response<Body>) -> Result<Response<Body>, Error> {
        let (parts, body) = response.into_parts();
        let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let expected = span.as_ref().map_or(layer.size, Span::len);
        if declared.is_some_and(|declared: u64| declared != expected) && parts.status != StatusCode::OK {
            return Err(Error::bad_gateway("the injected layer does not have its size"));
        }
        match (parts.status, span) {
            (StatusCode::PARTIAL_CONTENT, Some(span)) => {
                if parts.headers.get(header::CONTENT_RANGE) != Some(&span.content_range()) {
                    return Err(Error::bad_gateway("the injected layer does not have its size"));
                }
                Ok(answer(layer, Some(span), body))
            }
            // A server may always answer with the whole.
            (StatusCode::OK, _) => {
                if declared.is_some_and(|declared| declared != layer.size) {
                    return Err(Error::bad_gateway("the injected layer does not have its size"));
                }
                Ok(answer(layer, None, self.verified(layer, body)?))
            }
            (status, _) => Err(Error::bad_gateway(format!("the injected layer cannot be had: {status}"))),
        }
    }

    fn verified(&self, layer: &Layer, body: Body) -> Result<Body, Error> {
        let body = body.expecting(Expect { digest: layer.digest, size: Some(layer.size) });
        let key = (layer.digest, layer.diff_id);
        match (self.0.verdicts.get(&key), layer.compression) {
            (Some(Verdict::Wrong), _) => {
                Err(Error::bad_gateway("the injected layer does not hold the tar it was said to hold"))
            }
            (None, Compression::Gzip) => {
                let verdicts = self.0.verdicts.clone();
                let limit = MAX_BASE + MAX_RATIO * layer.size;
                let keep = move |verdict| verdicts.insert(key, verdict);
                Ok(Body::local(Tarred::new(body, layer.diff_id, limit, keep)))
            }
            (Some(Verdict::Right), _) | (None, _) => Ok(body),
        }
    }
}

async fn local(layer: &Layer, path: &Path, span: Option<Span>) -> Result<Response<Body>, Error> {
    let part = span.as_ref().map_or(0..layer.size, |span| span.bytes.clone());
    // That it is not there is our fault and no 404: the digest is one that we promised.
    let body = FileBody::open(path, layer.size, part).await;
    let body = body.map_err(|error| Error::internal("an injected layer is not there").with_source(error))?;
    Ok(answer(layer, span, Body::local(body)))
}

fn answer(layer: &Layer, span: Option<Span>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    if span.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let fields = response.headers_mut();
    identity(fields, &layer.digest);
    fields.insert(header::CONTENT_TYPE, headers::OCTET_STREAM);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(span.as_ref().map_or(layer.size, Span::len)));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(span) = span {
        fields.insert(header::CONTENT_RANGE, span.content_range());
    }
    response
}

fn asked(span: &Span) -> HeaderValue {
    let range = format!("bytes={}-{}", span.bytes.start, span.bytes.end - 1);
    HeaderValue::try_from(range).expect("digits are ASCII")
}
