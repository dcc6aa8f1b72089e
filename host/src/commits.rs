//! Batches of records on their way to the journal: out as commits, back as proofs.
//!
//! Writing and syncing is the journal's. A batch may be cut into several commits, and each of them
//! carries the hard state of the records up to its own end: a crash between two commits leaves
//! frames that tell of nothing which their records do not hold. The claims kept true: a batch is
//! vouched for only after the completion that covers all of it, and the place of each slot that is
//! noted is that of its last durable record, in the order of writing.

use std::collections::VecDeque;

use synod_journal::{Commit, Completion, Lsn, Records};
use synod_paxos::{Ballot, Slot, Synced};
use synod_smr::wire::{JournalRecord, encode_record, encode_replica_record};
use synod_smr::{Batch, Record};

use crate::hard_state::NodeHardState;
use crate::slot_index::SlotIndex;

/// What comes back with a completion: the batch, with the last of its commits.
#[derive(Debug)]
pub struct Ticket {
    batch: Option<Batch>,
    /// The slot below which the log may go once this is durable.
    cut: Option<Slot>,
}

/// A commit of a host that is durable.
pub type Committed = Completion<Ticket>;

impl Ticket {
    /// Returns the records that are durable with this commit as a whole batch, for those who look
    /// on; none where the rest of the batch is still on its way.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        self.batch.as_ref().map_or(&[], Batch::records)
    }
}

/// The batches under way.
#[derive(Debug)]
pub(crate) struct Commits {
    /// The commits that are with the journal.
    in_flight: usize,
    /// The batches of which something is under way or waits.
    batches: usize,
    /// How many batches there may be, and how many commits may be with the journal.
    most: usize,
    waiting: VecDeque<Commit<Ticket>>,
    spare: Vec<Records>,
    life: NodeHardState,
    /// The first record that is needed, to be told with the next commit.
    keep: Option<Lsn>,
}

/// What came of a commit that is durable.
#[derive(Debug, Default)]
pub(crate) struct Confirmed {
    /// The proof, if a batch is durable with it.
    pub(crate) proof: Option<Synced>,
    /// The slot below which the log may go, if that is recorded with it.
    pub(crate) cut: Option<Slot>,
}

impl Ticket {
    const NONE: Self = Self { batch: None, cut: None };
}

impl Commits {
    pub(crate) fn new(life: NodeHardState, most: usize) -> Self {
        let (waiting, spare) = (VecDeque::new(), Vec::new());
        Self { in_flight: 0, batches: 0, most, waiting, spare, life, keep: None }
    }

    /// Tells whether another batch may be written.
    pub(crate) const fn has_place(&self) -> bool {
        self.batches < self.most
    }

