//! The journal's thread of one simulated node, in virtual time.
//!
//! It does what the thread of `synod_journal::GroupCommit` does, with the same code: it takes all
//! commits that wait, writes them, syncs once, completes them, and works ahead while none comes.
//! Only the waiting is its own: when a sync comes back, and when it rests, is for the caller to
//! say. What was vouched for is remembered by fingerprint, so that every recovery can be held
//! against it: a journal must give back all that was vouched for, in order, and of the rest a
//! prefix.

use std::collections::BTreeSet;

use synod_host::journal::{
    AppendError, Commit, Committer, FreeSpace, Journal, OpenError, Reader, Rest, SimDisk,
};
use synod_host::{Committed, RecoveryError, Ticket};
use synod_paxos::{Ballot, NodeId, Slot};
use synod_simulator::Micros;
use synod_smr::wire::{JournalRecord, decode_record};
use synod_smr::{Record, fingerprint};

/// Why a node's storage cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The journal cannot be read, or the life in it cannot begin.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// It cannot be written.
    #[error("cannot write: {0}")]
    Write(AppendError),
    /// It cannot be synced.
    #[error("cannot sync: {0}")]
    Sync(AppendError),
    /// It gave back what was not written, or not all of what was vouched for.
    #[error("{0}")]
    Untrue(String),
}

/// What was ever vouched for on one disk, by fingerprint.
#[derive(Clone, Debug, Default)]
pub struct Vouched {
    records: Vec<Print>,
    /// Written since, and not vouched for.
    pending: Vec<Print>,
}

/// What stands for a record in comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    mark: u64,
    /// Whether it is one of the replica.
    of_replica: bool,
    tells: Tells,
}

/// What only a record tells, and must not be lost with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tells {
    Nothing,
    Slot(Slot),
    Promise(Ballot),
    Peer(NodeId),
}

impl Print {
    /// Returns the promise that it tells of alone.
    fn promise(&self) -> Option<Ballot> {
        match self.tells {
            Tells::Promise(ballot) => Some(ballot),
            Tells::Nothing | Tells::Slot(_) | Tells::Peer(_) => None,
        }
    }

    fn of(bytes: &[u8], record: &JournalRecord) -> Self {
        let (of_replica, tells) = match record {
            JournalRecord::Replica(Record::Promised(ballot)) => (true, Tells::Promise(*ballot)),
            JournalRecord::Replica(
                Record::Accepted { slot, .. } | Record::Learned { slot, .. },
            ) => (true, Tells::Slot(*slot)),
            JournalRecord::Replica(Record::Chosen(_)) => (true, Tells::Nothing),
            JournalRecord::Peer(peer, _) => (false, Tells::Peer(*peer)),
            JournalRecord::Incarnation(_) | JournalRecord::Snapshot(_) => (false, Tells::Nothing),
        };
        Self { mark: fingerprint(bytes), of_replica, tells }
    }
}

/// What a recovery found.
#[derive(Debug, Default)]
pub struct Found {
    /// The records of the replica, in order.
    pub records: Vec<Record>,
    /// How many of them had been vouched for; the rest survived by luck.
    pub vouched: usize,
    /// How many had been written and not vouched for, whether they survived or not.
    pub unvouched: usize,
    /// The slot of the snapshot that the life begins with.
    pub state_at: Slot,
    /// Whether it begins with the state there: its snapshot may be damaged.
    pub has_state: bool,
    /// Whether records were cut off that had been there in an earlier life.
    pub is_cut: bool,
    /// Bytes of a torn tail that were cut.
    pub cut_bytes: u64,
    prints: Vec<Print>,
}

/// What was handed over and is not durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsynced {
    /// How many batches.
    pub batches: usize,
    /// Whether a promise is among it.
    pub promise: bool,
    /// Whether a vote is among it.
    pub vote: bool,
}

