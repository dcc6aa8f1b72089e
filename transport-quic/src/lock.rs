//! The locking of a mutex whose holders leave it whole, whatever becomes of them.
//!
//! What is under the lock is left to those who hold it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose holders cannot leave its content half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
