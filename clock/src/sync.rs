//! The one door to atomics: the standard library's, or loom's when a loom test is built.
//!
//! No other file of this crate may name `std::sync::atomic` or `loom`, so what the loom tests
//! explore is the code that ships.

#[cfg(synod_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

#[cfg(not(synod_loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
