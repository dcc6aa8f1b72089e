//! A commit on its way to the journal's thread and back, and the room that is left for more.
//!
//! Who carries it is left to `group_commit`, `queue` and `committer`.

use std::ops::Range;
use std::time::Duration;

use super::journal::Journal;
use crate::disk::Disk;
use crate::format::position::{HardState, Lsn};
use crate::format::records::Records;

/// Commits between submission and completion, at most.
pub const IN_FLIGHT_MAX: usize = 2;
/// How long the journal is idle before it is sealed.
pub const IDLE_SEAL: Duration = Duration::from_millis(50);
/// How often an idle journal asks a full disk for space.
pub const FULL_RETRY: Duration = Duration::from_millis(500);

/// One commit: what is to be made durable together.
#[derive(Debug)]
pub struct Commit<T> {
    /// The user's latest hard state.
    pub hard_state: HardState,
    /// The records, perhaps none.
    pub records: Records,
    /// From which record on the owner needs any: those below may go once this commit is durable
    /// ([`Journal::release`]).
    pub keep: Option<Lsn>,
    /// What comes back when the commit is durable.
    pub ticket: T,
}

/// A commit that is durable.
#[derive(Debug)]
pub struct Completion<T> {
    /// What was submitted with the commit.
    pub ticket: T,
    /// The numbers of its records; empty for a commit without records.
    pub lsns: Range<Lsn>,
    /// The emptied buffer, for the next commit.
    pub records: Records,
}

/// Why a commit was handed back.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError<T> {
    /// [`IN_FLIGHT_MAX`] commits are on their way: wait for a completion.
    #[error("the journal is busy with {IN_FLIGHT_MAX} commits")]
    Busy(Commit<T>),
    /// The journal has ended, by an error that was reported or by shutdown.
    #[error("the journal has ended")]
    Ended(Commit<T>),
}

/// Bytes of commits that can be appended for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    /// As [`Journal::room`].
    pub total: u64,
    /// As [`Journal::room_for_work`].
    pub for_work: u64,
    /// As [`Journal::is_refused`]: only then is the disk full. Otherwise more room is on its way.
    pub refused: bool,
}

impl FreeSpace {
    /// Returns the room that a journal has.
    #[must_use]
    pub fn of<D: Disk>(journal: &Journal<D>) -> Self {
        let (total, for_work) = (journal.room(), journal.room_for_work());
        Self { total, for_work, refused: journal.is_refused() }
    }

    /// Returns what is left once so many bytes of commits are written.
    #[must_use]
    pub const fn less(self, bytes: u64) -> Self {
        let (total, for_work) =
            (self.total.saturating_sub(bytes), self.for_work.saturating_sub(bytes));
        Self { total, for_work, refused: self.refused }
    }
}
