//! The orderly end: stop accepting, let what is in flight finish, at last give up.

use futures_util::{Stream, StreamExt as _};
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The side that says stop.
#[derive(Debug)]
pub struct Drain {
    stage: watch::Sender<Stage>,
}

/// The side that is told. Clones hear the same.
#[derive(Clone, Debug)]
pub struct Watch {
    stage: watch::Receiver<Stage>,
}

/// Why [`Drain::run`] came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything in flight was finished.
    Complete,
    /// The grace period was over before.
    Grace,
    /// A second signal came before.
    Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Draining,
    Aborting,
}

impl Drain {
    /// Both sides.
    pub fn new() -> (Drain, Watch) {
        let (sender, receiver) = watch::channel(Stage::Serving);
        (Drain { stage: sender }, Watch { stage: receiver })
    }

    /// Runs `serving`, which holds all listeners, to its end. The first of `stops` starts draining; after
    /// `grace`, or with the second, connections are cut, upon which `serving` ends at once.
    pub async fn run(
        self,
        serving: impl Future<Output = ()>,
        stops: impl Stream<Item = ()>,
        grace: Duration,
    ) -> Ended {
        let (mut serving, mut stops) = (pin!(serving), pin!(stops));
        tokio::select! {
            () = &mut serving => return Ended::Complete,
            () = next(&mut stops) => self.start(),
        }
        let ended = tokio::select! {
            () = &mut serving => return Ended::Complete,
            () = next(&mut stops) => Ended::Signal,
            () = tokio::time::sleep(grace) => Ended::Grace,
        };
        self.abort();
        serving.await;
        ended
    }

    /// Stops accepting; requests in flight go on.
    pub fn start(&self) {
        self.stage.send_if_modified(|stage| stage.raise(Stage::Draining));
    }

    /// Cuts all connections.
    pub fn abort(&self) {
        self.stage.send_if_modified(|stage| stage.raise(Stage::Aborting));
    }
}

impl Watch {
    /// Were we asked to stop?
    pub fn is_draining(&self) -> bool {
        *self.stage.borrow() >= Stage::Draining
    }

    /// Waits until we are asked to stop. The other side being dropped is no such request.
    pub async fn draining(&mut self) {
        self.reached(Stage::Draining).await;
    }

    /// Waits until we have to stop at once.
    pub async fn aborted(&mut self) {
        self.reached(Stage::Aborting).await;
    }

    async fn reached(&mut self, wanted: Stage) {
        if self.stage.wait_for(|stage| *stage >= wanted).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Stage {
    fn raise(&mut self, to: Stage) -> bool {
        let raised = *self < to;
        *self = to.max(*self);
        raised
    }
}

/// SIGTERM and SIGINT of this process. From here on they no longer end it by themselves.
pub fn signals() -> io::Result<impl Stream<Item = ()> + Send> {
    let both = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(futures_util::stream::unfold(both, |(mut terminate, mut interrupt)| async {
        let came = tokio::select! {
            came = terminate.recv() => came,
            came = interrupt.recv() => came,
        };
        came.map(|()| ((), (terminate, interrupt)))
    }))
}

/// The next item; a stream that has ended never has one.
async fn next(stops: &mut (impl Stream<Item = ()> + Unpin)) {
    if stops.next().await.is_none() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    const GRACE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn what_is_in_flight_may_finish() {
        let (drain, mut watch) = Drain::new();
        let serving = async move {
            watch.draining().await;
            assert!(watch.is_draining());
            tokio::time::sleep(GRACE / 2).await;
        };
        let stops = stream::iter([()]).chain(stream::pending());
        assert_eq!(drain.run(serving, stops, GRACE).await, Ended::Complete);
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_period_ends() {
        let (drain, mut watch) = Drain::new();
        let started = tokio::time::Instant::now();
        let serving = async move { watch.aborted().await };
        let stops = stream::iter([()]).chain(stream::pending());
        assert_eq!(drain.run(serving, stops, GRACE).await, Ended::Grace);
        assert_eq!(started.elapsed(), GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_is_immediate() {
        let (drain, mut watch) = Drain::new();
        let started = tokio::time::Instant::now();
        let serving = async move { watch.aborted().await };
        assert_eq!(drain.run(serving, stream::iter([(), ()]), GRACE).await, Ended::Signal);
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}
