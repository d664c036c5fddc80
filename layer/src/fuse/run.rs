//! Running a request: at once, or as a task.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

use tokio::runtime::Handle;

/// Runs a request, at once if it does not wait for anything.
pub(super) fn run(runtime: &Handle, request: impl Future<Output = ()> + Send + 'static) {
    let _context = runtime.enter();
    let mut request = Box::pin(request);
    let first = catch_unwind(AssertUnwindSafe(|| {
        request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }));
    if let Ok(true) = first {
        runtime.spawn(request);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Answers when it goes, as a reply does.
    struct Reply(mpsc::Sender<&'static str>);

    impl Drop for Reply {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }

    #[test]
    fn requests_run_at_once_or_later_and_may_panic() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_time().worker_threads(1).build().unwrap();
        let (answers, answered) = mpsc::channel();
        let reply = || Reply(answers.clone());
        let at_once = reply();
        run(runtime.handle(), async move { drop(at_once) });
        assert_eq!(answered.try_recv(), Ok("dropped"), "it ran on this thread");
        let panics = reply();
        run(runtime.handle(), async move {
            let _reply = panics;
            panic!("at once");
        });
        assert_eq!(answered.try_recv(), Ok("dropped"));
        let later = reply();
        run(runtime.handle(), async move {
            let _reply = later;
            tokio::time::sleep(Duration::from_millis(1)).await;
            panic!("later");
        });
        assert_eq!(answered.recv(), Ok("dropped"));
    }
}
