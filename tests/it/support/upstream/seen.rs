//! What a registry was asked, and what became of it.

use http::{HeaderMap, Method};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A request that arrived. Clones share how far the answer has come.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    /// How many requests of this method and path came before.
    pub nth: usize,
    /// The connection it came over, counted from 0.
    pub connection: usize,
    pub at: Instant,
    pub(super) answer: Arc<Mutex<Progress>>,
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) sent: u64,
    pub(super) ended: Option<Ended>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was sent.
    Whole,
    /// It was broken off, as planned.
    Broken,
    /// The client left before the end.
    Left,
}

impl Seen {
    /// The header `name` as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a text header"))
    }

    pub fn range(&self) -> &str {
        self.header("range")
    }

    /// The first byte that is asked for.
    pub fn first(&self) -> u64 {
        let digits = self.range().trim_start_matches("bytes=").split('-').next();
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    pub fn authorization(&self) -> &str {
        self.header("authorization")
    }

    /// Bytes of the body that were handed to the kernel, without chunk heads.
    pub fn sent(&self) -> u64 {
        self.answer.lock().unwrap().sent
    }

    /// `None` while the answer is under way.
    pub fn ended(&self) -> Option<Ended> {
        self.answer.lock().unwrap().ended
    }
}
