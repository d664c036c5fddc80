//! Upstream's blobs by way of the spool: from disk, along with a fetch that runs, or by beginning one.

use super::range::{Asked, Span, Spans};
use super::respond::{not_modified, range_not_satisfiable, unmodified};
use super::stream::{self, asked, fetch};
use super::{Fetch, Scoped, Verb, What, head};
use crate::body::{Body, Cause, End, Expect, Watch};
use crate::config::Verify;
use crate::error::{BoxError, Error};
use crate::oci::{Digest, headers};
use crate::spool::{Held, Lead, Owner, Place, Spare, Spool};
use crate::telemetry::names;
use crate::upstream::{Endpoint, Upstream};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use metrics::counter;
use std::fs::File;
use std::sync::Arc;

/// A range up to this size of a blob that is not there passes through: to fetch the blob for it, which a client does who
/// looks into the index of a large layer, would cost more than to ask again for the next one.
const SMALL: u64 = 1 << 20;
/// A fill that another has begun may be refused to him and not to us; so often we wait for another's.
const ROUNDS: usize = 3;

/// Does this blob go by way of the spool? What cannot be verified does not, nor what clients are sent elsewhere for, nor
/// what is on a disk already.
pub(super) fn is_spooled(scoped: &Scoped, digest: &Digest) -> bool {
    let registry = &scoped.registry;
    digest.digester().is_some() && !registry.policy.redirect && matches!(registry.endpoint, Endpoint::Http(_))
}

/// The answer to a request for such a blob.
pub(super) async fn blob(
    spool: &Spool,
    upstream: &Upstream,
    scoped: &Scoped,
    digest: &Digest,
) -> Result<Response<Body>, Error> {
    let owner = Owner {
        access: scoped.access.id().clone(),
        registry: scoped.registry.host.clone(),
        repository: scoped.grant.repository.clone(),
    };
    Wanted { spool, upstream, scoped, digest, owner }.answer().await
}

/// A blob that is asked for.
struct Wanted<'a> {
    spool: &'a Spool,
    upstream: &'a Upstream,
    scoped: &'a Scoped,
    digest: &'a Digest,
    owner: Owner,
}

