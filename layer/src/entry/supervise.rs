//! Running the command as a child.

use std::io;

use super::reap::{self, Reaper};
use super::signals::{self, Part};
use crate::notice::Trace;
use crate::sys::{self, Image, Waiter};

/// Starts the command and stays until it ends and its orphans are gone. Returns its exit code.
///
/// # Errors
/// What `execve`, or the fork before it, said.
pub(crate) fn run(image: &Image, trace: Trace) -> io::Result<u8> {
    // All signals wait from here on; one that comes before the command exists is forwarded once it does.
    let waiter = Waiter::block_all();
    sys::default_sigchld();
    if let Err(error) = sys::become_subreaper() {
        trace.step(format_args!("orphans will not come to us: {error}"));
    }
    let terminal = sys::Terminal::of_stdin();
    let command = sys::spawn(image, terminal).inspect_err(|_| terminal.take())?;
    trace.step(format_args!("supervising PID {}", command.leader()));

    let mut reaper = Reaper::of(command, trace);
    let status = loop {
        let signal = waiter.next();
        match signals::part(signal) {
            Part::Reap => {
                if let Some(status) = reaper.collect() {
                    break status;
                }
            }
            Part::Forward => {
                trace.step(format_args!("forwarding signal {signal}"));
                signals::forward(signal, command);
            }
            Part::Drop => {}
        }
    };
    trace.step(format_args!("command ended: {status:?}"));
    reap::end_the_rest(&mut reaper, &waiter, trace);
    terminal.take();
    Ok(status.code())
}
