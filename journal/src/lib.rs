//! A crash-safe write-ahead log with group commit over a small disk seam.
//!
//! What the records mean is left to the user: this crate knows no Paxos. Claim kept: what a sync
//! has covered is there after any crash, what was never appended is not, and what was damaged is
//! reported and never cut away in silence.
#![doc = include_str!("../README.md")]

mod committer;
mod disk;
mod error;
mod folders;
mod frame;
mod group_commit;
mod identity;
mod index;
mod next_segment;
mod options;
mod position;
mod primitives;
mod queue;
mod reader;
mod records;
mod recovery;
mod rewrite;
mod scan;
mod segment;
mod spare;
mod tail;
mod writer;

pub use committer::{Committer, Rest};
pub use disk::real::{RealDisk, RealLock};
pub use disk::sim::{
    CrashChoice, Effect, Failure, Fault, Operation, SECTOR_BYTES, SimDisk, SimFile, SimLock, Times,
};
pub use disk::{Disk, DiskFile};
pub use error::{
    AppendError, DamageReason, Damaged, Fatal, OpenError, OptionsError, ReadError, SyncError,
};
pub use group_commit::{
    Commit, Completion, FULL_RETRY, GroupCommit, IDLE_SEAL, IN_FLIGHT_MAX, Room, SubmitError,
};
pub use identity::FolderId;
pub use next_segment::Prepared;
pub use options::{
    Create, IDENTITY_BYTES_MAX, Options, RESERVE_BYTES, SEGMENT_BYTES, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
};
pub use position::{HARD_STATE_BYTES, HardState, Lsn, SegmentId};
pub use reader::{Reader, Record};
pub use records::{Records, RecordsIter};
pub use recovery::Recovered;
pub use writer::{Journal, PREPARE_STEP_BYTES};
