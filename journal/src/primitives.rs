//! The one door to locks and threads: the standard ones, or those of loom under `synod_loom`.
//!
//! Claim kept: what loom explores is what runs.

#[cfg(not(synod_loom))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(not(synod_loom))]
pub(crate) use std::thread;

#[cfg(synod_loom)]
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(synod_loom)]
pub(crate) use loom::thread;

pub(crate) use std::sync::PoisonError;
pub(crate) use std::thread::panicking;
