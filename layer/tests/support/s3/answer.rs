//! Answers and the body that carries them, with what may go wrong on the way.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::error::Error;
use super::faults::Action;
use super::log::Ticket;
use super::wire::Breaker;
use super::xml::Xml;

/// Between the last byte before a break and the break, so that the bytes are on their way.
const SETTLE: Duration = Duration::from_millis(30);

/// What an operation answers.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<Bytes>,
    /// `Content-Length` of a `HEAD`, which has no body.
    pub length: Option<u64>,
}

impl Answer {
    /// A status without a body.
    pub fn empty(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: Vec::new(), length: None }
    }

    /// 200 with a document.
    pub fn xml(document: Xml) -> Answer {
        let body = vec![Bytes::from(document.finish())];
        Answer { body, ..Answer::empty(200) }.with("content-type", "application/xml")
    }

    /// The document of a refusal; `HEAD` and 304 have none.
    pub fn refusal(error: &Error, resource: &str, id: &str, bodyless: bool) -> Answer {
        let mut answer = Answer::empty(error.status);
        if !bodyless && error.status != 304 {
            let mut document = Xml::document();
            document.inside("Error", |xml| {
                xml.leaf("Code", error.code);
                xml.leaf("Message", &error.message);
                error.details.iter().for_each(|(name, value)| xml.leaf(name, value));
                xml.leaf("Resource", resource);
                xml.leaf("RequestId", id);
            });
            answer = Answer { status: error.status, ..Answer::xml(document) };
        }
        error.headers.iter().fold(answer, |answer, (name, value)| answer.with(name, value))
    }

    /// With a header, in place of one of the same name.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.retain(|(kept, _)| kept != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Bytes of the body.
    pub fn len(&self) -> u64 {
        self.body.iter().map(|part| part.len() as u64).sum()
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Whole,
    Reset(u64),
    Truncate(u64),
    Stall(u64),
}

/// The body of an answer on its way. Broken off, it ends with an error, upon which hyper drops the connection.
#[derive(Debug)]
pub struct Outgoing {
    segments: VecDeque<Bytes>,
    sent: u64,
    ending: Ending,
    drip: Option<(usize, Duration)>,
    pause: Option<Pin<Box<Sleep>>>,
    exact: bool,
    breaker: Breaker,
    ticket: Ticket,
}

impl Outgoing {
    /// The body of an answer under a fault plan; `exact` unless `Content-Length` lies.
    pub fn new(body: Vec<Bytes>, action: Option<&Action>, breaker: Breaker, ticket: Ticket) -> Outgoing {
        let ending = match action {
            Some(Action::ResetAt { at }) => Ending::Reset(*at),
            Some(Action::Truncate { at }) => Ending::Truncate(*at),
            Some(Action::StallAt { at }) => Ending::Stall(*at),
            _ => Ending::Whole,
        };
        let drip = match action {
            Some(Action::Drip { bytes, every }) => Some(((*bytes).max(1), *every)),
            // Each blank is a segment.
            Some(Action::Blanks { every, .. }) => Some((usize::MAX, *every)),
            _ => None,
        };
        let exact = !matches!(action, Some(Action::Length { .. } | Action::Blanks { .. }));
        let segments = body.into_iter().filter(|part| !part.is_empty()).collect();
        let outgoing = Outgoing { segments, sent: 0, ending, drip, pause: None, exact, breaker, ticket };
        if outgoing.segments.is_empty() && ending == Ending::Whole {
            outgoing.ticket.note(|entry| entry.complete = true);
        }
        outgoing
    }

    fn left(&self) -> u64 {
        self.segments.iter().map(|part| part.len() as u64).sum()
    }

    /// Bytes that may still pass before the body breaks.
    fn until_break(&self) -> u64 {
        match self.ending {
            Ending::Whole => u64::MAX,
            Ending::Reset(at) | Ending::Truncate(at) | Ending::Stall(at) => at.saturating_sub(self.sent),
        }
    }

    fn poll_pause(&mut self, length: Duration, context: &mut Context<'_>) -> Poll<()> {
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(length)));
        ready!(pause.as_mut().poll(context));
        self.pause = None;
        Poll::Ready(())
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let room = self.until_break();
        if room == 0 {
            ready!(self.poll_pause(SETTLE, context));
            match self.ending {
                Ending::Stall(_) => return Poll::Pending,
                Ending::Reset(_) => self.breaker.arm(),
                Ending::Truncate(_) | Ending::Whole => {}
            }
            return Poll::Ready(Some(Err(std::io::Error::other("broken off as planned"))));
        }
        if self.segments.is_empty() {
            return Poll::Ready(None);
        }
        let mut most = room;
        if let Some((bytes, every)) = self.drip {
            ready!(self.poll_pause(every, context));
            most = most.min(bytes as u64);
        }
        let Some(segment) = self.segments.front_mut() else { return Poll::Ready(None) };
        let part = segment.split_to(segment.len().min(usize::try_from(most).unwrap_or(usize::MAX)));
        if segment.is_empty() {
            self.segments.pop_front();
        }
        self.sent += part.len() as u64;
        let (sent, complete) = (self.sent, self.segments.is_empty() && self.until_break() > 0);
        self.ticket.note(|entry| (entry.bytes_out, entry.complete) = (sent, complete));
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_empty() && self.ending == Ending::Whole
    }

    fn size_hint(&self) -> SizeHint {
        if self.exact { SizeHint::with_exact(self.left()) } else { SizeHint::default() }
    }
}
