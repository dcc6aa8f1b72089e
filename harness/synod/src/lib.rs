//! Synod under its own harness: the replica as a simulated system, judged step by step.
//!
//! The simulator, `synod-simulator`, knows nothing of Paxos; here are the real replica, the real
//! journal and the real client as a system for it, one file for each invariant, and the
//! specification as a transition relation in Rust that every simulated step is held against.

pub mod batch;
pub mod chosen_states;
pub mod clients;
pub mod cluster;
pub mod coverage;
pub mod invariants;
pub mod journal_thread;
pub mod kv_model;
pub mod machine;
pub mod misuse;
pub mod monitor;
pub mod shard;
pub mod spec;
pub mod standing;
pub mod step;
pub mod told;
pub mod trace;
pub mod transcript;
pub mod trial;
pub mod tuning;