/// The journal of one life of a node, and what its thread is about.
pub struct JournalThread {
    committer: Committer<SimDisk, Ticket>,
    reader: Reader<SimDisk>,
    waiting: Vec<Commit<Ticket>>,
    /// The fingerprints of the records in them.
    waiting_prints: Vec<Print>,
    /// What a sync is under way for, or waits for one.
    unsynced: Vec<Unsynced>,
    /// How many commits are written and wait for the sync that is under way.
    syncing: usize,
    rest: Rest,
    rests_since: Micros,
    /// The room when it was last looked at.
    room: FreeSpace,
    /// What the commits take that came since.
    in_flight_bytes: u64,
    /// Bytes of commits that this life has appended.
    appended: u64,
    segment_bytes: u64,
}

impl JournalThread {
    /// Takes the journal of a life over.
    #[must_use]
    pub fn new(journal: Journal<SimDisk>, segment_bytes: u64, now: Micros) -> Self {
        let reader = journal.reader();
        let committer = Committer::new(journal);
        let room = committer.room();
        Self {
            committer,
            reader,
            waiting: Vec::new(),
            waiting_prints: Vec::new(),
            unsynced: Vec::new(),
            syncing: 0,
            rest: Rest::Prepare,
            rests_since: now,
            room,
            in_flight_bytes: 0,
            appended: 0,
            segment_bytes,
        }
    }

    /// Returns the room that is left when everything is written that came.
    #[must_use]
    pub fn room(&self) -> FreeSpace {
        self.room.less(self.in_flight_bytes)
    }

    /// Lends the handle that reads what was synced.
    pub fn reader(&mut self) -> &mut Reader<SimDisk> {
        &mut self.reader
    }

    /// Tells whether nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.syncing == 0 && self.waiting.is_empty()
    }

    /// Tells whether this life appended more than one segment can hold.
    #[must_use]
    pub fn has_turned(&self) -> bool {
        self.appended > self.segment_bytes
    }

    /// Says what is under way, in a life that has so many batches in flight.
    #[must_use]
    pub fn unsynced(&self, batches: usize) -> Unsynced {
        Unsynced {
            batches,
            promise: self.unsynced.iter().any(|unsynced| unsynced.promise),
            vote: self.unsynced.iter().any(|unsynced| unsynced.vote),
        }
    }

    /// Takes a commit; says whether a sync began with it, or it waits for the one under way.
    pub fn submit(&mut self, commit: Commit<Ticket>, vouched: &mut Vouched) -> bool {
        self.in_flight_bytes += commit.records.frame_bytes();
        let unsynced = self.look_at(&commit);
        self.unsynced.push(unsynced);
        self.waiting.push(commit);
        if self.syncing > 0 {
            return false;
        }
        self.begin(vouched);
        true
    }

    /// Ends the sync that was begun; returns what is durable with it, and whether another one
    /// began.
    ///
    /// # Errors
    ///
    /// Fails as the disk does.
    pub fn synced(
        &mut self,
        now: Micros,
        vouched: &mut Vouched,
    ) -> Result<(Vec<Committed>, bool), StorageError> {
        self.committer.sync().map_err(StorageError::Sync)?;
        let (_, bytes) = self.committer.complete();
        self.in_flight_bytes -= bytes;
        let completions: Vec<Committed> = self.committer.completions().collect();
        // Commits complete in the order in which they came, so these are the first.
        self.unsynced.drain(..completions.len());
        for completion in &completions {
            let count = completion.lsns.end.get() - completion.lsns.start.get();
            vouched.vouch(usize::try_from(count).unwrap_or(usize::MAX));
        }
        self.syncing = 0;
        self.rest = self.committer.end_batch().map_err(StorageError::Write)?;
        self.rests_since = now;
        self.room = self.committer.room();
        let more = !self.waiting.is_empty();
        if more {
            self.begin(vouched);
        }
        Ok((completions, more))
    }

    /// Does what the thread does when no commit came for long enough.
    ///
    /// # Errors
    ///
    /// Fails as the disk does.
    pub fn idle(&mut self, now: Micros) -> Result<(), StorageError> {
        while self.is_idle()
            && let Some(patience) = self.rest.patience()
            && now.since(self.rests_since).0 >= Micros::from_ms(patience_ms(patience)).0
        {
            let rest = self.committer.idle(self.rest).map_err(StorageError::Write)?;
            self.room = self.committer.room();
            if rest != Rest::Prepare {
                self.rests_since = now;
            }
            self.rest = rest;
        }
        Ok(())
    }

    /// Tells whether the disk refused a commit; the thread ends with the sync of those before it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.committer.is_refused()
    }

    /// Seals the journal and gives it back.
    ///
    /// # Errors
    ///
    /// Fails as the disk does.
    pub fn close(self) -> Result<(), StorageError> {
        self.committer.close().map_err(|error| StorageError::Sync(error.into()))
    }

    /// Says what of a commit matters until it is durable, and takes its records' fingerprints.
    fn look_at(&mut self, commit: &Commit<Ticket>) -> Unsynced {
        let mut unsynced = Unsynced::default();
        for bytes in &commit.records {
            let Ok(record) = decode_record(&bytes.to_vec().into()) else { continue };
            if let JournalRecord::Replica(record) = &record {
                unsynced.promise |= matches!(record, Record::Promised(_));
                unsynced.vote |= matches!(record, Record::Accepted { .. });
            }
            self.waiting_prints.push(Print::of(bytes, &record));
        }
        unsynced
    }

    fn begin(&mut self, vouched: &mut Vouched) {
        // Before the write: one that fails may still have left a part of them on the disk.
        vouched.pending.append(&mut self.waiting_prints);
        for commit in &self.waiting {
            self.appended += commit.records.frame_bytes();
        }
        self.syncing = self.waiting.len();
        self.committer.write(&mut self.waiting);
    }
}

