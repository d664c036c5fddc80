//! A log writer that never makes a request wait: lines go to a thread through a bounded queue, and what does
//! not fit is dropped and counted.

use super::names;
use metrics::counter;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for the reader of the log.
const QUEUE: usize = 8192;

/// Where log lines are left. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Lossy {
    queue: SyncSender<Entry>,
}

/// One line in the making; handed over when it is dropped.
#[derive(Debug)]
pub struct Line<'a> {
    text: Vec<u8>,
    queue: &'a SyncSender<Entry>,
}

#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    /// Answered when all lines before it are written.
    Mark(Sender<()>),
}

impl Lossy {
    /// Starts the thread that writes to `out`. It ends when the last clone is gone.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Lossy> {
        Lossy::with_queue(out, QUEUE)
    }

    fn with_queue(out: impl Write + Send + 'static, lines: usize) -> io::Result<Lossy> {
        let (queue, lines) = mpsc::sync_channel(lines);
        std::thread::Builder::new().name("log".into()).spawn(move || write(out, &lines))?;
        Ok(Lossy { queue })
    }

    /// Waits until all lines so far are written, but at most `wait`: the last thing before the process ends.
    pub fn flush(&self, wait: Duration) {
        let (queue, (done, written)) = (self.queue.clone(), mpsc::channel());
        // A full queue makes the mark wait, and only a thread can wait for it with a limit.
        let marking = std::thread::Builder::new().spawn(move || queue.send(Entry::Mark(done)));
        if marking.is_ok() {
            // Late or gone: the lines are lost either way.
            let _ = written.recv_timeout(wait);
        }
    }
}

impl<'a> MakeWriter<'a> for Lossy {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { text: Vec::with_capacity(256), queue: &self.queue }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.text);
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Entry::Line(text)) {
            counter!(names::LOG_LINES_DROPPED).increment(1);
        }
    }
}

/// Nobody can be told that the log cannot be written, so failures are passed over.
fn write(mut out: impl Write, entries: &Receiver<Entry>) {
    for entry in entries {
        match entry {
            Entry::Line(text) => drop(out.write_all(&text)),
            Entry::Mark(done) => {
                let _ = out.flush();
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing;

    /// Blocks in its first write until it is let go.
    struct Stuck {
        entered: Sender<()>,
        go: Receiver<()>,
        text: Sender<Vec<u8>>,
    }

    impl Write for Stuck {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.entered.send(());
            let _ = self.go.recv();
            let _ = self.text.send(text.to_vec());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_blocked_reader_costs_lines_and_not_time() {
        let (recorder, metrics) = testing::recorder();
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let ((entered, inside), (go, wait), (text, written)) =
            (mpsc::channel(), mpsc::channel(), mpsc::channel());
        let log = Lossy::with_queue(Stuck { entered, go: wait, text }, 2).unwrap();
        let line = |text: &str| log.make_writer().write_all(text.as_bytes()).unwrap();
        line("one");
        inside.recv().unwrap();
        for text in ["two", "three", "four", "five"] {
            line(text);
        }
        assert_eq!(testing::value(&metrics, names::LOG_LINES_DROPPED, &[]), 2.0);
        drop(go);
        log.flush(Duration::from_secs(10));
        let lines: Vec<_> = written.try_iter().map(|line| String::from_utf8(line).unwrap()).collect();
        assert_eq!(lines, ["one", "two", "three"]);
    }
}
