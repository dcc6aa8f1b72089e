//! The real journal of one simulated node, driven as the node's journal thread drives it.
//!
//! At most two batches are under way: one written and waiting for its sync, one waiting for the
//! first. What was vouched for is remembered by fingerprint, so that every recovery can be held
//! against it: a journal must give back all that was vouched for, in order, and of the rest a
//! prefix. When a sync comes back is for the caller to say.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use synod_journal::{
    AppendError, HardState, Journal, Lsn, OpenError, Options, Reader, Records, SimDisk, SyncError,
};
use synod_paxos::{Decree, Slot, Synced};
use synod_smr::command::{CommandBatch, fingerprint};
use synod_smr::wire::record::{JournalRecord, decode_record, encode_record, encode_replica_record};
use synod_smr::{Batch, LogRead, Message, Record};

/// The segments are small, so that a minute sees several.
pub const SEGMENT_BYTES: u64 = 64 << 10;

/// The most batches under way: one that is written and waits for its sync, and the next one.
pub const BATCHES_MAX: usize = 2;

/// A batch of more bytes is cut into several commits, as a node does.
const COMMIT_BYTES: u64 = 8 << 10;

/// With less room for work than this the disk counts as full.
const FULL_BELOW_BYTES: u64 = 12 << 10;

/// With more room than this a full disk counts as fine again.
const FINE_ABOVE_BYTES: u64 = 16 << 10;

/// Why a node's storage cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It cannot be synced.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// It gave back what was not written, or not all of what was vouched for.
    #[error("{0}")]
    Untrue(String),
}

/// What was ever vouched for on one disk, by fingerprint.
#[derive(Clone, Debug, Default)]
pub struct Vouched {
    records: Vec<u64>,
    /// Written since, and not vouched for.
    pending: Vec<u64>,
}

/// What a recovery found.
#[derive(Debug)]
pub struct Found {
    /// The records of the replica, in order.
    pub records: Vec<Record>,
    /// How many of them had been vouched for; the rest survived by luck.
    pub vouched: usize,
    /// How many had been written and not vouched for, whether they survived or not.
    pub unvouched: usize,
    /// Bytes of a torn tail that were cut.
    pub cut_bytes: u64,
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

/// The journal of one life of a node.
pub struct Storage {
    journal: Journal<SimDisk>,
    reader: Reader<SimDisk>,
    incarnation: u64,
    places: BTreeMap<Slot, Lsn>,
    writing: Option<Writing>,
    next: Option<Batch>,
    full: bool,
    /// Bytes of commits that this life has appended.
    appended: u64,
}

/// A batch that was written and waits for its sync.
struct Writing {
    batch: Batch,
    first: Lsn,
    prints: usize,
}

impl Storage {
    /// Opens the journal on a disk, checks what it gives back, and begins another life.
    ///
    /// # Errors
    ///
    /// Fails as the disk does, and when the journal gives back something untrue.
    pub fn open(disk: &SimDisk, vouched: &mut Vouched) -> Result<(Self, Found), StorageError> {
        let mut options = Options::new(b"synod simulation");
        options.segment_bytes = SEGMENT_BYTES;
        let mut reading = Reading::default();
        let opened = Journal::open(disk.clone(), Path::new("journal"), &options, |record| {
            reading.take(record);
        });
        let (mut journal, recovered) = opened?;
        if let Some(reason) = reading.foreign {
            return Err(StorageError::Untrue(reason));
        }
        let unvouched = vouched.pending.len();
        let kept = vouched.settle(&reading.prints)?;
        let incarnation = reading.incarnation.max(incarnation_of(recovered.hard_state)) + 1;
        let mut records = Records::new();
        records.push(&encode_record(&JournalRecord::Incarnation(incarnation)));
        journal.append(&hard_state(incarnation), &mut records)?;
        journal.sync()?;
        let reader = journal.reader();
        let storage = Self {
            journal,
            reader,
            incarnation,
            places: reading.places,
            writing: None,
            next: None,
            full: false,
            appended: 0,
        };
        let cut_bytes = recovered.cut_bytes;
        let found = Found { records: reading.records, vouched: kept, unvouched, cut_bytes };
        Ok((storage, found))
    }

