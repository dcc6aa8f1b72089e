//! The work of a journal's thread without the thread: write what came, sync once, complete; and
//! what can wait until nothing comes.
//!
//! Waiting and waking are left to `group_commit`, which runs this on its thread, and to whoever has
//! another idea of time. Claim kept: completions come in the order of writing, each after a sync
//! that covers it, and an error comes once and ends it.

use std::ops::Range;
use std::time::Duration;

use crate::disk::Disk;
use crate::error::{AppendError, SyncError};
use crate::format::position::Lsn;
use crate::write::commit::{Commit, Completion, FULL_RETRY, FreeSpace, IDLE_SEAL, IN_FLIGHT_MAX};
use crate::write::journal::Journal;
use crate::write::next_segment::Prepared;

/// How long the journal is idle before it works on the next segment, where that is not urgent.
const IDLE_PREPARE: Duration = Duration::from_millis(1);
/// How often a busy journal asks a full disk for space, in batches.
const FULL_RETRY_BATCHES: u32 = 64;

/// Commits of a journal, in steps: [`Committer::write`], [`Committer::sync`],
/// [`Committer::completions`], [`Committer::end_batch`], and [`Committer::idle`] when nothing
/// comes.
pub struct Committer<D: Disk, T> {
    journal: Journal<D>,
    written: Vec<Written<T>>,
    /// Why a commit was not written; it is reported when those before it are complete.
    refused: Option<AppendError>,
    batches_until_retry: u32,
}

/// A commit that was appended and waits for its sync.
struct Written<T> {
    commit: Commit<T>,
    lsns: Range<Lsn>,
}

/// What is done when no commit is there, and how long it is waited for one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Wait a moment, then work on the next segment.
    PrepareSoon,
    /// Go on with the next segment at once.
    Prepare,
    /// Wait, then seal.
    Seal,
    /// Wait, then ask for space again.
    AskForSpace,
    /// Wait for a commit.
    Nothing,
}

impl<D: Disk, T> Committer<D, T> {
    /// Takes a journal over.
    #[must_use]
    pub fn new(journal: Journal<D>) -> Self {
        let written = Vec::with_capacity(IN_FLIGHT_MAX);
        Self { journal, written, refused: None, batches_until_retry: 0 }
    }

    /// Appends commits, which [`Committer::sync`] makes durable. Those after one that is refused
    /// are dropped, since the journal ends with it.
    pub fn write(&mut self, commits: &mut Vec<Commit<T>>) {
        for mut commit in commits.drain(..) {
            if self.refused.is_some() {
                continue;
            }
            // The frame says it, and what may go goes after its sync.
            if let Some(keep) = commit.keep {
                self.journal.release(keep);
            }
            match self.journal.append(&commit.hard_state, &mut commit.records) {
                Ok(lsns) => self.written.push(Written { commit, lsns }),
                Err(error) => self.refused = Some(error),
            }
        }
    }

    /// Tells whether a commit was refused: [`Committer::end_batch`] says why.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// As [`Journal::sync`] does; nothing is complete then.
    pub fn sync(&mut self) -> Result<(), AppendError> {
        if !self.written.is_empty() {
            self.journal.sync()?;
        }
        Ok(())
    }

    /// Returns what the commits take that the sync has covered, and how many they are.
    #[must_use]
    pub fn complete(&self) -> (usize, u64) {
        let bytes = self.written.iter().map(|written| written.commit.records.frame_bytes()).sum();
        (self.written.len(), bytes)
    }

    /// Hands out what the sync has covered, in order.
    pub fn completions(&mut self) -> impl Iterator<Item = Completion<T>> + '_ {
        self.written.drain(..).map(|Written { commit, lsns }| {
            let Commit { mut records, ticket, .. } = commit;
            records.clear();
            Completion { ticket, lsns, records }
        })
    }

    /// Ends a batch: works on the next segment where that is urgent.
    ///
    /// # Errors
    /// The one for which a commit of the batch was not written, or that of the disk.
    pub fn end_batch(&mut self) -> Result<Rest, AppendError> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        // Each asking makes a file and takes it away again, so a full disk is not asked in each
        // batch.
        if self.batches_until_retry > 0 {
            self.batches_until_retry -= 1;
        } else if self.journal.needs_segment() && self.journal.prepare()? == Prepared::Full {
            self.batches_until_retry = FULL_RETRY_BATCHES;
        }
        Ok(Rest::PrepareSoon)
    }

    /// Does what can wait; returns what is to be done next if no commit comes.
    ///
    /// # Errors
    /// As [`Journal::prepare`] and [`Journal::seal`] do.
    pub fn idle(&mut self, rest: Rest) -> Result<Rest, AppendError> {
        let next = match rest {
            Rest::PrepareSoon | Rest::Prepare | Rest::AskForSpace => {
                match self.journal.prepare()? {
                    Prepared::Unfinished => Rest::Prepare,
                    // A seal that was put off for want of room is made up for.
                    Prepared::Ready | Prepared::NotDue => Rest::Seal,
                    // Whoever asks again has come by the seal already.
                    Prepared::Full if rest == Rest::AskForSpace => Rest::AskForSpace,
                    Prepared::Full => Rest::Seal,
                }
            }
            Rest::Seal => {
                self.journal.seal()?;
                if self.journal.is_prepared() { Rest::Nothing } else { Rest::AskForSpace }
            }
            Rest::Nothing => Rest::Nothing,
        };
        Ok(next)
    }

    /// Returns the room that the journal has, without what was not written yet.
    #[must_use]
    pub fn room(&self) -> FreeSpace {
        FreeSpace::of(&self.journal)
    }

    /// Seals the journal and gives the directory back.
    ///
    /// # Errors
    /// As [`Journal::close`] does.
    pub fn close(self) -> Result<(), SyncError> {
        self.journal.close()
    }
}

impl Rest {
    /// Returns how long a commit is waited for first; `None` is until one comes.
    #[must_use]
    pub fn patience(self) -> Option<Duration> {
        match self {
            Self::PrepareSoon => Some(IDLE_PREPARE),
            Self::Prepare => Some(Duration::ZERO),
            Self::Seal => Some(IDLE_SEAL),
            Self::AskForSpace => Some(FULL_RETRY),
            Self::Nothing => None,
        }
    }
}

impl<D: Disk, T> std::fmt::Debug for Committer<D, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Committer");
        debug.field("journal", &self.journal).field("written", &self.written.len());
        debug.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_journal_rests_before_it_works_and_sleeps_once_all_is_done() {
        for (rest, patience) in [
            (Rest::Prepare, Duration::ZERO),
            (Rest::PrepareSoon, IDLE_PREPARE),
            (Rest::Seal, IDLE_SEAL),
            (Rest::AskForSpace, FULL_RETRY),
        ] {
            assert_eq!(rest.patience(), Some(patience), "{rest:?}");
        }
        assert_eq!(Rest::Nothing.patience(), None, "until a commit comes");
    }
}
