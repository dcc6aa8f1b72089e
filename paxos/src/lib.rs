//! Paxos as pure state machines: the single-decree Synod protocol, and Multi-Paxos on its roles.
//!
//! Disks, networks and clocks are left to a driver. The claim kept true: no two nodes learn two
//! decrees of one slot, whatever is lost, doubled, delayed, or forgotten before its sync.
#![doc = include_str!("../README.md")]

pub mod acceptor;
pub mod ballot;
pub mod effects;
pub mod learner;
pub mod message;
pub mod multi;
pub mod proposer;
pub mod quorum;
pub mod synod;

pub use ballot::{Ballot, NodeId};
pub use effects::{Batch, CoreId, Effects, RECORD_COST_BYTES, Record, RecordRoom, Synced};
pub use message::{AfterSync, Immediate, Message, Report, To, Vote};
pub use multi::decree::{Decree, Value};
pub use multi::recovery::Recovery;
pub use multi::slot::Slot;
pub use multi::{Input, MultiPaxos};
pub use quorum::{Configuration, ConfigurationError, Tally};
