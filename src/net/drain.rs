//! Stopping: accept no more, finish what is under way, within a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Held by whoever has to know that the process is stopping. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drain {
    begun: watch::Receiver<bool>,
    flag: Arc<AtomicBool>,
    held: watch::Sender<()>,
}

/// The one end that starts a drain and waits for it.
#[derive(Debug)]
pub struct Stop {
    begin: watch::Sender<bool>,
    flag: Arc<AtomicBool>,
    held: watch::Sender<()>,
}

/// Keeps the process alive while something is under way.
#[derive(Debug)]
pub struct Hold(#[allow(dead_code, reason = "its drop is what counts")] watch::Receiver<()>);

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything finished.
    Clean,
    /// The grace period ended first.
    Expired,
}

impl Drain {
    /// A pair of ends.
    pub fn new() -> (Stop, Drain) {
        let (begin, begun) = watch::channel(false);
        let (held, _) = watch::channel(());
        let flag = Arc::new(AtomicBool::new(false));
        (Stop { begin, flag: flag.clone(), held: held.clone() }, Drain { begun, flag, held })
    }

    /// Resolves when the drain begins.
    pub async fn begun(&self) {
        let mut begun = self.begun.clone();
        // An error means that the other end is gone, which is the end too.
        let _ = begun.wait_for(|begun| *begun).await;
    }

    /// Is the process stopping?
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.flag.clone()
    }

    /// Something the drain has to wait for.
    pub fn hold(&self) -> Hold {
        Hold(self.held.subscribe())
    }
}

impl Stop {
    /// Begins the drain and waits until nothing is held, at most for `grace`.
    pub async fn drain(self, grace: Duration) -> Drained {
        self.flag.store(true, Ordering::Relaxed);
        self.begin.send_replace(true);
        match tokio::time::timeout(grace, self.held.closed()).await {
            Ok(()) => Drained::Clean,
            Err(_) => Drained::Expired,
        }
    }
}

/// Resolves at the next SIGTERM or SIGINT.
pub async fn signals() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be received; stop the process with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_what_is_held_but_not_for_ever() {
        let (stop, drain) = Drain::new();
        let hold = drain.hold();
        let waiting = tokio::spawn(stop.drain(Duration::from_secs(60)));
        drain.begun().await;
        assert!(drain.flag().load(Ordering::Relaxed));
        drop(hold);
        assert_eq!(waiting.await.unwrap(), Drained::Clean);

        let (stop, drain) = Drain::new();
        let _hold = drain.hold();
        assert_eq!(stop.drain(Duration::from_secs(60)).await, Drained::Expired);
    }
}
