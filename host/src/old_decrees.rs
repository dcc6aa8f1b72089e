//! Reads old slots back from the journal for peers that lag.
//!
//! The replica asks for a range of chosen slots that left its memory; their places are looked up
//! here, and whoever runs the host carries the order out where it may wait for the disk. One read
//! is under way at a time: a wish that comes meanwhile is dropped, as the peer asks again. So every
//! order must come back, if with nothing. The
//! claim kept true: a slot is read back as it was chosen. The replica lets go of a slot only when
//! its last record is durable, later votes there are for the same decree, and the place of a slot
//! is that of its last durable record; what does not hold its slot ends the answer before it.

use std::fmt;

use bytes::Bytes;
use synod_journal::{Disk, Lsn, ReadError, Reader};
use synod_paxos::{Decree, NodeId, Slot};
use synod_smr::wire::{JournalRecord, decode_record};
use synod_smr::{CommandBatch, FETCH_BYTES_MAX, FETCH_SLOTS_MAX, LogRead, Message, Record};

use crate::slot_index::SlotIndex;

/// An order to read old decrees.
#[derive(Debug)]
pub struct ReadOrder {
    to: NodeId,
    first: Slot,
    chosen: Slot,
    /// The places of consecutive slots, from `first` on.
    places: Vec<Lsn>,
    /// The bytes of decrees that the answer gathers; one larger decree goes alone.
    bytes_max: usize,
}

/// The end of a read: what to send to whom, if anything could be read.
#[derive(Debug)]
pub struct OldDecrees {
    pub(crate) to: NodeId,
    pub(crate) message: Option<Message>,
    /// Whether something could not be read that the journal holds.
    pub(crate) is_damaged: bool,
}

impl OldDecrees {
    /// The end of a read of which nothing came, for a peer that asks again.
    #[must_use]
    pub const fn nothing(to: NodeId) -> Self {
        Self { to, message: None, is_damaged: false }
    }
}

impl ReadOrder {
    /// Returns for whom it is.
    #[must_use]
    pub const fn to(&self) -> NodeId {
        self.to
    }

    /// Looks up where the slots of a wish are, as far as they are known without a gap.
    pub(crate) fn new(wish: LogRead, slots: &SlotIndex, bytes_max: usize) -> Self {
        let LogRead { to, first, end, chosen } = wish;
        let wanted = (first.number()..end.number()).take(SLOTS_PER_READ).map(Slot::new);
        let places = wanted.map_while(|slot| slots.place(slot)).collect();
        Self { to, first, chosen, places, bytes_max }
    }

    /// Carries the order out; waits for the disk.
    #[must_use]
    pub fn carry_out<D: Disk>(self, reader: &mut Reader<D>) -> OldDecrees {
        let Self { to, first, chosen, places, bytes_max } = self;
        let (decrees, is_damaged) = read_decrees(reader, first, &places, bytes_max);
        let message = (!decrees.is_empty()).then_some(Message::Decrees { first, decrees, chosen });
        OldDecrees { to, message, is_damaged }
    }
}

/// Reads the decrees at `places`, which are those of consecutive slots, within the bound of one
/// message; stops early at what cannot be read, and says whether it did.
fn read_decrees<D: Disk>(
    reader: &mut Reader<D>,
    first: Slot,
    places: &[Lsn],
    bytes_max: usize,
) -> (Vec<Decree<CommandBatch>>, bool) {
    let mut decrees = Vec::with_capacity(places.len());
    let mut bytes = 0;
    // It ends, as a sweep brings at least the first record of its run, or an error.
    while let Some(run) = places.get(decrees.len()..).filter(|rest| !rest.is_empty()) {
        let run = &run[..run_length(run)];
        let records = match read_run(reader, run) {
            Ok(records) => records,
            // The log was cut since the places were looked up: a snapshot stands for them.
            Err(error @ ReadError::Released { .. }) => {
                tracing::debug!(%error, "old slots are gone");
                return (decrees, false);
            }
            Err(error) => {
                tracing::error!(%error, "old slots cannot be read back");
                return (decrees, true);
            }
        };
        for record in records {
            let slot = first.plus(decrees.len() as u64);
            let Some(decree) = decree_of(record, slot) else { return (decrees, true) };
            bytes += decree.weight();
            if bytes > bytes_max && !decrees.is_empty() {
                return (decrees, false);
            }
            decrees.push(decree);
        }
    }
    (decrees, false)
}

/// Counts how many places from the first on lie in order and close together.
fn run_length(places: &[Lsn]) -> usize {
    let near = |place: &Lsn| place.get() - places[0].get() < RUN_RECORDS_MAX;
    // The order is asked before the distance: places that fall, as where a slot was decided again
    // later, would take the difference below zero.
    let ordered = places.windows(2).take_while(|pair| pair[0] < pair[1] && near(&pair[1]));
    1 + ordered.count()
}

/// Reads the records of one run in one sweep: at least the first, and then as many as fit.
fn read_run<D: Disk>(reader: &mut Reader<D>, run: &[Lsn]) -> Result<Vec<Bytes>, ReadError> {
    let start = run[0];
    let end = run.last().copied().unwrap_or(start).advanced(1);
    let mut swept = reader.read_range(start..end, SWEEP_BYTES_MAX)?;
    let offset = |place: &Lsn| usize::try_from(place.get() - start.get()).unwrap_or(usize::MAX);
    // The sweep may have ended at its bound, so what it did not reach ends the run and is the first
    // of the next one. Each place is met once, as they rise, so it may be moved out.
    let found = run.iter().map_while(|place| swept.get_mut(offset(place)).map(std::mem::take));
    Ok(found.map(Bytes::from).collect())
}

