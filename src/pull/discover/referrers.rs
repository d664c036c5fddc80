//! Referrers of a manifest.

use super::link::Link;
use super::list;
use crate::body::{Body, bounded};
use crate::error::Error;
use crate::oci::media::ACCEPT_MANIFESTS;
use crate::oci::{Code, Digest, MediaType, Reference, headers};
use crate::pull::request::SKIP;
use crate::pull::stream::fetch;
use crate::pull::{Scoped, Verb, What};
use crate::rewrite::{Referrer, provenance};
use crate::upstream::Upstream;
use http::{HeaderMap, HeaderValue, Response, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tower::ServiceExt as _;

/// Entries of one page of ours: what a client has to hold at a time, however many an upstream sends.
const PAGE: usize = 1000;

/// The referrers of something of ours, which has none upstream: what was done to the image.
pub(in crate::pull) fn own_referrers(
    scoped: &Scoped,
    own: Option<Referrer>,
) -> Result<Response<Body>, Error> {
    let entries = own.map(|referrer| provenance::referrer(referrer.digest, referrer.size));
    Ok(Asked::of(scoped)?.page(entries.into_iter().collect(), None))
}

/// The referrers of a manifest (distribution-spec, "Listing Referrers"): upstream's, else those under the tag of
/// the fallback schema, else none. `limit` is the largest page of an upstream, in bytes.
pub(in crate::pull) async fn referrers(
    upstream: &Upstream,
    scoped: &Scoped,
    limit: usize,
) -> Result<Response<Body>, Error> {
    let asked = Asked::of(scoped)?;
    let mut accept = HeaderMap::new();
    accept.insert(header::ACCEPT, MediaType::OciIndex.header());
    match upstream.clone().oneshot(fetch(scoped, scoped.pull.wish.clone(), Verb::Get, accept)).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let index = entries(&bounded(body, limit).await?)?;
            let next = Link::upstreams(scoped, &asked.tail(), &parts.headers);
            Ok(asked.page(index, next))
        }
        // Registries without the referrers API answer anything from 400 to 405.
        Err(error) if error.status().is_client_error() && may_lack(&error) => {
            Ok(asked.page(fallback(upstream, scoped, asked.subject, limit).await?, None))
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
    limit: usize,
) -> Result<Vec<Box<RawValue>>, Error> {
    let hex = subject.hex();
    let tag = format!("{}-{}", subject.algorithm().as_str(), &hex[..hex.len().min(64)]);
    let tag = tag.parse().map_err(|_| Error::internal("a digest makes a tag"))?;
    let mut accept = HeaderMap::new();
    accept.insert(header::ACCEPT, ACCEPT_MANIFESTS);
    let what = What::Manifest(Reference::Tag(tag));
    match upstream.clone().oneshot(fetch(scoped, what, Verb::Get, accept)).await {
        Ok(response) => entries(&bounded(response.into_body(), limit).await?),
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

/// Those entries that have the artifact type, each byte for byte as it came.
fn matching(mut entries: Vec<Box<RawValue>>, artifact_type: Option<&str>) -> Vec<Box<RawValue>> {
    if let Some(wanted) = artifact_type {
        let of = |entry: &RawValue| serde_json::from_str::<Typed>(entry.get()).ok()?.artifact_type;
        entries.retain(|entry| of(entry).as_deref() == Some(wanted));
    }
    entries
}

/// What of the referrers is asked for.
struct Asked<'a> {
    scoped: &'a Scoped,
    subject: &'a Digest,
    artifact_type: Option<&'a str>,
    /// Entries of the upstream's page that the caller has already.
    skip: usize,
    /// The upstream's cursor.
    more: &'a [(String, String)],
}

impl<'a> Asked<'a> {
    fn of(scoped: &'a Scoped) -> Result<Asked<'a>, Error> {
        let What::Referrers { subject, artifact_type, skip, more } = &scoped.pull.wish else {
            return Err(Error::internal("referrers were expected"));
        };
        Ok(Asked { scoped, subject, artifact_type: artifact_type.as_deref(), skip: *skip, more })
    }

    fn tail(&self) -> String {
        format!("referrers/{}", self.subject)
    }

    /// The part of an upstream's page that is asked for, as an index, with a link to its rest or to the `next` page.
    fn page(&self, entries: Vec<Box<RawValue>>, next: Option<Link>) -> Response<Body> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Own {
            schema_version: u32,
            media_type: &'static str,
            manifests: Vec<Box<RawValue>>,
        }
        let mut entries = matching(entries, self.artifact_type);
        entries.drain(..self.skip.min(entries.len()));
        let rest = entries.len() > PAGE;
        entries.truncate(PAGE);
        let media_type = "application/vnd.oci.image.index.v1+json";
        let own = Own { schema_version: 2, media_type, manifests: entries };
        let next = if rest { Some(self.rest()) } else { next };
        let mut response = list(&own, HeaderValue::from_static(media_type), next);
        if self.artifact_type.is_some() {
            let value = HeaderValue::from_static("artifactType");
            response.headers_mut().insert(headers::FILTERS_APPLIED, value);
        }
        response
    }

    fn rest(&self) -> Link {
        let kind = self.artifact_type.map(|kind| ("artifactType".to_string(), kind.to_string()));
        let own = (SKIP.to_string(), (self.skip + PAGE).to_string());
        let query = self.more.iter().cloned().chain(kind).chain([own]);
        Link::own(self.scoped, &self.tail(), query.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referrers_are_filtered_and_kept_as_they_are() {
        let raw = r#"{"manifests":[{"artifactType":"a/b","x":1.0},{"artifactType":"c/d"},{}]}"#;
        let kept = |kind| matching(entries(raw.as_bytes()).unwrap(), kind);
        let [one] = &kept(Some("a/b"))[..] else { panic!("one of them") };
        assert_eq!(one.get(), r#"{"artifactType":"a/b","x":1.0}"#);
        assert_eq!((kept(None).len(), kept(Some("x/y")).len()), (3, 0));
    }
}
