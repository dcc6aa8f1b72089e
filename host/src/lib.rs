//! The host of one replica, sans-IO: everything between "bytes came" and "bytes leave".
//!
//! Sockets, threads and the clock are left to its owner. The claim kept true: what chooses, orders,
//! bounds or remembers for a replica is in here or below, where the simulator drives it.
#![doc = include_str!("../README.md")]

pub mod backup;
mod beacon;
mod beginning;
mod clients;
mod commits;
mod counts;
mod crowd;
mod durations;
mod elections;
mod event;
mod flush;
mod hard_state;
mod host;
mod identity;
mod jitter;
mod lanes;
mod leadership_log;
mod measured;
mod old_decrees;
mod peers;
mod readiness;
mod recovery;
mod recovery_error;
mod room;
mod settings;
mod slot_index;
mod snapshots;
mod stages;
pub mod survey;
mod timers;
mod trace;
mod transfers;
mod unapplied;

pub use beacon::{Beacon, HELD_UP_MAX};
pub use beginning::{beginning_of, in_words};
pub use clients::{Held, WORD_BYTES_MAX, WORDS_WAITING_MAX, WORDS_WAITING_MAX_TOTAL};
pub use commits::{Committed, Ticket};
pub use counts::{Counts, REFUSALS};
pub use crowd::CLIENTS_HELD_BACK_MAX;
pub use durations::{BUCKET_BOUNDS, BUCKETS, Durations};
pub use event::{Event, Output};
pub use flush::Brought;
pub use host::{DRAIN_MAX, Host};
pub use identity::{identity_from, identity_of, parts_of_identity};
pub use jitter::Jitter;
pub use measured::{DISK_HUNG_AFTER, Measured};
pub use old_decrees::{OldDecrees, ReadOrder};
pub use readiness::READY_LAG_SLOTS_MAX;
pub use recovery::{DataFolders, Inspected, Opened, OpenedAbove, inspect, open, open_above};
pub use recovery_error::RecoveryError;
pub use settings::{
    BATCHES_IN_FLIGHT_MAX, CONTROL_MESSAGE_BYTES_MAX, LOG_BYTES, PEER_END_STEP, REPLY_BUDGET_BYTES,
    REPLY_BUDGET_BYTES_TOTAL, REPLY_OVERHEAD_BYTES, REPLY_SHARE_BYTES, Settings,
};
pub use slot_index::BYTES_PER_SLOT;
pub use snapshots::for_clients::{
    CLIENT_BYTES_PER_SECOND_MAX, CLIENT_HOLD_MAX, CLIENT_HOLD_PATIENCE_MAX, CLIENT_SNAPSHOTS_APART,
    ClientSnapshotLimits,
};
pub use snapshots::order::{PartReader, Scrubbed, SnapshotDone, SnapshotOrder};
pub use snapshots::parts::WISHES_MAX;
pub use snapshots::scrub::{SCRUB_BYTES_PER_SECOND_MAX, SCRUB_REST, ScrubPace};
pub use snapshots::work::SnapshotWork;
pub use stages::{ASKED_TIMED_MAX, OPEN_TIMED_MAX, STAGES, Stage};
pub use synod_journal as journal;
pub use synod_paxos as paxos;
pub use synod_smr as smr;
pub use synod_smr::WAITING_BYTES_MAX;
pub use trace::{
    CommandName, CommandStanding, Said, TraceEvent, TraceReader, TraceRecorder, print_of,
};

/// What the owner of a node meets of the layers below, each under its own name.
pub mod api {
    pub use synod_paxos::{Ballot, NodeId, Slot};
    pub use synod_smr::client::{Outcome, Reason};
    pub use synod_smr::testing;
    pub use synod_smr::{DiskHealth, HostStatus, Invalid, Refusal, StateMachine, Status, Version};
    pub use synod_smr::{NoSnapshot, RestoreError, SnapshotPieces, SnapshotView};
}
