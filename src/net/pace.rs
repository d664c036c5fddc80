//! Cutting HTTP/2 streams whose client has stopped reading.
//!
//! Over HTTP/1 the kernel does this (`TCP_USER_TIMEOUT`). A client of HTTP/2 can close the window of one
//! stream while the connection stays lively, so each stream watches itself: hyper asks a body for its next
//! frame only when there was room for the one before, hence a frame that was handed out long ago with no question
//! since is one that nobody reads. Frames are small, so that a client that reads slowly has room for one in time.

use crate::body::Body;
use crate::error::BoxError;
use crate::telemetry::names;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::counter;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

tokio::task_local! {
    /// The pace of the stream whose task this is.
    static PACE: Arc<Pace>;
}

/// Runs the streams of one connection, and drops those that stall, which resets them.
#[derive(Clone)]
pub(super) struct Streams {
    stall: Duration,
    activity: Arc<Activity>,
}

/// How many streams of a connection are open, since when there are none, and whether there ever was one.
pub(super) struct Activity {
    start: Instant,
    open: AtomicUsize,
    used: AtomicBool,
    since: Mutex<Instant>,
}

struct Open(Arc<Activity>);

/// When the newest frame of a stream was handed out.
struct Pace {
    start: Instant,
    /// Milliseconds after `start`, plus one; 0 while the stream waits for us.
    handed: AtomicU64,
}

/// A body that reports to the stream it is sent on.
pub(super) struct Paced {
    body: Body,
    pace: Option<Arc<Pace>>,
}

impl Streams {
    pub(super) fn new(stall: Duration) -> Streams {
        let (open, used, start) = (AtomicUsize::new(0), AtomicBool::new(false), Instant::now());
        let activity = Activity { start, open, used, since: Mutex::new(start) };
        Streams { stall, activity: Arc::new(activity) }
    }

    pub(super) fn activity(&self) -> Arc<Activity> {
        self.activity.clone()
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let (pace, stall) = (Arc::new(Pace::new()), self.stall);
        let open = Open::new(&self.activity);
        tokio::spawn(PACE.scope(pace.clone(), async move {
            let _open = open;
            tokio::select! {
                _ = stream => {}
                () = pace.stalled(stall) => counter!(names::STALLED).increment(1),
            }
        }));
    }
}

impl Activity {
    /// Was there a stream?
    pub(super) fn was_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// Waits until there is no first stream at `deadline`, or none for `period`.
    pub(super) async fn unused(&self, deadline: Instant, period: Duration) {
        tokio::time::sleep_until(deadline).await;
        if self.was_used() {
            self.idle(self.start, period).await;
        }
    }

    /// Waits until there has been no stream for `period`, counted from now at the earliest.
    pub(super) async fn idle_for(&self, period: Duration) {
        self.idle(Instant::now(), period).await;
    }

    async fn idle(&self, start: Instant, period: Duration) {
        loop {
            let since = start.max(*self.since.lock().expect("no panic while locked"));
            let idle = if self.open.load(Ordering::Acquire) == 0 { since.elapsed() } else { Duration::ZERO };
            match period.checked_sub(idle) {
                None | Some(Duration::ZERO) => return,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }
}

impl Open {
    fn new(activity: &Arc<Activity>) -> Open {
        activity.used.store(true, Ordering::Release);
        activity.open.fetch_add(1, Ordering::AcqRel);
        Open(activity.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        *self.0.since.lock().expect("no panic while locked") = Instant::now();
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pace {
    fn new() -> Pace {
        Pace { start: Instant::now(), handed: AtomicU64::new(0) }
    }

    fn wait_for_us(&self) {
        self.handed.store(0, Ordering::Relaxed);
    }

    fn wait_for_client(&self) {
        let now =
            u64::try_from(self.start.elapsed().as_millis()).expect("a stream ends within 500 million years");
        self.handed.store(now + 1, Ordering::Relaxed);
    }

    /// Waits until the client has left a frame unread for `stall`.
    async fn stalled(&self, stall: Duration) {
        let mut check = Instant::now() + stall;
        loop {
            tokio::time::sleep_until(check).await;
            let due = match self.handed.load(Ordering::Relaxed) {
                0 => Instant::now() + stall,
                handed => self.start + Duration::from_millis(handed) + stall,
            };
            if due <= check {
                return;
            }
            check = due;
        }
    }
}

impl Paced {
    /// To be made in the stream's own task; elsewhere nobody listens.
    pub(super) fn new(body: Body) -> Paced {
        Paced { body, pace: PACE.try_with(Arc::clone).ok() }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(pace) = &self.pace {
            match &frame {
                Poll::Ready(Some(_)) => pace.wait_for_client(),
                Poll::Ready(None) | Poll::Pending => pace.wait_for_us(),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
