//! Running the command as a child.

use std::io;
use std::time::Instant;

use super::drain::{self, Drained};
use super::exit::NO_MOUNT;
use super::reap::{self, Reaper};
use super::signals::{self, Part};
use crate::driver::Driver;
use crate::notice::Trace;
use crate::sys::{self, Image, Signal, Waiter};

/// Starts the command and stays until it ends, its orphans are gone, and S3 has what they wrote. Returns its exit code.
/// Signals that came before the command exists are forwarded once it does.
///
/// # Errors
/// What `execve`, or the fork before it, said.
pub(crate) fn run(image: &Image, waiter: &Waiter, driver: Option<Driver>, trace: Trace) -> io::Result<u8> {
    sys::default_sigchld();
    if let Err(error) = sys::become_subreaper() {
        trace.step(format_args!("orphans will not come to us: {error}"));
    }
    let terminal = sys::Terminal::of_stdin();
    let command = match sys::spawn(image, terminal) {
        Ok(command) => command,
        Err(error) => {
            terminal.take();
            // Nothing was written.
            driver.map(Driver::stop);
            return Err(error);
        }
    };
    trace.step(format_args!("supervising PID {}", command.leader()));

    let mut terminated = None;
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
                if signal == Signal::TERMINATE {
                    terminated.get_or_insert_with(Instant::now);
                }
                signals::forward(signal, command);
            }
            Part::Drop => {}
        }
    };
    trace.step(format_args!("command ended: {status:?}"));
    let later = reap::end_the_rest(&mut reaper, waiter, trace);
    let terminated = terminated.or(later);
    let drained = driver.map_or(Drained::Complete, |driver| drain::drain(driver, waiter, terminated));
    terminal.take();
    match (status.code(), drained) {
        (0, Drained::Lost) => Ok(NO_MOUNT),
        (code, _) => Ok(code),
    }
}
