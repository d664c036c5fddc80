//! `fusion`: the program of the injected layer, installed as `/opt/fusion/entry.sh`.
//!
//! A static ELF in spite of its name, so the image needs no shell, no libc and no `/proc`.
//!
//! ```text
//! entry.sh [word...]     run the image's own entry point (WAVE_ENTRY_CHAIN) followed by the words
//! fusion [word...]       the same, and a mount of /fusion/s3 is wanted
//! fusion mount --foreground FOLDER    mount there until a signal comes, and run nothing
//! fusion check           say what a mount would find: device, rights, credentials, buckets
//! fusion version         print the version
//! ```
//!
//! # Replace or supervise
//!
//! A process other than PID 1 is *replaced*: one `execve`, the PID stays, nothing of us remains. Something else
//! (an `--init`, a pod's pause process) already reaps orphans there.
//!
//! As PID 1 the command is *supervised*. The kernel gives PID 1 two duties that most programs do not know of: it
//! inherits every orphan and must wait for it, and signals whose action is the default do not reach it. A program
//! that is our child instead dies of SIGTERM as it does everywhere else, and its orphans do not pile up.
//!
//! Programs that are an init themselves (see `entry::inits`) replace us even as PID 1: some refuse any other PID,
//! and the others would only warn that the place is taken. `FUSION_SUPERVISE=1` supervises always,
//! `FUSION_SUPERVISE=0` never.
//!
//! # The mount
//!
//! A wanted mount keeps us in the process whatever was said of supervision: its driver is some threads of ours. It is
//! made before the command starts, without a word to the network, and taken away when the command has ended and S3
//! has all files. Without a wanted mount no thread is started.
//!
//! # Exit codes
//!
//! The command's own; 128 + n if signal n ended it; 126 it cannot be executed; 127 it was not found, or there is
//! nothing to run; 174 a mount is wanted and cannot be had, or the command succeeded and files were lost; 2 a request of
//! our own that cannot be read.

#![deny(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks)]

pub mod config;
mod driver;
mod entry;
pub mod fs;
pub mod fuse;
pub mod mount;
pub mod net;
mod notice;
pub mod s3;
#[allow(unsafe_code)]
mod sys;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use config::{Environment, Launch};

/// Does what the program was called for, with the words it was called with, its own name first. Returns the exit
/// code; does not return if the command has replaced this process.
pub fn run(mut argv: impl Iterator<Item = OsString>) -> u8 {
    let launch = Launch::named(argv.next().as_deref());
    let args: Vec<OsString> = argv.collect();
    if launch == Launch::Fusion && args == ["version"] {
        // Nobody is left to tell when the reader of stdout has gone.
        let _ = writeln!(std::io::stdout(), concat!("fusion ", env!("CARGO_PKG_VERSION")));
        return 0;
    }
    entry::run(launch, args, Environment::of_process()).unwrap_or_else(|refusal| {
        notice::say(format_args!("{refusal}"));
        refusal.code()
    })
}

/// The last component of a program's path, the name by which it was called.
fn program_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}
