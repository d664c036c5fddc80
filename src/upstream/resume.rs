//! A blob that is asked for again where it breaks off: the same fetch with `Range` (RFC 9110, 14.2), through the whole
//! stack, so with a fresh token and through a fresh redirect where the signed URL of the first has expired.

use super::{Redirects, Upstream};
use crate::body::{Body, NoRest, Renew, Renewal, Renewed, Rest};
use crate::error::{BoxError, Error};
use crate::oci::headers::copied;
use crate::pull::Fetch;
use crate::pull::range::{Asked, Sent, unsatisfied};
use crate::telemetry::names;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use metrics::counter;
use std::time::Duration;
use tokio::time::Instant;
use tower::ServiceExt as _;

/// Before the second try without progress; each later one waits twice as long.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(3);
/// An upstream that breaks off again and again gets so many requests for one body, and one more for each `STEP` bytes
/// that came.
const FEW: u64 = 16;
const STEP: u64 = 64 * 1024;

/// Between two requests of which nothing is sent, at least.
const LEAST: Duration = Duration::from_millis(100);

/// What is borne for the rest of a blob.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Failures of upstream in a row, without any progress.
    pub tries: u32,
    /// How long a request waits that is held back here, by a limit or since upstream is out of order. That is no
    /// failure of upstream.
    pub wait: Duration,
}

/// `body` with the head `parts`, which is a 200 or a 206 of one part, as a body that is asked for again with `fetch`
/// where it breaks off, for as long as `patience` lasts.
pub fn resumed(upstream: Upstream, fetch: Fetch, parts: &Parts, body: Body, patience: Patience) -> Body {
    let sent = match parts.status {
        StatusCode::PARTIAL_CONTENT => Sent::of(&parts.headers),
        _ => None,
    };
    let length = length(&parts.headers);
    let (next, end) = match &sent {
        Some(sent) => (sent.bytes.start, Some(sent.bytes.end)),
        None => (0, length),
    };
    let total = sent.map_or(length, |sent| sent.total);
    let known = Known { end, total, etag: strong(&parts.headers) };
    let resume = Resume::new(upstream, fetch, known, patience, next);
    Body::renewed(Renewed::new(body, next, end, resume))
}

/// The rest of a blob from `next` on, up to `end` and of `total` bytes in all where these are known, when what brought it
/// is `broken`. It is asked for with `fetch`, and again as [`resumed`] does.
pub fn rest(
    upstream: Upstream,
    fetch: Fetch,
    broken: BoxError,
    (next, end, total): (u64, Option<u64>, Option<u64>),
    patience: Patience,
) -> Body {
    let known = Known { end, total, etag: None };
    let resume = Resume::new(upstream, fetch, known, patience, next);
    Body::renewed(Renewed::broken(broken, next, end, resume))
}

/// What asks for the rest of a blob.
struct Resume {
    upstream: Upstream,
    fetch: Fetch,
    known: Known,
    patience: Patience,
    /// When it last broke after some progress.
    broke: Instant,
    /// Failures in a row.
    failed: u32,
    asked: u64,
    /// Where it began.
    first: u64,
    /// Where it last broke.
    next: u64,
}

/// What the first answer said of the blob.
#[derive(Clone)]
struct Known {
    /// One behind the last byte that is wanted.
    end: Option<u64>,
    total: Option<u64>,
    /// The entity tag, if it is a strong one (RFC 9110, 8.8.1).
    etag: Option<HeaderValue>,
}

impl Resume {
    fn new(upstream: Upstream, fetch: Fetch, known: Known, patience: Patience, next: u64) -> Resume {
        let fetch = Fetch { redirects: Redirects::Follow, ..fetch };
        let broke = Instant::now();
        Resume { upstream, fetch, known, patience, broke, failed: 0, asked: 0, first: next, next }
    }
}

