//! How far packing is.

use std::io::{IsTerminal as _, Write as _, stderr};

/// Told how far a job is.
pub trait Progress {
    /// `done` of `total` bytes of file content are packed.
    fn advance(&mut self, done: u64, total: u64);

    /// Nothing more comes.
    fn finish(&mut self) {}
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn advance(&mut self, _: u64, _: u64) {}
}

/// One line on standard error that counts up, when standard error is a terminal.
#[derive(Debug)]
pub struct Terminal {
    visible: bool,
    shown: Option<u64>,
}

impl Terminal {
    /// Looks whether somebody is watching.
    pub fn new() -> Terminal {
        Terminal { visible: stderr().is_terminal(), shown: None }
    }
}

impl Default for Terminal {
    fn default() -> Terminal {
        Terminal::new()
    }
}

impl Progress for Terminal {
    fn advance(&mut self, done: u64, total: u64) {
        let percent = percent(done, total);
        if !self.visible || self.shown == Some(percent) {
            return;
        }
        self.shown = Some(percent);
        // A terminal that went away is no reason to stop.
        _ = write!(stderr(), "\r{}", line(done, total));
    }

    fn finish(&mut self) {
        if self.shown.take().is_some() {
            _ = writeln!(stderr());
        }
    }
}

fn percent(done: u64, total: u64) -> u64 {
    (done * 100).checked_div(total).unwrap_or(100)
}

fn line(done: u64, total: u64) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    format!("packed {:.1} of {:.1} MiB ({} %)", mib(done), mib(total), percent(done, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(line(3 << 19, 3 << 20), "packed 1.5 of 3.0 MiB (50 %)");
        assert_eq!(line(0, 0), "packed 0.0 of 0.0 MiB (100 %)");
    }
}