    /// Returns which start of the node this is.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Tells whether another batch may be handed over.
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.next.is_none()
    }

    /// Tells whether nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.writing.is_none() && self.next.is_none()
    }

    /// Tells whether this life appended more than one segment can hold.
    #[must_use]
    pub fn has_turned(&self) -> bool {
        self.appended > SEGMENT_BYTES
    }

    /// Says what is under way.
    #[must_use]
    pub fn unsynced(&self) -> Unsynced {
        let writing = self.writing.as_ref().map(|writing| &writing.batch);
        let mut unsynced = Unsynced::default();
        for batch in writing.into_iter().chain(&self.next) {
            unsynced.batches += 1;
            for record in batch.records() {
                match record {
                    Record::Promised(_) => unsynced.promise = true,
                    Record::Accepted { .. } => unsynced.vote = true,
                    Record::Learned { .. } | Record::Chosen(_) => {}
                }
            }
        }
        unsynced
    }

    /// Takes a batch; says whether a sync began with it.
    ///
    /// # Errors
    ///
    /// Fails as the disk does.
    pub fn write(&mut self, batch: Batch, vouched: &mut Vouched) -> Result<bool, StorageError> {
        if self.writing.is_some() {
            self.next = Some(batch);
            return Ok(false);
        }
        self.begin(batch, vouched)?;
        Ok(true)
    }

    /// Ends the sync that was begun; returns the records that are durable, the proof of it, and
    /// whether the sync of a next batch began.
    ///
    /// # Errors
    ///
    /// Fails as the disk does.
    pub fn synced(
        &mut self,
        vouched: &mut Vouched,
    ) -> Result<Option<(Vec<Record>, Synced, bool)>, StorageError> {
        let Some(writing) = self.writing.take() else { return Ok(None) };
        self.journal.sync()?;
        self.journal.prepare()?;
        vouched.vouch(writing.prints);
        for (record, behind) in writing.batch.records().iter().zip(0..) {
            if let Some(slot) = slot_of(record) {
                self.places.insert(slot, writing.first.advanced(behind));
            }
        }
        let records = writing.batch.records().to_vec();
        let proof = writing.batch.vouch_synced();
        let more = match self.next.take() {
            Some(batch) => {
                self.begin(batch, vouched)?;
                true
            }
            None => false,
        };
        Ok(Some((records, proof, more)))
    }

    /// Works on the segment that comes next, as the journal's thread does while it is idle.
    ///
    /// # Errors
    ///
    /// Fails as the disk does.
    pub fn prepare(&mut self) -> Result<(), StorageError> {
        if self.is_idle() {
            self.journal.prepare()?;
        }
        Ok(())
    }

    /// Seals the journal, as an idle one is.
    ///
    /// # Errors
    ///
    /// Fails as the disk does.
    pub fn seal(&mut self) -> Result<(), StorageError> {
        Ok(self.journal.seal()?)
    }

    /// Seals the journal and gives it back.
    ///
    /// # Errors
    ///
    /// Fails as the disk does.
    pub fn close(self) -> Result<(), StorageError> {
        Ok(self.journal.close()?)
    }

    /// Says if the disk became full, or has room again.
    pub fn look_at_room(&mut self) -> Option<synod_smr::Disk> {
        let room = self.journal.room_for_work();
        let bound = if self.full { FINE_ABOVE_BYTES } else { FULL_BELOW_BYTES };
        let full = room < bound;
        if std::mem::replace(&mut self.full, full) == full {
            return None;
        }
        Some(if full { synod_smr::Disk::Full } else { synod_smr::Disk::Fine })
    }

    /// Reads old decrees back, as many as can be read.
    pub fn read(&mut self, wish: LogRead) -> Option<Message> {
        let LogRead { first, end, chosen, .. } = wish;
        let mut decrees: Vec<Decree<CommandBatch>> = Vec::new();
        for slot in (first.number()..end.number()).map(Slot::new) {
            let Some(place) = self.places.get(&slot) else { break };
            let Ok(bytes) = self.reader.read(*place) else { break };
            match decode_record(&Bytes::from(bytes)) {
                Ok(JournalRecord::Replica(
                    Record::Accepted { slot: found, decree, .. }
                    | Record::Learned { slot: found, decree },
                )) if found == slot => decrees.push(decree),
                Ok(_) | Err(_) => break,
            }
        }
        (!decrees.is_empty()).then_some(Message::Decrees { first, decrees, chosen })
    }

    fn begin(&mut self, batch: Batch, vouched: &mut Vouched) -> Result<(), StorageError> {
        // The commits of a batch are consecutive.
        let first = self.journal.next_lsn();
        let mut records = Records::new();
        for record in batch.records() {
            if records.frame_bytes() > COMMIT_BYTES {
                self.append(&mut records)?;
            }
            let bytes = encode_replica_record(record);
            vouched.pending.push(fingerprint(&bytes));
            records.push(&bytes);
        }
        self.append(&mut records)?;
        let prints = batch.records().len();
        self.writing = Some(Writing { batch, first, prints });
        Ok(())
    }

    fn append(&mut self, records: &mut Records) -> Result<(), AppendError> {
        self.journal.append(&hard_state(self.incarnation), records)?;
        self.appended += records.frame_bytes();
        records.clear();
        Ok(())
    }
}

