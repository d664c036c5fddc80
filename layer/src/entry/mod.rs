//! The entry program: finds the image's own entry point and runs it.

mod chain;
mod command;
mod drain;
mod exit;
pub(crate) mod inits;
mod json;
mod path;
mod reap;
mod signals;
mod standalone;
mod supervise;
#[cfg(test)]
mod support;

use std::ffi::OsString;
use std::path::Path;

use crate::config::{ENTRY_CHAIN, Environment, Launch, MountFailure, Supervision};
use crate::driver::{Driver, Orphaned, Settings};
use crate::notice::{self, Trace};
use crate::sys::{self, Image, Waiter};
use chain::Chain;
use command::{Command, OwnFile};
use exit::Refusal;
use path::SearchPath;

/// Where the mount is.
const MOUNT_POINT: &str = "/fusion/s3";

/// Runs chain and arguments as one command, or one of our own requests. Returns the exit code if the command was
/// supervised, or why it was not started; does not return if the command has replaced us.
pub(crate) fn run(launch: Launch, args: Vec<OsString>, environment: Environment) -> Result<u8, Refusal> {
    match args.split_first() {
        Some((word, rest)) if launch == Launch::Fusion && word == "mount" => {
            return standalone::mount(rest, &environment);
        }
        Some((word, [])) if launch == Launch::Fusion && (word == "check" || word == "doctor") => {
            return standalone::check(&environment);
        }
        _ => {}
    }
    let trace = environment.trace();
    let path = SearchPath::of(&environment);
    let chain = Chain::parse(environment.value(ENTRY_CHAIN));
    trace.step(format_args!("entry chain {chain:?}, {} more words, {path:?}", args.len()));
    let command = Command::assemble(chain, args, &path, &OwnFile::find()).ok_or(Refusal::NothingToRun)?;
    let image = Image::new(path.candidates(command.program()), command.words(), environment.for_command())
        .map_err(|_| Refusal::UnusableWord)?;

    let asked_by = wants_mount(launch, &environment);
    if asked_by.is_none() && replaces_us(&command, environment.supervision()) {
        return Err(replace(&image, &command, &path, trace));
    }
    // All signals wait from here on, also for the driver's threads.
    let waiter = Waiter::block_all();
    let driver = match asked_by {
        Some(asked_by) => start_driver(asked_by, &environment)?,
        None => None,
    };
    if driver.is_none() && replaces_us(&command, environment.supervision()) {
        waiter.unblock();
        return Err(replace(&image, &command, &path, trace));
    }
    supervise::run(&image, &waiter, driver, trace)
        .map_err(|error| Refusal::cannot_run(&command, &path, error))
}

/// What asks for the mount, if anything does.
fn wants_mount(launch: Launch, environment: &Environment) -> Option<&'static str> {
    environment.mount_request().or((launch == Launch::Fusion).then_some("the name fusion"))
}

/// Mounts. `None` if that fails and the caller can do without.
fn start_driver(asked_by: &'static str, environment: &Environment) -> Result<Option<Driver>, Refusal> {
    let started = Settings::read(environment)
        .and_then(|settings| Driver::start(Path::new(MOUNT_POINT), settings, Orphaned::Stay));
    match (started, environment.mount_failure()) {
        (Ok(driver), _) => Ok(Some(driver)),
        (Err(reason), failure) if failure == MountFailure::Fatal || reason.is_final() => {
            Err(Refusal::NoMount { asked_by, reason })
        }
        (Err(reason), _) => {
            notice::say(format_args!(
                "{asked_by} asks for a mount at {MOUNT_POINT}: {reason}; going on without it"
            ));
            Ok(None)
        }
    }
}

/// Puts the command in our place. Returns only the reason why that failed.
fn replace(image: &Image, command: &Command, path: &SearchPath, trace: Trace) -> Refusal {
    trace.step(format_args!("replaced by {:?} as PID {}", command.program(), std::process::id()));
    sys::default_sigpipe();
    Refusal::cannot_run(command, path, image.exec())
}

fn replaces_us(command: &Command, supervision: Supervision) -> bool {
    match supervision {
        Supervision::Always => false,
        Supervision::Never => true,
        Supervision::AsInit => std::process::id() != 1 || inits::is_init(command.program()),
    }
}
