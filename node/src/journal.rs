//! The node's side of the journal: recovery at the start, batches out and proofs in afterwards.
//!
//! The journal writes and syncs on its own thread; here batches become records, completions become
//! proofs, and the room on the disk becomes an input of the core before work is taken that would
//! not fit. The claims kept true: a batch is vouched for only after the completion that covers all
//! of it, and each slot's place is noted only once it is durable.

use std::collections::VecDeque;

use bytes::Bytes;
use synod_journal::{
    AppendError, Commit, Completion, Create, GroupCommit, IN_FLIGHT_MAX, Journal, Options, Reader,
    RealDisk, Records, SubmitError,
};
use synod_paxos::{Ballot, Synced};
use synod_smr::wire::record::{JournalRecord, decode_record, encode_record, encode_replica_record};
use synod_smr::{Batch, Disk, Effects, Record, Recovering, Replica, StateMachine};
use synod_transport_quic::ClusterId;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::create::journal_identity;
use crate::hard_state::Life;
use crate::node::NodeError;
use crate::progress::Progress;
use crate::slot_index::SlotIndex;
use crate::start::StartError;

/// What comes back with a completion: the batch, with the last of its commits.
type Ticket = Option<Batch>;

/// The end of a commit, as the journal's thread reports it.
pub(crate) type Done = Result<Completion<Ticket>, AppendError>;

/// A replica on its way back, and the journal that it came from.
pub(crate) struct Recovered<M> {
    /// Which start of the node this is; durable.
    pub(crate) incarnation: u64,
    journal: Journal<RealDisk>,
    recovering: Recovering<M>,
    slots: SlotIndex,
    life: Life,
}

/// Writes the batches of the core, at most two at a time.
pub(crate) struct JournalWriter {
    group: GroupCommit<Ticket>,
    in_flight: usize,
    /// The commits of a batch that is too large for one.
    waiting: VecDeque<(Records, Ticket)>,
    spare: Vec<Records>,
    life: Life,
    slots: SlotIndex,
    disk: Disk,
    /// Bytes of inputs that may have become records and are not yet with the journal.
    taken: u64,
}

/// Reads the journal and makes this start durable.
pub(crate) fn recover<M: StateMachine>(
    config: &Config,
    cluster: ClusterId,
    machine: M,
) -> Result<Recovered<M>, StartError> {
    let mut options = Options::new(journal_identity(config, cluster).as_bytes());
    options.create = Create::Never;
    options.segment_bytes = config.segment_bytes;
    let mut reading = Reading {
        recovering: Recovering::new(machine),
        slots: SlotIndex::default(),
        incarnation: 0,
        foreign: None,
    };
    let mut progress = Progress::begin(config.node.number());
    let opened = Journal::open(RealDisk, &config.data, &options, |record| {
        progress.note();
        reading.take(record);
    });
    let (mut journal, found) = opened?;
    let foreign = |reason| StartError::ForeignRecord { path: config.data.clone(), reason };
    if let Some(reason) = reading.foreign {
        return Err(foreign(reason));
    }
    let before = Life::decode(found.hard_state)
        .ok_or_else(|| foreign("its frames are of another version".to_owned()))?;
    let promised = reading.recovering.promised();
    if promised < before.promised {
        let reason = format!("its frames tell of {}, its records of {promised}", before.promised);
        return Err(foreign(reason));
    }
    let incarnation = reading.incarnation.max(before.incarnation) + 1;
    let life = Life { incarnation, promised };
    begin_life(&mut journal, life).map_err(|error| StartError::FirstWrite(error.to_string()))?;
    tracing::info!(
        node = config.node.number(),
        incarnation,
        records = found.next_lsn.get() - found.first_lsn.get(),
        applied = reading.recovering.applied().number(),
        cut_bytes = found.cut_bytes,
        folder = %found.folder,
        "recovered from the journal"
    );
    let Reading { recovering, slots, .. } = reading;
    Ok(Recovered { incarnation, journal, recovering, slots, life })
}

fn begin_life(journal: &mut Journal<RealDisk>, life: Life) -> Result<(), AppendError> {
    let mut records = Records::new();
    records.push(&encode_record(&JournalRecord::Incarnation(life.incarnation)));
    journal.append(&life.encode(), &mut records)?;
    journal.sync()?;
    Ok(())
}

/// What the records of the journal add up to.
struct Reading<M> {
    recovering: Recovering<M>,
    slots: SlotIndex,
    incarnation: u64,
    /// Why a record could not be read; none is taken after it.
    foreign: Option<String>,
}

impl<M: StateMachine> Reading<M> {
    fn take(&mut self, record: synod_journal::Record<'_>) {
        if self.foreign.is_some() {
            return;
        }
        match decode_record(&Bytes::copy_from_slice(record.bytes)) {
            Ok(JournalRecord::Incarnation(number)) => {
                self.incarnation = self.incarnation.max(number);
            }
            Ok(JournalRecord::Replica(replica)) => {
                if let Some(slot) = slot_of(&replica) {
                    self.slots.note(slot, record.lsn);
                }
                self.recovering.on_record(replica);
            }
            Err(error) => self.foreign = Some(format!("record {}: {error}", record.lsn)),
        }
    }
}

