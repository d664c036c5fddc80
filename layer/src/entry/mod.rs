//! The entry program: finds the image's own entry point and runs it.

mod chain;
mod command;
mod exit;
pub(crate) mod inits;
mod json;
mod path;
mod reap;
mod signals;
mod supervise;
#[cfg(test)]
mod support;

use std::ffi::OsString;

use crate::config::{ENTRY_CHAIN, Environment, Launch, MountFailure, Supervision};
use crate::notice;
use crate::sys::{self, Image};
use chain::Chain;
use command::{Command, OwnFile};
use exit::Refusal;
use path::SearchPath;

/// Runs chain and arguments as one command. Returns the exit code if the command was supervised, or why it was
/// not started; does not return if the command has replaced us.
pub(crate) fn run(launch: Launch, args: Vec<OsString>, environment: Environment) -> Result<u8, Refusal> {
    let trace = environment.trace();
    let path = SearchPath::of(&environment);
    let chain = Chain::parse(environment.value(ENTRY_CHAIN));
    trace.step(format_args!("entry chain {chain:?}, {} more words, {path:?}", args.len()));
    let command = Command::assemble(chain, args, &path, &OwnFile::find()).ok_or(Refusal::NothingToRun)?;

    allow_missing_driver(launch, &environment)?;

    let image = Image::new(path.candidates(command.program()), command.words(), environment.for_command())
        .map_err(|_| Refusal::UnusableWord)?;
    if replaces_us(&command, environment.supervision()) {
        trace.step(format_args!("replaced by {:?} as PID {}", command.program(), std::process::id()));
        sys::default_sigpipe();
        return Err(Refusal::cannot_run(&command, &path, image.exec()));
    }
    supervise::run(&image, trace).map_err(|error| Refusal::cannot_run(&command, &path, error))
}

/// This build has no driver, so a wanted mount is refused unless the caller can do without.
fn allow_missing_driver(launch: Launch, environment: &Environment) -> Result<(), Refusal> {
    let asked_by = match (environment.mount_request(), launch) {
        (Some(variable), _) => variable,
        (None, Launch::Fusion) => "the name fusion",
        (None, Launch::Entry) => return Ok(()),
    };
    let refusal = Refusal::NoDriver { asked_by };
    match environment.mount_failure() {
        MountFailure::Fatal => Err(refusal),
        MountFailure::Warning => {
            notice::say(format_args!("{refusal}; going on without it"));
            Ok(())
        }
    }
}

fn replaces_us(command: &Command, supervision: Supervision) -> bool {
    match supervision {
        Supervision::Always => false,
        Supervision::Never => true,
        Supervision::AsInit => std::process::id() != 1 || inits::is_init(command.program()),
    }
}
