//! What the registry does with one request: how it answers, and how it goes wrong.

use super::content::Content;
use bytes::Bytes;
use http::Response;
use std::time::Duration;

/// An answer that does not come from the objects of the registry.
pub type Answer = Response<Bytes>;

/// One answer and its faults. Offsets of bytes are those in the content, counts are those of this body.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) start: Start,
    /// Before anything is sent.
    pub(super) delay: Duration,
    pub(super) status: Option<u16>,
    /// Put into the head, or taken out of it, after everything else.
    pub(super) headers: Vec<(&'static str, Option<String>)>,
    /// Are `Range` and `If-Range` heard?
    pub(super) ranges: bool,
    pub(super) edits: Vec<Edit>,
    pub(super) framing: Framing,
    /// So many bytes, and then a pause.
    pub(super) pace: Option<(usize, Duration)>,
    /// After so many bytes.
    pub(super) stop: Option<(u64, Stop)>,
    /// Is the connection closed after the answer, though nothing has said so?
    pub(super) hang_up: bool,
}

/// What is answered with.
#[derive(Clone, Debug)]
pub(super) enum Start {
    /// What the registry has.
    Stored,
    /// This, as if it were what the registry has.
    Other(Content),
    Given(Answer),
    /// Nothing at all.
    Nothing(Stop),
}

/// How a body ends that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// With RST. What the kernel has not sent by then is lost.
    Reset,
    /// With FIN.
    Close,
    /// Not, but after so long, the rest comes.
    Stall(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked,
    /// Without the last chunk; then the connection is closed.
    Unended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// All bits of the byte at this offset.
    Flip(u64),
    /// All bits of all bytes.
    Invert,
    /// So many zeros behind the end, which the length counts.
    Longer(u64),
    /// The same, which no length counts.
    Overrun(u64),
    /// The body is gzipped, and says so.
    Gzip,
}

impl Plan {
    /// As a registry should.
    pub fn normal() -> Plan {
        Plan::new(Start::Stored)
    }

    /// `content` in place of what is asked for, under the same digest.
    pub fn other(self, content: impl Into<Bytes>) -> Plan {
        Plan { start: Start::Other(Content::from(content.into())), ..self }
    }

