//! `fusion mount` and `fusion check`: the driver without a command.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use super::MOUNT_POINT;
use super::drain::{self, Drained};
use super::exit::{NO_MOUNT, Refusal};
use crate::config::Environment;
use crate::driver::{Driver, Orphaned, Settings};
use crate::mount::device;
use crate::notice;
use crate::s3::Client;
use crate::sys::{Signal, Waiter};

/// How `fusion mount` is called.
const MOUNT: &str = "fusion mount --foreground FOLDER";
/// Longest time `fusion check` waits for one bucket.
const PATIENCE: Duration = Duration::from_secs(20);

/// Mounts at a folder until SIGTERM, SIGINT or SIGHUP comes, or the mount is taken away.
pub(super) fn mount(words: &[OsString], environment: &Environment) -> Result<u8, Refusal> {
    let [flag, folder] = words else { return Err(Refusal::Usage(MOUNT)) };
    if flag != "--foreground" {
        return Err(Refusal::Usage(MOUNT));
    }
    let waiter = Waiter::block_all();
    let refusal = |reason| Refusal::NoMount { asked_by: "fusion mount", reason };
    let settings = Settings::read(environment).map_err(refusal)?;
    let driver = Driver::start(Path::new(folder), settings, Orphaned::End).map_err(refusal)?;
    notice::say(format_args!("mounted at {}", Path::new(folder).display()));
    let end = [Signal::TERMINATE, Signal::INTERRUPT, Signal::HANGUP];
    while !end.contains(&waiter.next()) {}
    match drain::drain(driver, &waiter, Some(Instant::now())) {
        Drained::Complete => Ok(0),
        Drained::Lost => Ok(NO_MOUNT),
    }
}

/// Says what a mount would find.
pub(super) fn check(environment: &Environment) -> Result<u8, Refusal> {
    let refusal = |reason| Refusal::NoMount { asked_by: "fusion check", reason };
    let settings = Settings::read(environment).map_err(refusal)?;
    let mut fine = true;
    let mut tell = |what: &str, result: Result<String, String>| {
        fine &= result.is_ok();
        let (state, text) = match &result {
            Ok(text) => ("ok", text),
            Err(text) => ("failed", text),
        };
        notice::say(format_args!("{what}: {state}, {text}"));
    };
    let opened = device::open().map(|_| "can be opened".to_owned());
    tell("/dev/fuse", opened.map_err(|failure| failure.to_string()));
    let folder = Path::new(MOUNT_POINT);
    let there = if folder.is_dir() { "is there" } else { "will be made" };
    tell(MOUNT_POINT, Ok(there.to_owned()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Ok(NO_MOUNT) };
    let client = Client::new(settings.aws);
    for bucket in settings.fusion.buckets.names() {
        let begin = Instant::now();
        let answer =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, client.head_bucket(bucket)).await });
        let answer = match answer {
            Ok(Ok(())) => Ok(format!("answers in {} ms", begin.elapsed().as_millis())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
        };
        tell(&format!("s3://{bucket}"), answer);
    }
    if settings.fusion.buckets.is_empty() {
        notice::say(format_args!("no bucket is named; set FUSION_BUCKETS to try them"));
    }
    Ok(if fine { 0 } else { NO_MOUNT })
}