impl Wanted<'_> {
    async fn answer(&self) -> Result<Response<Body>, Error> {
        if let Some(held) = self.spool.find(self.digest, &self.owner.registry).await
            && let Some(response) = self.held(held).await?
        {
            count("hit");
            return Ok(response);
        }
        self.refused()?;
        let conditions = &self.scoped.pull.conditions;
        if self.scoped.pull.verb == Verb::Head || unmodified(conditions, &headers::etag_value(self.digest)) {
            return self.described().await;
        }
        match asked(conditions, self.digest) {
            Some(asked) if is_small(asked) && self.filling().is_none() => self.passed().await,
            _ => self.filled().await,
        }
    }

    /// From disk; `None` when what is there may not be the blob.
    async fn held(&self, held: Held) -> Result<Option<Response<Body>>, Error> {
        let total = held.size();
        if self.prove().await?.is_some_and(|told| told != total) {
            self.spool.doubt(*self.digest);
            return Ok(None);
        }
        let pull = &self.scoped.pull;
        if unmodified(&pull.conditions, &headers::etag_value(self.digest)) {
            return Ok(Some(not_modified(self.digest)));
        }
        if pull.verb == Verb::Head {
            return Ok(Some(head::blob(self.digest, Some(total))));
        }
        let response = match self.spans(total) {
            Spans::Whole => {
                let file = held.file();
                let body = held.read(self.spool, 0..total, self.spare());
                let body = if self.spool.verifies() { self.verified(body, total, file) } else { body };
                self.whole(Some(total), body)
            }
            Spans::Part(span) => part(self.digest, &span, |bytes| held.read(self.spool, bytes, self.spare())),
            Spans::Unsatisfiable => range_not_satisfiable(Some(total)),
        };
        Ok(Some(response))
    }

    /// HEAD, or whether a caller's copy still stands: upstream says.
    async fn described(&self) -> Result<Response<Body>, Error> {
        let size = head::size(self.upstream, self.scoped, self.digest).await?;
        self.spool.proofs().grant(&self.owner, self.digest, size).await;
        match unmodified(&self.scoped.pull.conditions, &headers::etag_value(self.digest)) {
            true => Ok(not_modified(self.digest)),
            false => {
                let size = size.or_else(|| self.filling().flatten());
                Ok(head::blob(self.digest, size))
            }
        }
    }

    /// Along with a fill.
    async fn filled(&self) -> Result<Response<Body>, Error> {
        for _ in 0..ROUNDS {
            let lead =
                Lead { upstream: self.upstream.clone(), fetch: self.fetch(), owner: self.owner.clone() };
            let Some(mut place) = self.spool.join(self.digest, lead) else { break };
            // An answer to the same credentials in the same repository is an answer to us, for as long as it is believed.
            let own = *place.owner() == self.owner;
            let told = if own { None } else { self.prove().await? };
            match place.answered().await {
                Ok(total) => {
                    if own && !place.leads() {
                        self.prove().await?;
                    }
                    // What comes may not be what upstream has for us.
                    if told.is_some() && total.is_some() && told != total || self.is_strange(&place, total) {
                        break;
                    }
                    count(if place.leads() { "miss" } else { "join" });
                    return Ok(self.along(place, total));
                }
                Err(Some(refusal)) if own => return Err(refusal),
                Err(_) if own => break,
                // The next fill may be ours.
                Err(_) => {}
            }
        }
        self.passed().await
    }

    /// Is the blob on its way, and of which size?
    fn filling(&self) -> Option<Option<u64>> {
        self.spool.filling(&self.owner.registry, self.digest)
    }

    /// Is what is asked for a part that nobody verifies, of what comes from another repository?
    fn is_strange(&self, place: &Place, total: Option<u64>) -> bool {
        let unverified = |total| matches!(self.spans(total), Spans::Part(span) if span.bytes.end < total);
        place.owner().repository != self.owner.repository && total.is_some_and(unverified)
    }

    /// Fails while the blob is in quarantine.
    fn refused(&self) -> Result<(), Error> {
        self.spool.refusal(&self.owner, self.digest).map_or(Ok(()), Err)
    }

    fn along(&self, place: Place, total: Option<u64>) -> Response<Body> {
        // A range of what has no size yet is not answered as one, which a server may always do.
        let Some(total) = total else { return self.whole(None, place.read(None, self.spare())) };
        match self.spans(total) {
            Spans::Whole => self.whole(Some(total), place.read(Some(0..total), self.spare())),
            Spans::Part(span) => part(self.digest, &span, |bytes| place.read(Some(bytes), self.spare())),
            Spans::Unsatisfiable => range_not_satisfiable(Some(total)),
        }
    }

    /// Straight from upstream; with a spool nothing is whole that has not been hashed.
    async fn passed(&self) -> Result<Response<Body>, Error> {
        count("pass");
        stream::blob(self.upstream, self.scoped, self.digest, Verify::Always, self.spool.idle()).await
    }

    /// Fails where upstream does not let this caller read the blob; else its size, where upstream told it.
    async fn prove(&self) -> Result<Option<u64>, Error> {
        let ask = head::size(self.upstream, self.scoped, self.digest);
        let told = self.spool.proofs().prove(&self.owner, self.digest, ask).await?;
        // Some say of every blob that it has no bytes.
        Ok(told.filter(|size| *size > 0 || self.digest.matches(&[]) == Some(true)))
    }

    fn spans(&self, total: u64) -> Spans {
        let conditions = &self.scoped.pull.conditions;
        let etag = headers::etag_value(self.digest);
        Spans::of(conditions.range.as_ref(), conditions.if_range.as_ref(), &etag, total)
    }

    fn fetch(&self) -> Fetch {
        fetch(self.scoped, What::Blob(*self.digest), Verb::Get, HeaderMap::new())
    }

    fn spare(&self) -> Spare {
        Spare {
            upstream: self.upstream.clone(),
            fetch: self.fetch(),
            owner: self.owner.clone(),
            digest: *self.digest,
            verify: self.scoped.registry.policy.verify == Verify::Always,
        }
    }

    fn whole(&self, total: Option<u64>, body: Body) -> Response<Body> {
        head::blob(self.digest, total).map(|_| body)
    }

    /// `body`, and a look at what is on disk when it is not the blob.
    fn verified(&self, body: Body, total: u64, file: Arc<File>) -> Body {
        let expect = Expect { digest: *self.digest, size: Some(total) };
        body.expecting(expect).watched(Suspect { spool: self.spool.clone(), digest: *self.digest, file })
    }
}

fn part(digest: &Digest, span: &Span, read: impl FnOnce(std::ops::Range<u64>) -> Body) -> Response<Body> {
    let mut response = head::blob(digest, Some(span.len())).map(|_| read(span.bytes.clone()));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let range: HeaderValue = span.content_range();
    response.headers_mut().insert(header::CONTENT_RANGE, range);
    response
}

fn is_small(asked: Asked) -> bool {
    match asked {
        Asked::From(_) => false,
        // An end before the start is unsatisfiable, which upstream can say.
        Asked::Between(first, last) => last.saturating_sub(first) < SMALL,
        Asked::Last(length) => length <= SMALL,
    }
}

fn count(outcome: &'static str) {
    counter!(names::BLOBS_REQUESTS, "outcome" => outcome).increment(1);
}

/// Forgets a blob whose digest turned out to be wrong while it was read.
struct Suspect {
    spool: Spool,
    digest: Digest,
    file: Arc<File>,
}

impl Watch for Suspect {
    fn broken(&mut self, error: &BoxError) {
        if matches!(Cause::of(error), Cause::Digest | Cause::Size) {
            self.spool.forget(self.digest, self.file.clone());
        }
    }

    fn end(self: Box<Self>, _: End, _: u64) {}
}
