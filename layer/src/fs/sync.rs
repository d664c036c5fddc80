//! Locks that outlive a panic: a request that panics is one `EIO`, and must not be the end of the mount.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. What is protected is changed in steps that leave it whole, so a holder's panic is no reason to give it up.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
