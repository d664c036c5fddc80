//! Content discovery: tag lists and referrers, under our names.

use super::stream::fetch;
use super::{Place, Scoped, Verb, What};
use crate::body::{Body, bounded};
use crate::error::Error;
use crate::oci::media::ACCEPT_MANIFESTS;
use crate::oci::{Code, Digest, MediaType, Reference, headers};
use crate::rewrite::{Referrer, provenance};
use crate::upstream::Upstream;
use http::{HeaderMap, HeaderValue, Response, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tower::ServiceExt as _;

/// Bytes of one page of tags.
const TAGS_LIMIT: usize = 1 << 20;
/// Bytes and entries of a list of referrers.
const REFERRERS_LIMIT: usize = 4 << 20;
const MAX_REFERRERS: usize = 1000;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

#[derive(Serialize)]
struct OwnPage<'a> {
    name: &'a str,
    tags: Vec<String>,
}

/// `tags/list` (distribution-spec, "Listing tags"): upstream's, with `name` and `Link` under the name the
/// caller used.
pub(super) async fn tags(upstream: &Upstream, scoped: &Scoped) -> Result<Response<Body>, Error> {
    let name = own_name(scoped);
    if matches!(scoped.pull.wish, What::Tags { n: Some(0), .. }) {
        return Ok(json(&OwnPage { name: &name, tags: Vec::new() }, headers::JSON));
    }
    let what = scoped.pull.wish.clone();
    let mut accept = HeaderMap::new();
    accept.insert(header::ACCEPT, headers::JSON);
    let (parts, body) = upstream.clone().oneshot(fetch(scoped, what, Verb::Get, accept)).await?.into_parts();
    let page: Page = serde_json::from_slice(&bounded(body, TAGS_LIMIT).await?)
        .map_err(|error| Error::bad_gateway("upstream's tag list is not one").with_source(error))?;
    let mut response = json(&OwnPage { name: &name, tags: page.tags.unwrap_or_default() }, headers::JSON);
    if let Some(link) = next(&parts.headers, &format!("/v2/{name}/tags/list")) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The referrers of something of ours, which has none upstream: what was done to the image.
pub(super) fn own_referrers(scoped: &Scoped, own: Option<Referrer>) -> Response<Body> {
    let artifact_type = match &scoped.pull.wish {
        What::Referrers { artifact_type, .. } => artifact_type.as_deref(),
        _ => None,
    };
    let entries = own.map(|referrer| provenance::referrer(referrer.digest, referrer.size));
    filtered(entries.into_iter().collect(), artifact_type)
}

/// The referrers of a manifest (distribution-spec, "Listing Referrers"): upstream's, else those under the tag of
/// the fallback schema, else none.
pub(super) async fn referrers(upstream: &Upstream, scoped: &Scoped) -> Result<Response<Body>, Error> {
    let what = scoped.pull.wish.clone();
    let What::Referrers { subject, artifact_type, .. } = &what else {
        return Err(Error::internal("referrers were expected"));
    };
    let (subject, artifact_type) = (*subject, artifact_type.clone());
    let mut accept = HeaderMap::new();
    accept.insert(header::ACCEPT, MediaType::OciIndex.header());
    match upstream.clone().oneshot(fetch(scoped, what, Verb::Get, accept)).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let index = entries(&bounded(body, REFERRERS_LIMIT).await?)?;
            let mut response = filtered(index, artifact_type.as_deref());
            let path = format!("/v2/{}/referrers/{subject}", own_name(scoped));
            if let Some(link) = next(&parts.headers, &path) {
                response.headers_mut().insert(header::LINK, link);
            }
            Ok(response)
        }
        // Registries without the referrers API answer anything from 400 to 405.
        Err(error) if error.status().is_client_error() && may_lack(&error) => {
            let index = fallback(upstream, scoped, &subject).await?;
            Ok(filtered(index, artifact_type.as_deref()))
        }
        Err(error) => Err(error),
    }
}

fn may_lack(error: &Error) -> bool {
    !matches!(error.code(), Code::Denied | Code::Unauthorized | Code::TooManyRequests)
}

