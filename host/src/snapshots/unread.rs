//! Why the state of a snapshot is not to be had.
//!
//! What follows from it is left to whoever asked. The claim kept true: bytes that are not as they
//! were written, a disk that did not give them, and bytes that nobody of this program wrote are
//! three things, as only the first is repaired by another snapshot.

use synod_journal::{Fatal, SnapshotDamaged, SnapshotReadError};

/// Why the state of a snapshot is not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// It is damaged.
    #[error(transparent)]
    Damaged(SnapshotDamaged),
    /// The disk did not give it.
    #[error("{0}")]
    Disk(Fatal),
    /// It is as it was written, and not what this program writes.
    #[error("{0}")]
    Foreign(String),
}

impl From<SnapshotReadError> for Unread {
    fn from(error: SnapshotReadError) -> Self {
        match error {
            SnapshotReadError::Damaged(damaged) => Self::Damaged(damaged),
            SnapshotReadError::Fatal(fatal) => Self::Disk(fatal),
            missing @ (SnapshotReadError::Missing { .. }
            | SnapshotReadError::NoSuchChunk { .. }
            | _) => Self::Foreign(missing.to_string()),
        }
    }
}
