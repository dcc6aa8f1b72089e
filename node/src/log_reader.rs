//! Reads old slots back from the journal for peers that lag.
//!
//! The core asks for a range of slots that left its memory; a blocking task reads their records,
//! so that the loop never waits for the disk. One read is under way at a time: a wish that comes
//! meanwhile is dropped, as the peer asks again. What is read was synced and checked by the
//! journal; a place that does not hold its slot ends the answer before it.

use bytes::Bytes;
use synod_journal::{Lsn, ReadError, RealDisk};
use synod_paxos::{Decree, NodeId, Slot};
use synod_smr::catch_up::{FETCH_BYTES_MAX, FETCH_SLOTS_MAX};
use synod_smr::command::CommandBatch;
use synod_smr::wire::record::{JournalRecord, decode_record};
use synod_smr::{LogRead, Message, Record};
use tokio::sync::mpsc;

use crate::slot_index::SlotIndex;

type Reader = synod_journal::Reader<RealDisk>;

/// Answers the core's wishes for old slots, one at a time.
pub(crate) struct LogReader {
    reader: Reader,
    busy: bool,
    answers: mpsc::Sender<OldDecrees>,
}

/// The end of a read: what to send to whom, if anything could be read.
pub(crate) struct OldDecrees {
    pub(crate) to: NodeId,
    pub(crate) message: Option<Message>,
}

impl LogReader {
    /// Makes the reader, and the end of the channel into which it answers.
    pub(crate) fn new(reader: Reader) -> (Self, mpsc::Receiver<OldDecrees>) {
        let (answers, events) = mpsc::channel(READS_UNDER_WAY_MAX);
        (Self { reader, busy: false, answers }, events)
    }

    /// Begins to read, unless a read is under way; tells whether it did.
    pub(crate) fn read(&mut self, wish: LogRead, slots: &SlotIndex) -> bool {
        if self.busy {
            return false;
        }
        self.busy = true;
        let LogRead { to, first, end, chosen } = wish;
        let wanted = (first.number()..end.number()).take(SLOTS_PER_READ).map(Slot::new);
        let places: Vec<Lsn> = wanted.map_while(|slot| slots.place(slot)).collect();
        let (mut reader, answers) = (self.reader.clone(), self.answers.clone());
        tokio::task::spawn_blocking(move || {
            let decrees = read_decrees(&mut reader, first, &places);
            let message =
                (!decrees.is_empty()).then_some(Message::Decrees { first, decrees, chosen });
            // The loop is gone only when the node ends.
            let _ = answers.blocking_send(OldDecrees { to, message });
        });
        true
    }

    /// Takes note that the answer has come into the loop.
    pub(crate) fn on_done(&mut self) {
        self.busy = false;
    }
}

/// Reads the decrees at `places`, which are those of consecutive slots, within the bound of one
/// message; stops early at what cannot be read.
fn read_decrees(reader: &mut Reader, first: Slot, places: &[Lsn]) -> Vec<Decree<CommandBatch>> {
    let mut decrees = Vec::with_capacity(places.len());
    let mut bytes = 0;
    while let Some(run) = places.get(decrees.len()..).filter(|rest| !rest.is_empty()) {
        let run = &run[..run_length(run)];
        let records = match read_run(reader, run) {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%error, "old slots cannot be read back");
                return decrees;
            }
        };
        for record in records {
            let slot = first.plus(decrees.len() as u64);
            let Some(decree) = decree_of(record, slot) else { return decrees };
            bytes += decree.weight();
            if bytes > FETCH_BYTES_MAX && !decrees.is_empty() {
                return decrees;
            }
            decrees.push(decree);
        }
    }
    decrees
}

/// Counts how many places from the first on lie in order and close together.
fn run_length(places: &[Lsn]) -> usize {
    let near = |place: &Lsn| place.get() - places[0].get() < RUN_RECORDS_MAX;
    let ordered = places.windows(2).take_while(|pair| pair[0] < pair[1] && near(&pair[1]));
    1 + ordered.count()
}

/// Reads the records of one run in one sweep: at least the first, and then as many as fit.
fn read_run(reader: &mut Reader, run: &[Lsn]) -> Result<Vec<Bytes>, ReadError> {
    let start = run[0];
    let end = run.last().copied().unwrap_or(start).advanced(1);
    let mut swept = reader.read_range(start..end, SWEEP_BYTES_MAX)?;
    let offset = |place: &Lsn| usize::try_from(place.get() - start.get()).unwrap_or(usize::MAX);
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

/// How many reads are under way at most.
const READS_UNDER_WAY_MAX: usize = 1;

/// How many slots one read is asked for at most.
const SLOTS_PER_READ: usize = FETCH_SLOTS_MAX as usize;

/// How many records one sweep spans at most, wanted or not.
const RUN_RECORDS_MAX: u64 = 4 * FETCH_SLOTS_MAX;

/// How many bytes of records one sweep reads at most, wanted or not.
const SWEEP_BYTES_MAX: usize = 2 * FETCH_BYTES_MAX;
