//! A reader's place at a fill.

use super::fill::{Cut, Fill};
use super::proof::Owner;
use super::state::{Loss, Sight, State};
use crate::body::Part;
use crate::error::Error;
use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::watch;

/// A reader's place at a fill. The fill goes on for as long as there is one, and then by policy.
pub(super) struct Seat {
    fill: Arc<Fill>,
    seen: watch::Receiver<State>,
    waiting: Option<Waiting>,
}

type Waiting = Pin<Box<dyn Future<Output = (watch::Receiver<State>, Sight)> + Send>>;

impl Seat {
    /// One that has been counted already.
    pub(super) fn new(fill: &Arc<Fill>) -> Seat {
        Seat { fill: fill.clone(), seen: fill.watch(), waiting: None }
    }

    /// With whose credentials it is fetched.
    pub(super) fn owner(&self) -> &Owner {
        self.fill.owner()
    }

    /// The size of the blob, once it is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.fill.total()
    }

    /// The file, as soon as upstream has answered.
    pub(super) fn file(&self) -> Option<&Arc<File>> {
        self.fill.file()
    }

    /// What there is of a fill whose rest was lost on its way.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.fill.cut().cloned()
    }

    /// Waits for upstream's answer: the size, if it told it. `Err` has the refusal, if that is why there is none.
    pub(super) async fn answered(&mut self) -> Result<Option<u64>, (Loss, Option<Error>)> {
        let state = self.seen.wait_for(State::is_answered).await.map(|state| *state);
        // The sender lives as long as the fill does, which is held here.
        match state.ok().map(|state| (state.loss(), state.total())) {
            Some((None, total)) => Ok(total),
            Some((Some(loss), _)) => Err((loss, self.fill.refusal())),
            None => Err((Loss::Upstream, None)),
        }
    }

    /// What is readable at `at`: bytes of the file, or nothing at the end.
    pub(super) fn poll_part(&mut self, at: u64, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, Loss>> {
        if self.waiting.is_none() {
            let sight = self.seen.borrow().sight(at);
            if sight != Sight::Wait {
                return Poll::Ready(self.part(at, sight));
            }
        }
        let seen = &self.seen;
        let waiting = self.waiting.get_or_insert_with(|| {
            let mut seen = seen.clone();
            Box::pin(async move {
                let state = seen.wait_for(|state| state.sight(at) != Sight::Wait).await.map(|state| *state);
                let sight = state.map_or(Sight::Lost(Loss::Upstream), |state| state.sight(at));
                (seen, sight)
            })
        });
        let (seen, sight) = ready!(waiting.as_mut().poll(cx));
        (self.seen, self.waiting) = (seen, None);
        Poll::Ready(self.part(at, sight))
    }

    fn part(&self, at: u64, sight: Sight) -> Result<Option<Part>, Loss> {
        match (sight, self.file()) {
            (Sight::UpTo(end), Some(file)) => Ok(Some(Part { file: file.clone(), bytes: at..end })),
            (Sight::End, _) => Ok(None),
            (Sight::Lost(loss), _) => Err(loss),
            (Sight::Wait | Sight::UpTo(_), _) => Err(Loss::Upstream),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.fill.leave();
    }
}
