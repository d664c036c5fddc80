//! How long a source may be silent.

use super::{Broken, Cause};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The silence of a source, which may last for `limit`.
pub(super) struct Idle {
    limit: Duration,
    last: Instant,
    /// Armed lazily and re-armed only when it fires, so that a frame costs no timer work.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    pub(super) fn new(limit: Duration) -> Idle {
        Idle { limit, last: Instant::now(), timer: None }
    }

    /// Something came.
    pub(super) fn moved(&mut self) {
        self.last = Instant::now();
    }

    /// Ready when nothing has come for too long. To be asked only while the source has nothing.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        let timer =
            self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.last + self.limit)));
        loop {
            ready!(timer.as_mut().poll(cx));
            let due = self.last + self.limit;
            if due <= Instant::now() {
                let message = format!("upstream sent nothing for {} s", self.limit.as_secs());
                return Poll::Ready(Broken::new(Cause::Idle, message));
            }
            timer.as_mut().reset(due);
        }
    }
}