impl Vouched {
    /// Takes note that the next records are durable.
    fn vouch(&mut self, count: usize) {
        self.records.extend(self.pending.drain(..count));
    }

    /// Holds what was found against what was written; returns how many had been vouched for.
    fn settle(&mut self, found: &[u64]) -> Result<usize, StorageError> {
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
        self.records.extend_from_slice(lucky);
        self.pending.clear();
        Ok(vouched)
    }
}

/// What the records of a journal add up to.
#[derive(Default)]
struct Reading {
    records: Vec<Record>,
    prints: Vec<u64>,
    places: BTreeMap<Slot, Lsn>,
    incarnation: u64,
    foreign: Option<String>,
}

impl Reading {
    fn take(&mut self, record: synod_journal::Record<'_>) {
        match decode_record(&Bytes::copy_from_slice(record.bytes)) {
            Ok(JournalRecord::Incarnation(number)) => {
                self.incarnation = self.incarnation.max(number);
            }
            Ok(JournalRecord::Replica(replica)) => {
                if let Some(slot) = slot_of(&replica) {
                    self.places.insert(slot, record.lsn);
                }
                self.prints.push(fingerprint(record.bytes));
                self.records.push(replica);
            }
            Err(error) => {
                self.foreign.get_or_insert_with(|| format!("record {}: {error}", record.lsn));
            }
        }
    }
}

fn slot_of(record: &Record) -> Option<Slot> {
    match record {
        Record::Accepted { slot, .. } | Record::Learned { slot, .. } => Some(*slot),
        Record::Promised(_) | Record::Chosen(_) => None,
    }
}

fn hard_state(incarnation: u64) -> HardState {
    let mut state = HardState::default();
    state.0[..8].copy_from_slice(&incarnation.to_le_bytes());
    state
}

fn incarnation_of(state: HardState) -> u64 {
    u64::from_le_bytes(state.0[..8].try_into().expect("eight bytes were cut"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn vouched(records: &[u64], pending: &[u64]) -> Vouched {
        Vouched { records: records.to_vec(), pending: pending.to_vec() }
    }

    #[test]
    fn what_was_vouched_for_must_come_back_and_of_the_rest_a_prefix() {
        assert_eq!(vouched(&[1, 2], &[3, 4]).settle(&[1, 2]).unwrap(), 2);
        assert_eq!(vouched(&[1, 2], &[3, 4]).settle(&[1, 2, 3]).unwrap(), 2);
        assert!(vouched(&[1, 2], &[3, 4]).settle(&[1]).is_err(), "a synced record is lost");
        assert!(vouched(&[1, 2], &[3, 4]).settle(&[1, 5]).is_err(), "a synced record changed");
        assert!(vouched(&[1, 2], &[3, 4]).settle(&[1, 2, 4]).is_err(), "a hole before a survivor");
        assert!(vouched(&[1, 2], &[]).settle(&[1, 2, 3]).is_err(), "nobody wrote this");
    }

    #[test]
    fn what_survived_by_luck_counts_from_then_on() {
        let mut all = vouched(&[1], &[2, 3]);
        all.settle(&[1, 2]).unwrap();
        assert!(all.settle(&[1]).is_err(), "a recovery has shown it to the replica");
    }
}
