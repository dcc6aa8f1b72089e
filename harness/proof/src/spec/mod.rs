//! The specification in Rust: the transition relations that the real code is held against.
//!
//! `conformance` follows a cluster of real replicas, event by event, as a translation of the guards
//! of `paxos/spec/MultiPaxos.tla`.

pub mod conformance;