    /// Tells whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.waiting.is_empty()
    }

    /// Counts the batches that are not durable.
    pub(crate) const fn batches(&self) -> usize {
        self.batches
    }

    /// Tells whether a commit waits for a place, as it does with a disk that hangs. What the host
    /// itself remembers is not added then: it would pile up, and only the last of it counts.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns what the commits take on the disk that wait for a place.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.waiting.iter().map(|commit| commit.records.frame_bytes()).sum()
    }

    /// Writes what the host itself remembers, in a commit of its own, if it takes no more than the
    /// room; tells whether it did. Nobody waits for it.
    pub(crate) fn note(&mut self, notes: impl Iterator<Item = JournalRecord>, room: u64) -> bool {
        self.note_with(notes, Ticket::NONE, room)
    }

    /// Records that the log below a slot may go, and anew what records below it may have told
    /// alone: the promise, and what is remembered of peers.
    ///
    /// spec: Snapshot!Truncate
    pub(crate) fn cut(
        &mut self,
        slot: Slot,
        peers: impl Iterator<Item = JournalRecord>,
        room: u64,
    ) -> bool {
        let promised = JournalRecord::Replica(Record::Promised(self.life.promised));
        let notes = [JournalRecord::Snapshot(slot), promised].into_iter().chain(peers);
        self.note_with(notes, Ticket { batch: None, cut: Some(slot) }, room)
    }

    fn note_with(
        &mut self,
        notes: impl Iterator<Item = JournalRecord>,
        ticket: Ticket,
        room: u64,
    ) -> bool {
        let mut records = self.spare.pop().unwrap_or_default();
        notes.for_each(|note| records.push(&encode_record(&note)));
        let fits = records.frame_bytes() <= room;
        if fits {
            self.put(records, ticket);
        } else {
            records.clear();
            self.spare.push(records);
        }
        fits
    }

    /// Cuts a batch into as many commits as it needs.
    pub(crate) fn write(&mut self, batch: Batch, commit_bytes: u64) {
        self.batches += 1;
        let mut records = self.spare.pop().unwrap_or_default();
        for record in batch.records() {
            if records.frame_bytes() > commit_bytes {
                let next = self.spare.pop().unwrap_or_default();
                let full = std::mem::replace(&mut records, next);
                self.put(full, Ticket::NONE);
            }
            self.life.promised = self.life.promised.max(promise_of(record));
            records.push(&encode_replica_record(record));
        }
        self.put(records, Ticket { batch: Some(batch), cut: None });
    }

    fn put(&mut self, records: Records, ticket: Ticket) {
        let hard_state = self.life.encode();
        self.waiting.push_back(Commit { hard_state, records, keep: None, ticket });
    }

    /// Takes the next commit that the journal has a place for.
    pub(crate) fn next(&mut self) -> Option<Commit<Ticket>> {
        if self.in_flight == self.most {
            return None;
        }
        let mut commit = self.waiting.pop_front()?;
        commit.keep = self.keep.take();
        self.in_flight += 1;
        Some(commit)
    }

    /// Takes a completion in, notes where the slots are, and returns the proof if a batch is
    /// durable with it.
    pub(crate) fn on_committed(
        &mut self,
        committed: Committed,
        slots: &mut SlotIndex,
    ) -> Confirmed {
        let Completion { ticket, lsns, records } = committed;
        self.in_flight -= 1;
        // A buffer has room for a full commit and a record at most, so those that are kept have a
        // bound together.
        if self.spare.len() < self.most {
            self.spare.push(records);
        }
        if let Some(slot) = ticket.cut {
            slots.forget_below(slot);
            // What stands above it may have its latest record before that of the snapshot.
            self.keep = slots.first_place().into_iter().chain([lsns.start]).min();
        }
        let Some(batch) = ticket.batch else {
            return Confirmed { proof: None, cut: ticket.cut };
        };
        // The places of all its slots are noted with the last commit only: until then the replica
        // has no proof, and may not let go of any of them.
        self.batches -= 1;
        // The commits of a batch are consecutive, so its last record is the last of these.
        let first = lsns.end.get() - batch.records().len() as u64;
        for (record, number) in batch.records().iter().zip(first..) {
            if let (Some(slot), Some(place)) = (slot_of(record), Lsn::new(number)) {
                slots.note(slot, place);
            }
        }
        Confirmed { proof: Some(batch.confirm_synced()), cut: ticket.cut }
    }
}

/// Returns the slot whose decree a record holds.
pub(crate) const fn slot_of(record: &Record) -> Option<Slot> {
    match record {
        Record::Accepted { slot, .. } | Record::Learned { slot, .. } => Some(*slot),
        Record::Promised(_) | Record::Chosen(_) => None,
    }
}

/// A vote promises its ballot, too.
const fn promise_of(record: &Record) -> Ballot {
    match record {
        Record::Promised(ballot) | Record::Accepted { ballot, .. } => *ballot,
        Record::Learned { .. } | Record::Chosen(_) => Ballot::ZERO,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn commits(most: usize) -> Commits {
        Commits::new(NodeHardState { incarnation: 1, promised: Ballot::ZERO }, most)
    }

    fn put(commits: &mut Commits, bytes: usize) {
        let mut records = commits.spare.pop().unwrap_or_default();
        records.push(&vec![7; bytes]);
        commits.put(records, Ticket::NONE);
    }

    fn complete(commits: &mut Commits, slots: &mut SlotIndex) {
        let Commit { mut records, ticket, .. } = commits.next().unwrap();
        records.clear();
        let lsns = Lsn::FIRST..Lsn::FIRST;
        let confirmed = commits.on_committed(Completion { ticket, lsns, records }, slots);
        assert!(confirmed.proof.is_none());
    }

    /// The host asks no more of a disk than it has, what waits in front of it included.
    #[test]
    fn commits_that_wait_count_with_all_that_they_take_on_the_disk() {
        let mut commits = commits(1);
        assert_eq!(commits.waiting_bytes(), 0);
        put(&mut commits, 100);
        let first = commits.waiting_bytes();
        assert!(first > 100, "{first}");
        put(&mut commits, 5_000);
        let both = commits.waiting_bytes();
        assert!(both > first + 5_000, "{both}");
        assert!(commits.next().is_some() && commits.next().is_none(), "one place");
        assert_eq!(commits.waiting_bytes(), both - first);
    }

    #[test]
    fn buffers_are_used_again_and_no_more_are_kept_than_may_be_under_way() {
        let (mut commits, mut slots) = (commits(2), SlotIndex::default());
        for _ in 0..5 {
            put(&mut commits, 10);
        }
        for kept in [1, 2, 2, 2, 2] {
            complete(&mut commits, &mut slots);
            assert_eq!(commits.spare.len(), kept);
        }
        assert!(commits.is_idle());
        put(&mut commits, 10);
        assert_eq!(commits.spare.len(), 1, "a buffer is used again");
    }
}