impl Found {
    /// Takes a record that the journal gave back.
    pub fn take(&mut self, bytes: &[u8], record: &JournalRecord) {
        match record {
            // It was written and synced before anything else of its life.
            JournalRecord::Incarnation(_) => {}
            JournalRecord::Replica(record) => {
                self.records.push(record.clone());
            }
            JournalRecord::Peer(..) | JournalRecord::Snapshot(_) => {}
        }
        if !matches!(record, JournalRecord::Incarnation(_)) {
            self.prints.push(Print::of(bytes, record));
        }
    }
}

impl Vouched {
    /// Takes note that the next records are durable.
    fn vouch(&mut self, count: usize) {
        self.records.extend(self.pending.drain(..count));
    }

    /// Holds what was found against what was written.
    ///
    /// # Errors
    ///
    /// Fails where something vouched for is missing or changed, or something is there that was
    /// never written.
    pub fn settle(&mut self, found: &mut Found) -> Result<(), StorageError> {
        // It is counted first, as the comparison gives up what was pending.
        found.unvouched = self.pending.iter().filter(|print| print.of_replica).count();
        found.is_cut = self.cut(&found.prints, found.state_at)?;
        let vouched = self.compare(&found.prints)?;
        found.vouched = found.prints[..vouched].iter().filter(|print| print.of_replica).count();
        Ok(())
    }

    /// Gives up the records that were cut off with the log. What only they told must be told again
    /// by one that is there, but for the slots that a snapshot stands for.
    fn cut(&mut self, found: &[Print], state_at: Slot) -> Result<bool, StorageError> {
        let is_rest = |cut: usize| {
            let rest = &self.records[cut..];
            rest.len() <= found.len() && rest == &found[..rest.len()]
        };
        let cut = (0..=self.records.len()).find(|cut| is_rest(*cut)).unwrap_or(0);
        let promised = found.iter().filter_map(Print::promise).max();
        let told: BTreeSet<Tells> = found.iter().map(|print| print.tells).collect();
        let untold = self.records[..cut].iter().find(|print| match print.tells {
            Tells::Nothing => false,
            Tells::Slot(slot) => slot >= state_at && !told.contains(&print.tells),
            Tells::Peer(_) => !told.contains(&print.tells),
            Tells::Promise(ballot) => promised < Some(ballot),
        });
        if let Some(print) = untold {
            let tells = print.tells;
            let reason = format!("{tells:?} was cut off above a snapshot at {state_at}");
            return Err(StorageError::Untrue(reason));
        }
        self.records.drain(..cut);
        Ok(cut > 0)
    }

