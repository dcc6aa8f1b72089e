//! Logical, vector and hybrid clocks, and the time sources of a runtime and of a simulator.
//!
//! What time is for is left to the caller. The claim kept true: no clock goes backwards, whatever
//! it is told.
#![doc = include_str!("../README.md")]

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
