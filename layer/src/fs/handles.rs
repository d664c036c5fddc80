//! What is open, by the numbers the kernel is given for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::fs::sync::lock;

/// Open files, or open folders.
#[derive(Debug)]
pub struct Handles<T>(Mutex<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    next: u64,
    open: HashMap<u64, Arc<T>>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self(Mutex::new(Inner { next: 1, open: HashMap::new() }))
    }
}

impl<T> Handles<T> {
    /// Gives a number to something. Numbers are never used twice.
    pub fn add(&self, thing: T) -> u64 {
        let mut inner = lock(&self.0);
        let number = inner.next;
        inner.next += 1;
        inner.open.insert(number, Arc::new(thing));
        number
    }

    /// What has this number.
    pub fn get(&self, number: u64) -> Option<Arc<T>> {
        lock(&self.0).open.get(&number).cloned()
    }

    /// All that `wanted` is true of.
    pub fn all(&self, wanted: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        lock(&self.0).open.values().filter(|thing| wanted(thing)).cloned().collect()
    }

    /// Takes a number back.
    pub fn remove(&self, number: u64) -> Option<Arc<T>> {
        lock(&self.0).open.remove(&number)
    }
}
