//! The record of one request, from its first byte to the end of its response body.

use super::handles::Handles;
use super::kind::masked;
use super::{Kind, names};
use crate::body::{Cause, End, Watch};
use crate::error::{Blame, BoxError, causes};
use crate::net::Peer;
use crate::oci::headers::copied;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use metrics::counter;
use std::cell::OnceCell;
use std::sync::Arc;
use tokio::time::Instant;

/// Are access lines written?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    On,
    Off,
}

/// A request in flight. It counts itself, and tells how it ended even when it is dropped before it had a
/// response.
pub(super) struct Record {
    access: Access,
    handles: Arc<Handles>,
    kind: Kind,
    method: &'static str,
    /// As it came, with all its secrets: see [`Record::path`]. A copy, as the URI keeps the connection's buffer.
    raw: Box<str>,
    path: OnceCell<String>,
    id: HeaderValue,
    peer: Option<Peer>,
    agent: Option<HeaderValue>,
    started: Instant,
    head: Option<Head>,
    broken: Option<(Cause, String)>,
    ended: bool,
}

struct Head {
    status: u16,
    blame: Option<Blame>,
    after: std::time::Duration,
}

impl Record {
    pub(super) fn start<B>(
        request: &Request<B>,
        id: HeaderValue,
        access: Access,
        handles: Arc<Handles>,
    ) -> Record {
        handles.in_flight().increment(1.0);
        let agent = request.headers().get(header::USER_AGENT).filter(|_| access == Access::On);
        Record {
            access,
            handles,
            kind: Kind::of(request.uri().path()),
            method: method(request.method()),
            raw: request.uri().path().into(),
            path: OnceCell::new(),
            id,
            peer: request.extensions().get::<Peer>().copied(),
            agent: agent.map(copied),
            started: Instant::now(),
            head: None,
            broken: None,
            ended: false,
        }
    }

    /// The span around everything that happens below.
    pub(super) fn span(&self) -> tracing::Span {
        let (id, kind) = (self.id.to_str().unwrap_or_default(), self.kind.as_str());
        tracing::info_span!("request", id, method = self.method, kind, path = self.path())
    }

    /// What spans and lines show of the path.
    fn path(&self) -> &str {
        self.path.get_or_init(|| masked(&self.raw))
    }

    pub(super) fn id(&self) -> HeaderValue {
        self.id.clone()
    }

    /// Notes the head of the response.
    pub(super) fn head<B>(&mut self, response: &Response<B>) {
        let (status, after) = (response.status(), self.started.elapsed());
        let blame = response.extensions().get::<Blame>().copied();
        match blame {
            None if status == StatusCode::OK => self.handles.plain(self.kind).increment(1),
            _ => answered(self.kind, status, blame),
        }
        self.handles.head(self.kind).record(after);
        self.head = Some(Head { status: status.as_u16(), blame, after });
    }

    fn finish(&mut self, end: End, bytes: u64) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (kind, took) = (self.kind.as_str(), self.started.elapsed());
        self.handles.in_flight().decrement(1.0);
        self.handles.ended(self.kind, end).increment(1);
        self.handles.bytes(self.kind).increment(bytes);
        self.handles.duration(self.kind).record(took);
        if self.head.is_none() {
            counter!(names::REQUESTS, "kind" => kind, "status" => "none", "code" => "none", "side" => "client")
                .increment(1);
        }
        if let Some((cause, error)) = self.broken.take() {
            let (id, cause) = (self.id.to_str().unwrap_or_default(), cause.as_str());
            counter!(names::BROKEN, "cause" => cause).increment(1);
            tracing::warn!(id, kind, path = self.path(), bytes, cause, error, "response broke off");
        }
        if self.access == Access::On {
            self.line(end, bytes, took);
        }
    }

    fn line(&self, end: End, bytes: u64, took: std::time::Duration) {
        let head = self.head.as_ref();
        tracing::info!(
            target: "access",
            id = self.id.to_str().unwrap_or_default(),
            peer = self.peer.map(|peer| tracing::field::display(peer.address)),
            scheme = self.peer.map(|peer| peer.scheme.as_str()),
            method = self.method,
            kind = self.kind.as_str(),
            path = self.path(),
            status = head.map(|head| head.status),
            code = head.and_then(|head| head.blame).map(|blame| blame.code.as_str()),
            bytes,
            head_ms = head.map(|head| head.after.as_secs_f64() * 1e3),
            ms = took.as_secs_f64() * 1e3,
            end = end.as_str(),
            agent = self.agent.as_ref().map(short),
        );
    }
}

impl Watch for Record {
    fn broken(&mut self, error: &BoxError) {
        self.broken = Some((Cause::of(error), causes(&**error)));
    }

    fn end(mut self: Box<Self>, end: End, bytes: u64) {
        self.finish(end, bytes);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.finish(End::Dropped, 0);
    }
}

/// Counts an answer.
fn answered(kind: Kind, status: StatusCode, blame: Option<Blame>) {
    // A status that no registration names would be a label value of an upstream's choosing.
    let label = status.canonical_reason().map_or_else(|| Arc::from("other"), |_| Arc::from(status.as_str()));
    let (code, side) = blame.map_or(("none", "none"), |blame| (blame.code.as_str(), blame.side.as_str()));
    counter!(names::REQUESTS, "kind" => kind.as_str(), "status" => label, "code" => code, "side" => side)
        .increment(1);
}

/// Methods are words a client may make up; access lines say the known ones.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The name of the client's program: what a header line may print, at most 128 characters of it.
fn short(agent: &HeaderValue) -> &str {
    let text = agent.to_str().unwrap_or("unprintable");
    &text[..text.len().min(128)]
}
