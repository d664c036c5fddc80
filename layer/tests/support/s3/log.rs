//! What was asked, in the order in which it came.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::op::Op;
use super::request::{Request, find};

/// Older entries fall out when there are more.
const KEPT: usize = 50_000;
/// Values that a log must not show.
const SECRET: [&str; 2] = ["authorization", "x-amz-security-token"];

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Counts from 0 over all requests of the server.
    pub order: u64,
    /// Counts from 0 over all connections of the server.
    pub connection: u64,
    pub op: Op,
    pub method: String,
    pub bucket: String,
    pub key: String,
    pub query: Vec<(String, String)>,
    /// 0 while no answer was begun.
    pub status: u16,
    /// The request's headers, names in lower case, without secrets.
    pub headers: Vec<(String, String)>,
    /// Bytes of the request's body as sent.
    pub bytes_in: u64,
    /// Bytes of the answer's body handed to the connection.
    pub bytes_out: u64,
    pub started: Instant,
    pub finished: Option<Instant>,
    /// The answer was handed over whole.
    pub complete: bool,
}

impl Entry {
    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// A value of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }
}

/// The log of a server.
#[derive(Debug, Default)]
pub struct Log {
    state: Mutex<State>,
    begun: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    next: u64,
    in_flight: usize,
    max_in_flight: usize,
    connections: u64,
}

impl Log {
    /// All entries.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.iter().cloned().collect()
    }

    /// All entries, which are forgotten.
    pub fn take(&self) -> Vec<Entry> {
        let mut state = self.lock();
        state.max_in_flight = state.in_flight;
        state.entries.drain(..).collect()
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        self.take();
    }

    /// The operations in order.
    pub fn ops(&self) -> Vec<Op> {
        self.lock().entries.iter().map(|entry| entry.op).collect()
    }

    /// How many requests were of this kind.
    pub fn count(&self, op: Op) -> usize {
        self.lock().count(op)
    }

    /// The most requests that were in flight together since the log was last cleared.
    pub fn max_in_flight(&self) -> usize {
        self.lock().max_in_flight
    }

    /// Requests that are in flight now.
    pub fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    /// Connections that were accepted.
    pub fn connections(&self) -> u64 {
        self.lock().connections
    }

    /// Blocks until so many requests of a kind have begun; false if they had not after `limit`.
    pub fn wait(&self, op: Op, count: usize, limit: Duration) -> bool {
        let waiting = |state: &mut State| state.count(op) < count;
        let waited = self.begun.wait_timeout_while(self.lock(), limit, waiting);
        !waited.expect("no holder of the log's lock panics").1.timed_out()
    }

    /// Number of a new connection.
    pub fn connected(&self) -> u64 {
        let mut state = self.lock();
        state.connections += 1;
        state.connections - 1
    }

    /// A new entry, which ends with the ticket.
    pub fn begin(self: &Arc<Log>, connection: u64, request: &Request) -> Ticket {
        let shown = |(name, value): &(String, String)| {
            let value = if SECRET.contains(&name.as_str()) { "[hidden]" } else { value };
            (name.clone(), value.to_owned())
        };
        let mut state = self.lock();
        let order = state.next;
        if state.entries.len() == KEPT {
            state.entries.pop_front();
        }
        state.entries.push_back(Entry {
            order,
            connection,
            op: request.op,
            method: request.method.clone(),
            bucket: request.bucket.clone(),
            key: request.key.clone(),
            query: request.query.clone(),
            status: 0,
            headers: request.headers.iter().map(shown).collect(),
            bytes_in: 0,
            bytes_out: 0,
            started: Instant::now(),
            finished: None,
            complete: false,
        });
        state.next += 1;
        state.in_flight += 1;
        state.max_in_flight = state.max_in_flight.max(state.in_flight);
        drop(state);
        self.begun.notify_all();
        Ticket { log: Arc::clone(self), order }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the log's lock panics")
    }
}

impl State {
    fn count(&self, op: Op) -> usize {
        self.entries.iter().filter(|entry| entry.op == op).count()
    }
}

/// The right to complete one entry. An entry that was taken meanwhile stays as it was.
#[derive(Debug)]
pub struct Ticket {
    log: Arc<Log>,
    order: u64,
}

impl Ticket {
    /// Changes the entry.
    pub fn note(&self, change: impl FnOnce(&mut Entry)) {
        let mut state = self.log.lock();
        let Some(first) = state.entries.front().map(|entry| entry.order) else { return };
        let Some(at) = self.order.checked_sub(first) else { return };
        if let Some(entry) = state.entries.get_mut(at as usize) {
            change(entry);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.note(|entry| entry.finished = Some(Instant::now()));
        self.log.lock().in_flight -= 1;
    }
}
