//! Paxos as pure state machines: the single-decree Synod protocol, and Multi-Paxos on its roles.
//!
//! Disks, networks and clocks are left to a driver. The claim kept true: no two nodes learn two
//! decrees of one slot, whatever is lost, doubled, delayed, or forgotten before its sync.
#![doc = include_str!("../README.md")]

mod acceptor;
mod ballot;
mod effects;
mod learner;
mod message;
mod multi;
mod proposer;
mod quorum;
mod synod;

pub use acceptor::{Acceptor, Promised};
pub use ballot::{Ballot, NodeId, ROUND_STEP_MAX};
pub use effects::{
    ACCEPT_BYTES_MAX, ACCEPT_RUN_MAX, Batch, CoreId, Effects, HELD_MAX, RECORD_COST_BYTES, Record,
    RecordRoom, Synced,
};
pub use learner::Learner;
pub use message::{AfterSync, Immediate, Message, Report, To, Vote};
pub use multi::acceptor::LogAcceptor;
pub use multi::candidate::Candidate;
pub use multi::chosen::ChosenPrefix;
pub use multi::decree::{Decree, Value};
pub use multi::leader::{Leader, RESEND_BYTES_MAX, RESEND_SLOTS_MAX};
pub use multi::limits::{
    LogLimits, PROMISE_BYTES_MAX, PROMISE_PARTS_MAX, UNCHOSEN_BYTES_MAX, UNSYNCED_BYTES_MAX,
};
pub use multi::recovery::Recovery;
pub use multi::role::Role;
pub use multi::slot::{Slot, SlotRange};
pub use multi::{ALPHA_DEFAULT, Input, MultiPaxos};
pub use proposer::{Choice, Proposer};
pub use quorum::{Configuration, ConfigurationError, Tally, VOTERS_MAX};
pub use synod::{Synod, SynodInput};