    /// This status with the `errors` of a registry.
    pub fn status(status: u16) -> Plan {
        respond(status, &[("content-type", "application/json")], r#"{"errors":[{"message":"scripted"}]}"#)
            .into()
    }

    /// 307 to `location`, relative or absolute.
    pub fn redirect(location: &str) -> Plan {
        respond(307, &[("location", location)], "moved").into()
    }

    /// RST instead of an answer.
    pub fn reset() -> Plan {
        Plan::new(Start::Nothing(Stop::Reset))
    }

    /// FIN instead of an answer.
    pub fn close() -> Plan {
        Plan::new(Start::Nothing(Stop::Close))
    }

    /// No answer for `time`, then FIN.
    pub fn silence(time: Duration) -> Plan {
        Plan::new(Start::Nothing(Stop::Stall(time)))
    }

    pub fn delay_head(self, delay: Duration) -> Plan {
        Plan { delay, ..self }
    }

    /// The stored answer under another status.
    pub fn with_status(self, status: u16) -> Plan {
        Plan { status: Some(status), ..self }
    }

    /// Another value for a header, or one more header.
    pub fn header(mut self, name: &'static str, value: &str) -> Plan {
        self.headers.push((name, Some(value.into())));
        self
    }

    pub fn without(mut self, name: &'static str) -> Plan {
        self.headers.push((name, None));
        self
    }

    /// Answers a range with 200 and everything.
    pub fn no_ranges(self) -> Plan {
        Plan { ranges: false, ..self }
    }

    pub fn reset_after(self, bytes: u64) -> Plan {
        Plan { stop: Some((bytes, Stop::Reset)), ..self }
    }

    pub fn close_after(self, bytes: u64) -> Plan {
        Plan { stop: Some((bytes, Stop::Close)), ..self }
    }

    /// Sends the rest `time` later, if anybody still wants it.
    pub fn stall_after(self, bytes: u64, time: Duration) -> Plan {
        Plan { stop: Some((bytes, Stop::Stall(time))), ..self }
    }

    /// `bytes` at a time, with `interval` between.
    pub fn trickle(self, bytes: usize, interval: Duration) -> Plan {
        Plan { pace: Some((bytes, interval)), ..self }
    }

    /// The byte at `offset` is another.
    pub fn flip(self, offset: u64) -> Plan {
        self.edit(Edit::Flip(offset))
    }

    /// Every byte is another.
    pub fn wrong_bytes(self) -> Plan {
        self.edit(Edit::Invert)
    }

    /// `extra` bytes behind the end, as if they belonged to it.
    pub fn too_long(self, extra: u64) -> Plan {
        self.edit(Edit::Longer(extra))
    }

    /// `extra` bytes behind the end that has been declared.
    pub fn overrun(self, extra: u64) -> Plan {
        self.edit(Edit::Overrun(extra))
    }

    /// Gzips the body though nobody asked for it, as some proxies on the way do.
    pub fn gzipped(self) -> Plan {
        self.edit(Edit::Gzip)
    }

    pub fn chunked(self) -> Plan {
        Plan { framing: Framing::Chunked, ..self }
    }

    /// All the bytes, but not the chunk that says so.
    pub fn chunked_without_end(self) -> Plan {
        Plan { framing: Framing::Unended, ..self }
    }

    /// Closes the connection after the answer: a client that keeps it meets that when it uses it again.
    pub fn hang_up(self) -> Plan {
        Plan { hang_up: true, ..self }
    }

    fn new(start: Start) -> Plan {
        Plan {
            start,
            delay: Duration::ZERO,
            status: None,
            headers: Vec::new(),
            ranges: true,
            edits: Vec::new(),
            framing: Framing::Length,
            pace: None,
            stop: None,
            hang_up: false,
        }
    }

    fn edit(mut self, edit: Edit) -> Plan {
        self.edits.push(edit);
        self
    }
}

impl From<Answer> for Plan {
    fn from(answer: Answer) -> Plan {
        Plan::new(Start::Given(answer))
    }
}

/// A plain answer.
pub fn respond(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).expect("a test writes valid headers")
}

/// A part of a content with the edits of a plan.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) content: Content,
    /// What of the content is sent.
    pub(super) part: std::ops::Range<u64>,
    pub(super) edits: Vec<Edit>,
}

impl Body {
    pub(super) fn of(content: impl Into<Content>) -> Body {
        let content = content.into();
        Body { part: 0..content.len(), content, edits: Vec::new() }
    }

    /// What `Content-Length` says.
    pub(super) fn declared(&self) -> u64 {
        self.inside()
            + self
                .edits
                .iter()
                .map(|edit| if let Edit::Longer(extra) = edit { *extra } else { 0 })
                .sum::<u64>()
    }

    /// What is sent.
    pub(super) fn len(&self) -> u64 {
        self.declared()
            + self
                .edits
                .iter()
                .map(|edit| if let Edit::Overrun(extra) = edit { *extra } else { 0 })
                .sum::<u64>()
    }

    /// At most `most` of the bytes at `at`, which is inside.
    pub(super) fn piece(&self, at: u64, most: usize) -> Vec<u8> {
        let end = self.len().min(at + most as u64);
        let inside = |at: u64| self.part.start + at.min(self.inside());
        let from = inside(at);
        let mut piece = self.content.read(from..inside(end));
        for edit in &self.edits {
            match edit {
                Edit::Flip(offset) => {
                    let place = offset.checked_sub(from).and_then(|place| piece.get_mut(place as usize));
                    if let Some(byte) = place {
                        *byte = !*byte;
                    }
                }
                Edit::Invert => piece.iter_mut().for_each(|byte| *byte = !*byte),
                Edit::Longer(_) | Edit::Overrun(_) | Edit::Gzip => {}
            }
        }
        piece.resize((end - at) as usize, 0);
        piece
    }

    fn inside(&self) -> u64 {
        self.part.end - self.part.start
    }
}
