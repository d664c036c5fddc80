//! A stream that is asked for again where it breaks off.

use super::socket::Socket;
use super::{Body, Broken, Cause};
use crate::error::BoxError;
use bytes::{Buf as _, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Where the rest of a content comes from, when what brought it has broken.
pub trait Renew: Send {
    /// The content from byte `next` on, or `None` to give up. It is asked again when what it promised comes to
    /// nothing.
    fn renew(&mut self, next: u64) -> Option<Renewal>;
}

/// The rest, or why it does not come.
pub type Renewal = Pin<Box<dyn Future<Output = Result<Rest, NoRest>> + Send>>;

/// The rest of a content.
pub struct Rest {
    /// It, and what has to be dropped before it.
    pub body: Body,
    /// Bytes to drop.
    pub skip: u64,
    /// It is the whole content, of which only what was asked for is to be handed on.
    pub cut: bool,
    /// One behind its last byte, counted from the beginning of the content, if that is known.
    pub end: Option<u64>,
}

/// Why there is no rest.
#[derive(Debug)]
pub enum NoRest {
    /// Another try may help.
    Yet(BoxError),
    /// It will not: the content is another one now.
    Ever(BoxError),
}

/// A content that comes from one body after the other. Frames are handed on as they are. It fails with what broke it
/// first, when all that was tried since has failed too.
pub struct Renewed {
    stage: Stage,
    /// The byte that comes next, counted from the beginning of the content.
    next: u64,
    /// One behind the last byte, if it is known.
    end: Option<u64>,
    /// What comes behind it now is dropped, and is no fault.
    cut: bool,
    renew: Box<dyn Renew>,
}

enum Stage {
    /// So many bytes of the body are dropped before the others are handed on.
    Streams(Body, u64),
    /// It broke for this reason, and the rest has been asked for.
    Asks(Option<BoxError>, Renewal),
    Over,
}

impl Renewed {
    /// `body` has the bytes from `next` on, up to `end` if that is known.
    pub fn new(body: Body, next: u64, end: Option<u64>, renew: impl Renew + 'static) -> Renewed {
        // Of an empty content there is no break.
        let stage = if end == Some(next) { Stage::Over } else { Stage::Streams(body, 0) };
        Renewed { stage, next, end, cut: false, renew: Box::new(renew) }
    }

    /// The same where nothing has come yet but `broken`.
    pub fn broken(broken: BoxError, next: u64, end: Option<u64>, mut renew: impl Renew + 'static) -> Renewed {
        let stage = match renew.renew(next) {
            Some(renewal) => Stage::Asks(Some(broken), renewal),
            None => Stage::Asks(None, Box::pin(std::future::ready(Err(NoRest::Ever(broken))))),
        };
        Renewed { stage, next, end, cut: false, renew: Box::new(renew) }
    }

    /// The plain connection that all of the rest lies in. One that has more or less than that is read here, where it
    /// is noticed.
    pub(super) fn lend(&mut self) -> Option<Socket> {
        let left = self.end?.checked_sub(self.next)?;
        let Stage::Streams(body, 0) = &mut self.stage else { return None };
        let socket = body.lend()?;
        if socket.left() == left {
            return Some(socket);
        }
        body.restore(socket);
        None
    }

    /// The body that has lent its connection.
    pub(super) fn lender(&mut self) -> Option<&mut Body> {
        match &mut self.stage {
            Stage::Streams(body, _) => Some(body),
            Stage::Asks(..) | Stage::Over => None,
        }
    }

    /// `count` bytes of what was lent have been handed on.
    pub(super) fn moved(&mut self, count: u64) {
        if let Some(body) = self.lender() {
            body.moved(count);
        }
        self.next += count;
        if self.end == Some(self.next) {
            self.stage = Stage::Over;
        }
    }

    /// What arrived, less what is to be dropped; `None` when that is all of it.
    fn take(&mut self, mut data: Bytes) -> Result<Option<Bytes>, Broken> {
        let Stage::Streams(_, skip) = &mut self.stage else { return Ok(None) };
        let dropped = usize::try_from(*skip).map_or(data.len(), |skip| skip.min(data.len()));
        if dropped > 0 {
            data.advance(dropped);
            *skip -= dropped as u64;
        }
        if let Some(end) = self.end.filter(|_| self.cut) {
            data.truncate(usize::try_from(end - self.next).unwrap_or(usize::MAX));
        }
        self.next += data.len() as u64;
        if self.end.is_some_and(|end| self.next > end) {
            self.stage = Stage::Over;
            return Err(Broken::new(Cause::Size, "upstream content is longer than it should be"));
        }
        if self.end == Some(self.next) {
            self.stage = Stage::Over;
        }
        Ok((!data.is_empty()).then_some(data))
    }

    /// Asks for the rest, or fails with `broken`.
    fn ask(&mut self, broken: BoxError) -> Result<(), BoxError> {
        // What broke is dropped before anything else is asked for: it may hold the permit that is needed.
        self.stage = Stage::Over;
        match self.renew.renew(self.next) {
            Some(renewal) => {
                self.stage = Stage::Asks(Some(broken), renewal);
                Ok(())
            }
            None => Err(broken),
        }
    }

    fn take_up(&mut self, rest: Rest) {
        self.end = rest.end.or(self.end);
        self.cut = rest.cut;
        self.stage = Stage::Streams(rest.body, rest.skip);
        if self.end == Some(self.next) {
            self.stage = Stage::Over;
        }
    }
}

impl HttpBody for Renewed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let broken = match &mut this.stage {
                Stage::Over => return Poll::Ready(None),
                Stage::Asks(broken, renewal) => match ready!(renewal.as_mut().poll(cx)) {
                    Ok(rest) => {
                        this.take_up(rest);
                        continue;
                    }
                    Err(NoRest::Yet(error)) => {
                        tracing::debug!(%error, "the rest of a content is not to be had yet");
                        broken.take().unwrap_or(error)
                    }
                    Err(NoRest::Ever(error)) => {
                        this.stage = Stage::Over;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Stage::Streams(body, _) => match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data().map(|data| this.take(data)) {
                        Ok(Ok(Some(data))) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                        Ok(Err(longer)) => return Poll::Ready(Some(Err(longer.into()))),
                        Ok(Ok(None)) | Err(_) => continue,
                    },
                    Some(Err(broken)) => broken,
                    None if this.end.is_none() => {
                        this.stage = Stage::Over;
                        continue;
                    }
                    None => Broken::new(Cause::Connection, "upstream content ends early").into(),
                },
            };
            if let Err(broken) = this.ask(broken) {
                return Poll::Ready(Some(Err(broken)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    fn size_hint(&self) -> SizeHint {
        match (self.end, &self.stage) {
            (_, Stage::Over) => SizeHint::with_exact(0),
            (Some(end), _) => SizeHint::with_exact(end.saturating_sub(self.next)),
            (None, _) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::bounded;
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    /// Bytes, and then an error or the end.
    fn part(text: &'static str, breaks: bool) -> Body {
        let mut frames: Vec<Result<_, BoxError>> = vec![Ok(Frame::data(Bytes::from(text)))];
        if breaks {
            frames.push(Err("broken".into()));
        }
        Body::local(http_body_util::StreamBody::new(futures_util::stream::iter(frames)))
    }

    /// Plays answers in turn, and notes from where each was asked for.
    struct Script(VecDeque<Result<Rest, NoRest>>, Arc<Mutex<Vec<u64>>>);

    impl Renew for Script {
        fn renew(&mut self, next: u64) -> Option<Renewal> {
            self.1.lock().unwrap().push(next);
            let answer = self.0.pop_front()?;
            Some(Box::pin(std::future::ready(answer)))
        }
    }

    fn rest(text: &'static str, breaks: bool, skip: u64) -> Result<Rest, NoRest> {
        Ok(Rest { body: part(text, breaks), skip, cut: false, end: None })
    }

    /// What comes of `first` and what is asked for after it: the text, or the error; and where it was asked for.
    async fn play(
        first: Body,
        end: Option<u64>,
        answers: Vec<Result<Rest, NoRest>>,
    ) -> (Result<String, String>, Vec<u64>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let body = Renewed::new(first, 0, end, Script(answers.into(), asked.clone()));
        let body = Body::renewed(body);
        assert_eq!(http_body::Body::size_hint(&body).exact(), end);
        let content = bounded(body, 100).await;
        let text = content.map(|content| String::from_utf8(content.to_vec()).unwrap());
        let error = |error: crate::error::Error| std::error::Error::source(&error).unwrap().to_string();
        let asked = asked.lock().unwrap().clone();
        (text.map_err(error), asked)
    }

    #[tokio::test]
    async fn goes_on_where_it_broke() {
        let answers = vec![rest("3456", true, 0), Err(NoRest::Yet("busy".into())), rest("789", false, 0)];
        let (text, asked) = play(part("012", true), Some(10), answers).await;
        assert_eq!((text.as_deref(), &asked[..]), (Ok("0123456789"), &[3, 7, 7][..]));
    }

    #[tokio::test]
    async fn an_early_end_is_a_break_and_a_whole_is_cut() {
        let (text, asked) = play(part("012", false), Some(6), vec![rest("012345", false, 3)]).await;
        assert_eq!((text.as_deref(), &asked[..]), (Ok("012345"), &[3][..]));
    }

    #[tokio::test]
    async fn a_part_of_a_whole_is_cut_on_both_sides() {
        for cut in [true, false] {
            let again = Rest { body: part("0123456789", false), skip: 3, cut, end: None };
            let (text, _) = play(part("012", true), Some(6), vec![Ok(again)]).await;
            assert_eq!(text.ok().as_deref(), cut.then_some("012345"), "more than a part is none");
        }
    }

    #[tokio::test]
    async fn an_unknown_size_ends_where_upstream_does() {
        let (text, asked) = play(part("012", true), None, vec![rest("345", false, 0)]).await;
        assert_eq!((text.as_deref(), &asked[..]), (Ok("012345"), &[3][..]));
    }

    #[tokio::test]
    async fn nothing_is_not_asked_for_again() {
        assert_eq!(play(part("", false), Some(0), vec![]).await, (Ok(String::new()), vec![]));
    }

    #[tokio::test]
    async fn fails_with_what_broke_it() {
        let (text, asked) = play(part("012", true), Some(6), vec![Err(NoRest::Yet("busy".into()))]).await;
        assert_eq!((text, asked), (Err("broken".into()), vec![3, 3]));
        let other = vec![Err(NoRest::Ever("another".into())), rest("345", false, 0)];
        assert_eq!(play(part("012", true), Some(6), other).await, (Err("another".into()), vec![3]));
    }

    #[tokio::test]
    async fn more_than_there_should_be_is_cut() {
        let (text, _) = play(part("0123", false), Some(3), vec![]).await;
        assert!(text.unwrap_err().contains("longer"));
    }
}