    /// Compares fingerprints; returns how many had been vouched for.
    fn compare(&mut self, found: &[Print]) -> Result<usize, StorageError> {
        let vouched = self.records.len();
        let untrue = |reason: String| Err(StorageError::Untrue(reason));
        if found.len() < vouched {
            return untrue(format!("{vouched} records were synced and {} are there", found.len()));
        }
        if let Some(place) = (0..vouched).find(|place| found[*place] != self.records[*place]) {
            return untrue(format!("record {place} is not the one that was synced"));
        }
        let lucky = &found[vouched..];
        if !self.pending.starts_with(lucky) {
            return untrue(format!("after {vouched} records there is what was never written"));
        }
        // The start has written and synced anew what it found, so it counts as vouched for from
        // here on.
        self.records.extend_from_slice(lucky);
        self.pending.clear();
        Ok(vouched)
    }
}

fn patience_ms(patience: std::time::Duration) -> u64 {
    u64::try_from(patience.as_millis()).unwrap_or(u64::MAX)
}

/// Tells whether a journal was found to be damaged for good.
#[must_use]
pub fn is_damage(error: &StorageError) -> bool {
    match error {
        StorageError::Recovery(
            RecoveryError::Journal(OpenError::Damaged(_)) | RecoveryError::DamagedSnapshot { .. },
        ) => true,
        StorageError::Recovery(_)
        | StorageError::Write(_)
        | StorageError::Sync(_)
        | StorageError::Untrue(_) => false,
    }
}

/// Tells whether a full disk ended a process, or kept one from starting: it never may.
#[must_use]
pub fn is_of_a_full_disk(error: &StorageError) -> bool {
    match error {
        StorageError::Recovery(
            RecoveryError::Journal(OpenError::Full { .. })
            | RecoveryError::FirstWrite(AppendError::Full { .. }),
        )
        | StorageError::Write(AppendError::Full { .. } | AppendError::TooLarge { .. }) => true,
        StorageError::Recovery(_)
        | StorageError::Write(_)
        | StorageError::Sync(_)
        | StorageError::Untrue(_) => false,
    }
}

/// Tells whether a journal was found to be that of somebody else.
#[must_use]
pub fn is_of_another(error: &StorageError) -> bool {
    matches!(error, StorageError::Recovery(RecoveryError::Journal(OpenError::OtherIdentity { .. })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn prints(numbers: &[u64]) -> Vec<Print> {
        let print = |mark: &u64| Print { mark: *mark, of_replica: true, tells: Tells::Nothing };
        numbers.iter().map(print).collect()
    }

    fn compare(records: &[u64], pending: &[u64], found: &[u64]) -> Result<usize, StorageError> {
        let mut vouched = Vouched { records: prints(records), pending: prints(pending) };
        vouched.compare(&prints(found))
    }

    #[test]
    fn what_was_vouched_for_must_come_back_and_of_the_rest_a_prefix() {
        assert_eq!(compare(&[1, 2], &[3, 4], &[1, 2]).unwrap(), 2);
        assert_eq!(compare(&[1, 2], &[3, 4], &[1, 2, 3]).unwrap(), 2);
        assert!(compare(&[1, 2], &[3, 4], &[1]).is_err(), "a synced record is lost");
        assert!(compare(&[1, 2], &[3, 4], &[1, 5]).is_err(), "a synced record changed");
        assert!(compare(&[1, 2], &[3, 4], &[1, 2, 4]).is_err(), "a hole before a survivor");
        assert!(compare(&[1, 2], &[], &[1, 2, 3]).is_err(), "nobody wrote this");
    }

    #[test]
    fn what_survived_by_luck_counts_from_then_on() {
        let mut all = Vouched { records: prints(&[1]), pending: prints(&[2, 3]) };
        all.compare(&prints(&[1, 2])).unwrap();
        assert!(all.compare(&prints(&[1])).is_err(), "a recovery has shown it to the replica");
    }
}
