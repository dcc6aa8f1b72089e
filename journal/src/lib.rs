//! A crash-safe write-ahead log with group commit over a small disk seam.
//!
//! What the records mean is left to the user: this crate knows no Paxos. Claim kept: what a sync
//! has covered is there after any crash, what was never appended is not, and what was damaged is
//! reported and never cut away in silence.
#![doc = include_str!("../README.md")]
//! # Layout
//!
//! ```text
//! folder   IDENTITY                  format, folder id, identity of the owner
//!          segment-00000001.log      one or more, without a gap; the last is active
//!          segment-00000002.log.new  the next one, while it is made
//!          segment-spare             what a start writes over where the disk has no room
//!
//! segment  | header  64 of 4096 | frame | frame | seal | frame | ...  | two pages for
//!            number, length, salt, whose          ^ on a page           a seal and the end |
//!
//! frame    | header  96                                       | body                          |
//!            magic, checksum of the header, salt, segment,      (length 4, record) x count,
//!            own offset, end of the frame before, synced up     padded to a multiple of 8
//!            to, kind, length and checksum of the body, count,
//!            first number, oldest segment, hard state 32
//! ```
//!
//! A header is believed only at its own offset, in its own segment and under its salt, so bytes of
//! an earlier life of a file are no frames. "Synced up to" and seals tell rot from a torn write:
//! what they cover was durable once, and must still be there.
//!
//! Snapshots have a directory of their own, drawn in the module `snapshot`:
#![doc = include_str!("snapshot/layout.md")]

mod create;
mod directory;
mod disk;
mod error;
mod format;
mod options;
mod primitives;
mod read;
mod recover;
mod snapshot;
mod write;

pub use create::Create;
pub use disk::read_only::{ReadOnlyDisk, ReadOnlyFile};
pub use disk::real::{RealDisk, RealLock};
pub use disk::sim::{
    CallFault, CrashChoice, DiskCall, Effect, Failure, SECTOR_BYTES, SimDisk, SimFile, SimLock,
    Times,
};
pub use disk::{Disk, DiskFile};
pub use error::{
    AppendError, DamageReason, Damaged, Fatal, OpenError, OptionsError, ReadError, SyncError,
};
pub use format::identity::FolderId;
pub use format::position::{HARD_STATE_BYTES, HardState, Lsn, SegmentId};
pub use format::records::Records;
pub use format::records_iter::RecordsIter;
pub use options::{
    IDENTITY_BYTES_MAX, Options, RESERVE_BYTES, SEGMENT_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
pub use read::reader::{Reader, Record};
pub use recover::recovery::Recovered;
pub use recover::survey::{
    DAMAGE_LISTED_MAX, LostRecords, SegmentState, Survey, SurveyedDamage, SurveyedSegment,
};
pub use snapshot::error::{
    ReadBackError, SnapshotDamaged, SnapshotError, SnapshotPart, SnapshotReadError,
};
pub use snapshot::folder::is_snapshot_file_name;
pub use snapshot::format::{
    SNAPSHOT_CHUNK_BYTES, SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_CHUNK_BYTES_MIN,
    SNAPSHOT_MANIFEST_BYTES_MAX, SNAPSHOT_META_BYTES_MAX, Snapshot, SnapshotBound,
};
pub use snapshot::read::SnapshotReader;
pub use snapshot::recover::RecoveredSnapshots;
pub use snapshot::store::{SNAPSHOTS_KEPT_MAX, SnapshotOptions, SnapshotStore};
pub use snapshot::survey::{SnapshotsSurvey, SurveyedSnapshot};
pub use snapshot::write::{SNAPSHOT_SYNC_STEP_BYTES, SnapshotWriter};
pub use write::commit::{
    Commit, Completion, FULL_RETRY, FreeSpace, IDLE_SEAL, IN_FLIGHT_MAX, SubmitError,
};
pub use write::committer::{Committer, Rest};
pub use write::group_commit::GroupCommit;
pub use write::journal::{Journal, PREPARE_STEP_BYTES};
pub use write::next_segment::Prepared;