impl<M: StateMachine> Recovered<M> {
    /// Finishes the replica, and gives the journal its thread.
    pub(crate) fn finish(
        self,
        settings: synod_smr::Config,
        effects: &mut Effects,
    ) -> Result<Running<M>, StartError> {
        let reader = self.journal.reader();
        let (outcomes, events) = mpsc::channel(IN_FLIGHT_MAX + 1);
        let group = GroupCommit::start(self.journal, move |outcome| {
            // There is a place for each commit and for an error; a loop that is gone needs none.
            let _ = outcomes.try_send(outcome);
        });
        let group =
            group.map_err(|source| StartError::System { what: "the journal's thread", source })?;
        let journal = JournalWriter {
            group,
            in_flight: 0,
            waiting: VecDeque::new(),
            spare: Vec::new(),
            life: self.life,
            slots: self.slots,
            disk: Disk::Fine,
            taken: 0,
        };
        let replica = self.recovering.finish(settings, effects);
        Ok(Running { replica, journal, events, reader })
    }
}

/// What the loop gets out of recovery.
pub(crate) struct Running<M> {
    pub(crate) replica: Replica<M>,
    pub(crate) journal: JournalWriter,
    pub(crate) events: mpsc::Receiver<Done>,
    pub(crate) reader: Reader<RealDisk>,
}

impl JournalWriter {
    /// Tells whether a batch may be written.
    pub(crate) fn has_place(&self) -> bool {
        self.in_flight < IN_FLIGHT_MAX && self.waiting.is_empty()
    }

    /// Tells whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.waiting.is_empty()
    }

    /// Hands a batch to the journal, in as many commits as it needs.
    pub(crate) fn write(&mut self, batch: Batch) {
        self.taken = 0;
        let mut records = self.spare.pop().unwrap_or_default();
        for record in batch.records() {
            if records.frame_bytes() > COMMIT_BYTES {
                let next = self.spare.pop().unwrap_or_default();
                self.waiting.push_back((std::mem::replace(&mut records, next), None));
            }
            self.life.promised = self.life.promised.max(promise_of(record));
            records.push(&encode_replica_record(record));
        }
        self.waiting.push_back((records, Some(batch)));
        self.submit();
    }

    /// Takes note that the inputs so far have left no record behind.
    pub(crate) fn nothing_to_write(&mut self) {
        self.taken = 0;
    }

    /// Takes a completion in, and returns the proof if a batch is durable with it.
    pub(crate) fn on_done(&mut self, done: Done) -> Result<Option<Synced>, NodeError> {
        let Completion { ticket, lsns, records } = done?;
        self.in_flight -= 1;
        if records.frame_bytes() <= COMMIT_BYTES && self.spare.len() < IN_FLIGHT_MAX {
            self.spare.push(records);
        }
        let proof = ticket.map(|batch| {
            // The commits of a batch are consecutive, so its last record is the last of these.
            for (behind, record) in batch.records().iter().rev().enumerate() {
                let place = lsns.end.get() - 1 - behind as u64;
                if let (Some(slot), Some(place)) = (slot_of(record), synod_journal::Lsn::new(place))
                {
                    self.slots.note(slot, place);
                }
            }
            batch.vouch_synced()
        });
        self.submit();
        Ok(proof)
    }

    /// Returns where the records of the slots are.
    pub(crate) fn slots(&self) -> &SlotIndex {
        &self.slots
    }

    /// Takes note of an input of so many bytes, and says if the disk became full, or has room
    /// again, as seen before it is taken.
    pub(crate) fn before_input(&mut self, bytes: usize) -> Option<Disk> {
        self.taken += bytes as u64 + RECORD_OVERHEAD_BYTES;
        let waiting: u64 = self.waiting.iter().map(|(records, _)| records.frame_bytes()).sum();
        let room = self.group.room().for_work.saturating_sub(self.taken + waiting);
        let disk = match self.disk {
            Disk::Fine if room < FULL_BELOW_BYTES => Disk::Full,
            Disk::Full if room > FINE_ABOVE_BYTES => Disk::Fine,
            Disk::Fine | Disk::Full => return None,
        };
        self.disk = disk;
        Some(disk)
    }

    /// Completes what is under way, seals the journal and gives the folder back.
    pub(crate) fn close(self) -> Result<(), NodeError> {
        Ok(self.group.shutdown().map_err(AppendError::from)?)
    }

    fn submit(&mut self) {
        while self.in_flight < IN_FLIGHT_MAX
            && let Some((records, ticket)) = self.waiting.pop_front()
        {
            let hard_state = self.life.encode();
            match self.group.submit(Commit { hard_state, records, ticket }) {
                Ok(()) => self.in_flight += 1,
                Err(SubmitError::Busy(commit) | SubmitError::Ended(commit)) => {
                    // The journal counts as the loop does; so it has ended, and its error follows.
                    return self.waiting.push_front((commit.records, commit.ticket));
                }
            }
        }
    }
}

fn slot_of(record: &Record) -> Option<synod_paxos::Slot> {
    match record {
        Record::Accepted { slot, .. } | Record::Learned { slot, .. } => Some(*slot),
        Record::Promised(_) | Record::Chosen(_) => None,
    }
}

/// A vote promises its ballot, too.
fn promise_of(record: &Record) -> Ballot {
    match record {
        Record::Promised(ballot) | Record::Accepted { ballot, .. } => *ballot,
        Record::Learned { .. } | Record::Chosen(_) => Ballot::ZERO,
    }
}

/// A commit past this size is followed by another one: a segment must hold each whole.
const COMMIT_BYTES: u64 = 8 << 20;

/// What an input may cost in the journal beyond its own bytes.
const RECORD_OVERHEAD_BYTES: u64 = 128;

/// With less room than this for work the disk counts as full; the journal keeps a reserve for
/// promises below it.
const FULL_BELOW_BYTES: u64 = 4 << 20;

/// With more room than this a full disk counts as fine again.
const FINE_ABOVE_BYTES: u64 = 8 << 20;