fn decree_of(record: Bytes, wanted: Slot) -> Option<Decree<CommandBatch>> {
    match decode_record(&record) {
        Ok(JournalRecord::Replica(
            Record::Accepted { slot, decree, .. } | Record::Learned { slot, decree },
        )) if slot == wanted => Some(decree),
        found => {
            tracing::error!(slot = wanted.number(), ?found, "the journal has another record here");
            None
        }
    }
}

impl fmt::Display for ReadOrder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} slots from {} on for node {}", self.places.len(), self.first, self.to)
    }
}

/// How many slots one read is asked for at most.
const SLOTS_PER_READ: usize = FETCH_SLOTS_MAX as usize;

/// How many records one sweep spans at most, wanted or not.
const RUN_RECORDS_MAX: u64 = 4 * FETCH_SLOTS_MAX;

/// How many bytes of records one sweep reads at most, wanted or not.
const SWEEP_BYTES_MAX: usize = 2 * FETCH_BYTES_MAX;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

    use std::path::Path;

    use synod_journal::{HardState, Journal, Options, Prepared, Records, SimDisk};
    use synod_smr::wire::encode_replica_record;

    use super::*;

    fn lsn(number: u64) -> Lsn {
        Lsn::FIRST.advanced(number)
    }

    #[test]
    fn a_sweep_goes_on_while_places_rise_and_ends_where_they_lie_apart() {
        let length = |numbers: &[u64]| {
            run_length(&numbers.iter().map(|number| lsn(*number)).collect::<Vec<_>>())
        };
        assert_eq!(length(&[5]), 1);
        assert_eq!(length(&[5, 6, 9]), 3);
        assert_eq!(length(&[5, 6, 6]), 2, "one place holds one slot");
        assert_eq!(length(&[5, 9, 7]), 2);
        assert_eq!(length(&[5, 5 + RUN_RECORDS_MAX - 1]), 2);
        assert_eq!(length(&[5, 5 + RUN_RECORDS_MAX]), 1, "that is too far for one sweep");
    }

    /// The log may be cut between the look-up of a place and the read: nothing is wrong with it.
    #[test]
    fn what_was_let_go_of_meanwhile_is_no_damage() {
        let (path, mut options) = (Path::new("journal"), Options::new(b"test"));
        options.segment_bytes = synod_journal::SEGMENT_BYTES_MIN;
        let (mut journal, _) = Journal::open(SimDisk::new(1), path, &options, |_| {}).unwrap();
        let mut slots = SlotIndex::default();
        for number in 0..200 {
            let slot = Slot::new(number);
            let mut records = Records::new();
            records.push(&encode_replica_record(&Record::Learned { slot, decree: Decree::Noop }));
            records.push(&[0; 1 << 10]);
            while journal.prepare().unwrap() == Prepared::Unfinished {}
            let at = journal.append(&HardState::default(), &mut records).unwrap();
            journal.sync().unwrap();
            slots.note(slot, at.start);
        }
        let wish = LogRead {
            to: NodeId::new(2),
            first: Slot::FIRST,
            end: Slot::new(9),
            chosen: Slot::new(200),
        };
        let read = |journal: &Journal<SimDisk>| {
            ReadOrder::new(wish, &slots, 1 << 20).carry_out(&mut journal.reader())
        };
        assert!(read(&journal).message.is_some());
        journal.release(slots.place(Slot::new(199)).unwrap());
        let gone = read(&journal);
        assert!(gone.message.is_none() && !gone.is_damaged, "{gone:?}");
    }

    /// One sweep for each record would read the pages that it shares with others once for each.
    #[test]
    fn records_that_lie_together_are_read_in_one_sweep() {
        let (path, options) = (Path::new("journal"), Options::new(b"test"));
        let (mut journal, _) = Journal::open(SimDisk::new(1), path, &options, |_| {}).unwrap();
        let mut records = Records::new();
        for record in [b"one", b"two", b"six"] {
            records.push(record);
        }
        let at = journal.append(&HardState::default(), &mut records).unwrap();
        journal.sync().unwrap();
        let places = [0, 1, 2].map(|number| at.start.advanced(number));
        let found = read_run(&mut journal.reader(), &places).unwrap();
        assert_eq!(found, [&b"one"[..], b"two", b"six"]);
    }

    /// What is read back under the wrong slot is sent to nobody: it would be learned there.
    #[test]
    fn a_record_of_another_slot_is_no_decree_of_this_one() {
        let slot = Slot::new(7);
        let record = Record::Learned { slot, decree: Decree::Noop };
        let bytes = || Bytes::from(encode_replica_record(&record).to_vec());
        assert_eq!(decree_of(bytes(), slot), Some(Decree::Noop));
        assert_eq!(decree_of(bytes(), slot.next()), None);
        let promise = Record::Promised(synod_paxos::Ballot::ZERO);
        let promise = Bytes::from(encode_replica_record(&promise).to_vec());
        assert_eq!(decree_of(promise, slot), None);
    }
}
