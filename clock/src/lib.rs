//! Logical, vector and hybrid clocks, and the time sources of a runtime and of a simulator.
//!
//! Four questions, four types:
//!
//! | question | type | cost |
//! |---|---|---|
//! | in which order may these events be told? | [`Lamport`], [`AtomicLamport`] | one number |
//! | did this event cause that one, or neither? | [`VectorClock`] | one number per node |
//! | when was it, without breaking causality? | [`Hlc`] | 8 bytes, reads like Unix time |
//! | how long since, on this machine? | [`TimeSource`] | none |
//!
//! A Lamport or hybrid time that is smaller proves nothing about causality: it only says that
//! the later one did not cause the earlier. Only [`VectorClock::compare`] answers that question.
//!
//! ```
//! use synod_clock::{Causality, VectorClock};
//!
//! let mut sender = VectorClock::new();
//! let mut receiver = VectorClock::new();
//! receiver.tick(&"b")?;
//! sender.tick(&"a")?;
//! assert_eq!(sender.compare(&receiver), Causality::Concurrent);
//!
//! receiver.merge(&sender);
//! receiver.tick(&"b")?;
//! assert_eq!(sender.compare(&receiver), Causality::Before);
//! # Ok::<(), synod_clock::Exhausted>(())
//! ```
//!
//! # What this crate promises
//!
//! - No operation panics or wraps, at any input: a clock at its end answers [`Exhausted`], or
//!   the [`HlcError`] that says why, and stays as it was.
//! - Nothing here reads the machine's clock but the two types of the `time` module that say so:
//!   [`MonotonicTime`] and [`WallTime`]. All else takes its time from the caller.
//! - No dependency; `serde` is the one optional feature, and what it reads is checked first.

mod atomic;
mod hybrid;
mod hybrid_time;
mod lamport;
mod sync;
mod time;
mod vector;

pub use atomic::AtomicLamport;
pub use hybrid::{Hlc, HlcError, PhysicalClock};
pub use hybrid_time::HlcTime;
pub use lamport::{Exhausted, Lamport, LamportTime, NodeId, Stamp};
pub use time::{ManualTime, Moment, MonotonicTime, TimeSource, WallTime};
pub use vector::{Causality, InvalidEntries, VectorClock};
