//! The driver as a whole: a mount, the file system behind it, and the threads that answer for it.
//!
//! The mount is made first, while this process has one thread: it may have to go to a user namespace. No request goes
//! to the network before somebody uses the mount.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use fuser::{Session, SessionACL};
use tokio::runtime::{Builder, Runtime};

use crate::config::Environment;
use crate::config::aws::Aws;
use crate::config::fusion::Fusion;
use crate::fs::Fs;
use crate::fuse::Shell;
use crate::mount::device::{Fallback, Mount};
use crate::mount::{hints, readahead};
use crate::notice;
use crate::s3::Client;
use crate::sys;

/// Threads that receive the kernel's requests.
const RECEIVERS: usize = 2;
/// Threads that speak to S3.
const WORKERS: usize = 2;
/// Most threads for calls that block: lookups of names, files that wait for their upload.
const BLOCKING: usize = 8;
/// How long uploads that were not finished may take to be ended.
const ABORTS: Duration = Duration::from_secs(2);

/// Why there is no driver. `Display` says what to do.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// Variables that cannot be read.
    Settings(String),
    /// No mount.
    Mount(hints::Failure),
    /// The system refuses threads, or the kernel's protocol is not ours.
    System(io::Error),
}

impl Unusable {
    /// Nothing can run in this process any more, not even without the mount.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Mount(failure) if failure.is_final())
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(mistakes) => f.write_str(mistakes),
            Self::Mount(failure) => failure.fmt(f),
            Self::System(error) => write!(f, "the driver cannot start: {error}"),
        }
    }
}

/// What the environment says about the driver.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) fusion: Fusion,
    pub(crate) aws: Aws,
}

impl Settings {
    /// Reads the environment; all mistakes are told together.
    pub(crate) fn read(environment: &Environment) -> Result<Self, Unusable> {
        let value = |name: &str| environment.non_empty(name)?.to_str().map(str::to_owned);
        match (Fusion::read(value), Aws::read(value)) {
            (Ok(fusion), Ok(aws)) => Ok(Self { fusion, aws }),
            (fusion, aws) => {
                let mut mistakes = fusion.err().unwrap_or_default();
                mistakes.extend(aws.err());
                Err(Unusable::Settings(mistakes.join("; ")))
            }
        }
    }
}

/// What happens when the mount is taken away by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orphaned {
    /// Nothing: the command goes on without it.
    Stay,
    /// This process ends as if by SIGTERM.
    End,
}

/// A driver that runs.
#[derive(Debug)]
pub(crate) struct Driver {
    mount: Mount,
    fs: Arc<Fs>,
    runtime: Runtime,
}

impl Driver {
    /// Mounts and begins to answer. All signals must be blocked, and this must be the only thread.
    pub(crate) fn start(target: &Path, settings: Settings, orphaned: Orphaned) -> Result<Self, Unusable> {
        let owner = sys::identity();
        let fallback =
            if settings.fusion.no_user_namespace { Fallback::None } else { Fallback::UserNamespace };
        let (mount, device) = Mount::new(target, fallback).map_err(Unusable::Mount)?;
        match Self::serve(settings, device, owner, orphaned) {
            Ok((fs, runtime)) => {
                if let Some(path) = absolute(target) {
                    let _ = fs.mount_point.set(path);
                }
                readahead::raise(mount.target());
                Ok(Self { mount, fs, runtime })
            }
            Err(error) => {
                // A mount that nobody answers for would hold up whoever looks at it.
                let _ = mount.unmount();
                Err(Unusable::System(error))
            }
        }
    }

    fn serve(
        settings: Settings,
        device: OwnedFd,
        owner: (u32, u32),
        orphaned: Orphaned,
    ) -> io::Result<(Arc<Fs>, Runtime)> {
        let started = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING)
            .thread_name("fusion-io")
            .enable_io()
            .enable_time()
            .build();
        let runtime = started?;
        let fs = Fs::new(settings.fusion, Client::new(settings.aws), owner);
        let shell = Shell::new(Arc::clone(&fs), runtime.handle().clone());
        let mut config = fuser::Config::default();
        config.n_threads = Some(RECEIVERS);
        let session = Session::from_fd(shell, device, SessionACL::All, config)?;
        let receiver = thread::Builder::new().name("fusion".into()).spawn(move || {
            // It ends with the mount.
            if let Err(error) = session.run() {
                notice::say(format_args!(
                    "the mount answers no more, as reading the kernel's requests failed: {error}"
                ));
            }
            if orphaned == Orphaned::End {
                let _ = sys::signal_self(sys::Signal::TERMINATE);
            }
        });
        receiver?;
        Ok((fs, runtime))
    }

    /// The longest time to wait for what is left to upload, if there is one.
    pub(crate) fn shutdown_timeout(&self) -> Option<Duration> {
        self.fs.settings.shutdown_timeout
    }

    /// Begins to bring everything to S3 that it does not have yet. What could not be brought there comes out at the
    /// end, one line for each file.
    pub(crate) fn drain(&self) -> Receiver<Vec<String>> {
        let (done, drained) = mpsc::channel();
        let fs = Arc::clone(&self.fs);
        self.runtime.spawn(async move {
            let _ = done.send(fs.drain().await);
        });
        drained
    }

    /// What is not in S3 at this moment, one line for each file.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        self.fs.unfinished()
    }

    /// Takes the mount away, and ends the uploads that are not finished. What is still running is left to the end of
    /// this process.
    pub(crate) fn stop(self) -> io::Result<()> {
        let result = self.mount.unmount();
        let uploads = self.fs.written.uploads();
        if !uploads.is_empty() {
            self.runtime.block_on(async {
                let _ = tokio::time::timeout(ABORTS, uploads.abort(&self.fs.client)).await;
            });
        }
        self.runtime.shutdown_background();
        result
    }
}

/// The path of a mount point without links. The mount itself must not be looked at: nobody answers for it yet.
fn absolute(target: &Path) -> Option<PathBuf> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(parent.canonicalize().ok()?.join(target.file_name()?))
}