impl Renew for Resume {
    fn renew(&mut self, next: u64) -> Option<Renewal> {
        self.failed = if next > self.next { 1 } else { self.failed + 1 };
        if self.failed == 1 {
            self.broke = Instant::now();
        }
        self.next = next;
        self.asked += 1;
        if self.failed > self.patience.tries || self.asked > FEW + (next - self.first) / STEP {
            counter!(names::UPSTREAM_RESUMES, "outcome" => "given-up").increment(1);
            return None;
        }
        let pause = match self.failed.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => (PAUSE * (1 << doublings.min(8))).min(LONGEST),
        };
        let fetch = Fetch { headers: self.known.headers(next, &self.fetch.headers), ..self.fetch.clone() };
        let (upstream, known, end) =
            (self.upstream.clone(), self.known.clone(), self.broke + self.patience.wait);
        Some(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let rest = match answer(upstream, fetch, end).await {
                Ok(response) => known.rest(response, next),
                Err(error) if error.is_unasked() => Err(NoRest::Ever(error.into())),
                Err(error) => Err(NoRest::Yet(error.into())),
            };
            let outcome = if rest.is_ok() { "resumed" } else { "refused" };
            counter!(names::UPSTREAM_RESUMES, "outcome" => outcome).increment(1);
            rest
        }))
    }
}

/// Upstream's answer. One of our own, which says nothing of it, is waited out if that can be before `end`.
async fn answer(upstream: Upstream, fetch: Fetch, end: Instant) -> Result<Response<Body>, Error> {
    loop {
        let answer = upstream.clone().oneshot(fetch.clone()).await;
        let Err(error) = &answer else { return answer };
        let again = Instant::now() + error.retry_after().unwrap_or_default().max(LEAST);
        if !error.is_unasked() || again > end {
            return answer;
        }
        tokio::time::sleep_until(again).await;
    }
}

impl Known {
    fn headers(&self, next: u64, first: &HeaderMap) -> HeaderMap {
        let mut headers = first.clone();
        match self.end {
            Some(end) if self.total != Some(end) => {
                headers.insert(header::RANGE, Asked::Between(next, end.saturating_sub(1)).header());
            }
            // All of it: an empty blob has no range.
            _ if next == 0 => _ = headers.remove(header::RANGE),
            _ => _ = headers.insert(header::RANGE, Asked::From(next).header()),
        }
        headers.remove(header::IF_RANGE);
        if let Some(etag) = self.etag.as_ref().filter(|_| headers.contains_key(header::RANGE)) {
            headers.insert(header::IF_RANGE, etag.clone());
        }
        headers
    }

    /// The rest from `next` on, if `response` is that.
    fn rest(&self, response: Response<Body>, next: u64) -> Result<Rest, NoRest> {
        let (parts, body) = response.into_parts();
        if let (Some(one), Some(other)) = (&self.etag, strong(&parts.headers))
            && *one != other
        {
            return Err(NoRest::Ever(changed("upstream has another version of the content now")));
        }
        let (total, skip) = match parts.status {
            StatusCode::PARTIAL_CONTENT => match Sent::of(&parts.headers) {
                // Of a content whose end nobody tells, the end of a part would be taken for that.
                Some(sent) if sent.total.or(self.end).is_none() => {
                    return Err(NoRest::Yet(changed("upstream did not say how much there is")));
                }
                Some(sent) if sent.bytes.start == next => (sent.total, 0),
                _ => return Err(NoRest::Yet(changed("upstream sent another part than was asked for"))),
            },
            // All had come but the end of it.
            StatusCode::RANGE_NOT_SATISFIABLE
                if self.total.is_none()
                    && parts.headers.get(header::CONTENT_RANGE) == Some(&unsatisfied(next)) =>
            {
                return Ok(Rest { body: Body::empty(), skip: 0, cut: false, end: Some(next) });
            }
            // It does not do ranges.
            StatusCode::OK => (length(&parts.headers), next),
            _ => return Err(NoRest::Yet(changed("upstream did not send the rest"))),
        };
        if let (Some(one), Some(other)) = (self.total, total)
            && one != other
        {
            return Err(NoRest::Ever(changed("upstream content has another size now")));
        }
        // Of a whole that should be one, more than there should be is a fault.
        let cut = parts.status == StatusCode::OK && self.end != self.total;
        Ok(Rest { body, skip, cut, end: self.end.or(total) })
    }
}

fn changed(message: &'static str) -> BoxError {
    Error::bad_gateway(message).into()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn strong(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).map(copied)
}

#[cfg(test)]
mod tests;