/// The index under the tag `<algorithm>-<hex>` ("Referrers Tag Schema"); 32 and 64 characters at most.
async fn fallback(
    upstream: &Upstream,
    scoped: &Scoped,
    subject: &Digest,
) -> Result<Vec<Box<RawValue>>, Error> {
    let hex = subject.hex();
    let tag = format!("{}-{}", subject.algorithm().as_str(), &hex[..hex.len().min(64)]);
    let tag = tag.parse().map_err(|_| Error::internal("a digest makes a tag"))?;
    let mut accept = HeaderMap::new();
    accept.insert(header::ACCEPT, ACCEPT_MANIFESTS);
    let what = What::Manifest(Reference::Tag(tag));
    match upstream.clone().oneshot(fetch(scoped, what, Verb::Get, accept)).await {
        Ok(response) => entries(&bounded(response.into_body(), REFERRERS_LIMIT).await?),
        Err(error) if error.code() == Code::ManifestUnknown || error.code() == Code::NameUnknown => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    artifact_type: Option<String>,
}

fn entries(content: &[u8]) -> Result<Vec<Box<RawValue>>, Error> {
    let index: Index = serde_json::from_slice(content)
        .map_err(|error| Error::bad_gateway("upstream's referrers are not an index").with_source(error))?;
    Ok(index.manifests)
}

/// An index of those entries that have the artifact type, each byte for byte as it came.
fn filtered(mut entries: Vec<Box<RawValue>>, artifact_type: Option<&str>) -> Response<Body> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Own {
        schema_version: u32,
        media_type: &'static str,
        manifests: Vec<Box<RawValue>>,
    }
    if let Some(wanted) = artifact_type {
        let of = |entry: &RawValue| serde_json::from_str::<Typed>(entry.get()).ok()?.artifact_type;
        entries.retain(|entry| of(entry).as_deref() == Some(wanted));
    }
    entries.truncate(MAX_REFERRERS);
    let media_type = "application/vnd.oci.image.index.v1+json";
    let own = Own { schema_version: 2, media_type, manifests: entries };
    let mut response = json(&own, HeaderValue::from_static(media_type));
    if artifact_type.is_some() {
        response.headers_mut().insert(headers::FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    response
}

fn json<T: Serialize>(value: &T, media: HeaderValue) -> Response<Body> {
    let content = serde_json::to_vec(value).expect("texts and numbers are JSON");
    let length = content.len();
    let mut response = Response::new(Body::full(content));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, media);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(headers::API_VERSION, headers::REGISTRY_V2);
    response
}

/// The name under which the caller knows the repository.
fn own_name(scoped: &Scoped) -> String {
    match &scoped.pull.place {
        Place::Default(name) | Place::Mirror(_, name) => name.to_string(),
        Place::Named(host, name) => format!("{host}/{name}"),
        Place::Token(token, name) => format!("wt/{}/{name}", token.expose()),
    }
}

/// Upstream's `Link: <...>; rel="next"` with the query kept and the path replaced by ours: where it points is
/// upstream's word and is never followed by us, nor handed on.
fn next(fields: &HeaderMap, path: &str) -> Option<HeaderValue> {
    let text = fields.get(header::LINK)?.to_str().ok()?;
    let (target, relation) = text.strip_prefix('<')?.split_once('>')?;
    if !relation.replace(['"', ' '], "").contains("rel=next") {
        return None;
    }
    let query = target.split_once('?')?.1;
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let query: Vec<_> = pairs.map(|(key, value)| format!("{}={}", encode(&key), encode(&value))).collect();
    HeaderValue::try_from(format!("<{path}?{}>; rel=\"next\"", query.join("&"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_under_our_name() {
        let check = |link: &'static str, want: Option<&str>| {
            let fields = HeaderMap::from_iter([(header::LINK, HeaderValue::from_static(link))]);
            assert_eq!(next(&fields, "/v2/a/tags/list").as_ref().map(|v| v.to_str().unwrap()), want);
        };
        check(
            "</v2/x/tags/list?n=2&last=b>; rel=\"next\"",
            Some("</v2/a/tags/list?n=2&last=b>; rel=\"next\""),
        );
        check(
            "<https://evil.example/v2/x?next_page=gAA%3D>; rel=next",
            Some("</v2/a/tags/list?next%5Fpage=gAA%3D>; rel=\"next\""),
        );
        check("</v2/x/tags/list?n=2>; rel=\"prev\"", None);
        check("nonsense", None);
    }

    #[tokio::test]
    async fn referrers_are_filtered_and_kept_as_they_are() {
        let raw = r#"{"manifests":[{"artifactType":"a/b","x":1.0},{"artifactType":"c/d"},{}]}"#;
        let response = filtered(entries(raw.as_bytes()).unwrap(), Some("a/b"));
        assert_eq!(response.headers()[headers::FILTERS_APPLIED], "artifactType");
        let text = bounded(response.into_body(), 4096).await.unwrap();
        assert!(
            std::str::from_utf8(&text).unwrap().ends_with(r#""manifests":[{"artifactType":"a/b","x":1.0}]}"#)
        );
    }
}
