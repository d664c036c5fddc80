//! The layer that keeps the documents that pass, and answers with them when upstream is down.

use super::{Kept, Lesson, Shelf, Subject};
use crate::body::{Body, bounded};
use crate::error::Error;
use crate::oci::{Digest, Reference, headers};
use crate::pull::{Fetch, Verb, What, media};
use crate::spool::Owner;
use crate::telemetry::names;
use crate::upstream::{Endpoint, Upstream, lacks_head};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use metrics::counter;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;
use tower::{Layer, Service, ServiceExt as _};

/// Makes [`Keep`].
#[derive(Clone)]
pub struct KeepLayer {
    shelf: Shelf,
    limit: usize,
}

/// Keeps the manifests that pass, and the blobs, which are configurations of images here: all are held in memory whole.
/// When upstream cannot be reached, or answers 429 or 5xx, it answers with what is kept; what upstream refuses, or says
/// is not there, is never answered.
#[derive(Clone)]
pub struct Keep {
    shelf: Shelf,
    limit: usize,
    inner: Upstream,
}

/// Marks the answer to a tag that upstream has not confirmed, as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// When it did.
    pub since: SystemTime,
}

/// A request for something that is kept.
struct Asked<'a> {
    fetch: &'a Fetch,
    owner: Owner,
    subject: Subject,
}

impl KeepLayer {
    /// For documents of at most `limit` bytes.
    pub fn new(shelf: Shelf, limit: usize) -> KeepLayer {
        KeepLayer { shelf, limit }
    }
}

impl Layer<Upstream> for KeepLayer {
    type Service = Keep;

    fn layer(&self, inner: Upstream) -> Keep {
        Keep { shelf: self.shelf.clone(), limit: self.limit, inner }
    }
}

impl Service<Fetch> for Keep {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // What is kept needs nothing from below, so readiness is asked for with the request.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, fetch: Fetch) -> Self::Future {
        let Keep { shelf, limit, inner } = self.clone();
        Box::pin(async move {
            let Some(asked) = Asked::of(&fetch) else { return inner.oneshot(fetch).await };
            let by_tag = matches!(asked.subject, Subject::Tag(_));
            if !by_tag
                && shelf.is_failing(&asked.owner)
                && let Some(answer) = asked.kept(&shelf).await
            {
                return Ok(answer);
            }
            let outcome = match inner.oneshot(fetch.clone()).await {
                Ok(response) => asked.whole(response, limit).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok((response, content)) => {
                    if let Some(lesson) = asked.lesson(response.headers(), content) {
                        shelf.learn(&asked.owner, lesson);
                    }
                    Ok(response)
                }
                Err(error) => {
                    shelf.heed(&asked.owner, &asked.subject, &error).await;
                    let kept = if error.is_outage() && !lacks_head(&error) {
                        asked.kept(&shelf).await
                    } else {
                        None
                    };
                    kept.ok_or(error)
                }
            }
        })
    }
}

impl Asked<'_> {
    fn of(fetch: &Fetch) -> Option<Asked<'_>> {
        let subject = match (&fetch.what, fetch.verb) {
            (What::Manifest(Reference::Tag(tag)), _) => Subject::Tag(tag.clone()),
            (What::Manifest(Reference::Digest(digest)), _) => Subject::Manifest(*digest),
            (What::Blob(digest), Verb::Get) => Subject::Blob(*digest),
            _ => return None,
        };
        // A layout is on a disk already.
        let Endpoint::Http(_) = fetch.registry.endpoint else { return None };
        Some(Asked { fetch, owner: Owner::of(fetch), subject })
    }

    /// The response with its content in memory, and that, where there is one.
    async fn whole(
        &self,
        response: Response<Body>,
        limit: usize,
    ) -> Result<(Response<Body>, Option<Bytes>), Error> {
        if self.fetch.verb == Verb::Head || response.status() != StatusCode::OK {
            return Ok((response, None));
        }
        let (parts, body) = response.into_parts();
        let content = bounded(body, limit).await?;
        Ok((Response::from_parts(parts, Body::full(content.clone())), Some(content)))
    }

    /// What an answer teaches, if it is one that would be passed on.
    fn lesson(&self, fields: &HeaderMap, content: Option<Bytes>) -> Option<Lesson> {
        let subject = self.subject.clone();
        let declared =
            || fields.get(headers::CONTENT_DIGEST).and_then(|value| value.to_str().ok()?.parse().ok());
        let size = content.as_ref().map(|content| content.len() as u64);
        let (digest, media): (Digest, _) = match (&subject, &content) {
            (Subject::Blob(digest), _) => (*digest, None),
            (Subject::Manifest(digest), Some(content)) => (*digest, Some(media::of(content, fields).ok()?)),
            (Subject::Manifest(digest), None) if declared() == Some(*digest) => {
                (*digest, Some(media::stated(fields)?))
            }
            (Subject::Tag(_), Some(content)) => {
                let digest = declared().unwrap_or_else(|| Digest::sha256(content));
                (digest, Some(media::of(content, fields).ok()?))
            }
            (Subject::Tag(_), None) => (declared()?, Some(media::stated(fields)?)),
            _ => return None,
        };
        // The digest of a signed document of schema 1 is not that of its bytes, so it is not kept either.
        let right = content.as_ref().is_none_or(|content| digest.matches(content) == Some(true));
        let media = media.and_then(|media| media.to_str().map(String::from).ok());
        right.then_some(Lesson { subject, digest, media, size, content })
    }

    /// The answer with what is kept.
    async fn kept(&self, shelf: &Shelf) -> Option<Response<Body>> {
        let kept = shelf.recall(&self.owner, &self.subject).await.filter(|kept| self.accepts(kept))?;
        let by_tag = matches!(self.subject, Subject::Tag(_));
        let kind = if by_tag { "tag" } else { "document" };
        counter!(names::STALE, "kind" => kind).increment(1);
        let Kept { digest, media, content, since } = kept;
        let length = HeaderValue::from(content.len());
        let mut response = Response::new(match self.fetch.verb {
            Verb::Get => Body::full(content),
            Verb::Head => Body::empty(),
        });
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_LENGTH, length);
        let media = media.and_then(|media| HeaderValue::try_from(media).ok());
        fields.insert(header::CONTENT_TYPE, media.unwrap_or(headers::OCTET_STREAM));
        fields.insert(headers::CONTENT_DIGEST, headers::digest_value(&digest));
        if by_tag {
            response.extensions_mut().insert(Stale { since });
        }
        Some(response)
    }

    /// Would a registry answer a tag with this? It chooses by what is accepted; what has a digest is what it is.
    fn accepts(&self, kept: &Kept) -> bool {
        let (Subject::Tag(_), Some(media)) = (&self.subject, &kept.media) else { return true };
        let lines = self.fetch.headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let mut types =
            lines.flat_map(|line| line.split(',')).map(|one| one.split(';').next().unwrap_or(one));
        types.any(|one| matches!(one.trim(), "*/*" | "application/*") || one.trim() == media)
    }
}
