//! One replica and its disk.
//!
//! It is flushed after each step, so that a crash may come between any two. Where no crash can come
//! any more, a sync delays messages and answers and nothing else, and both are delayed in all ways
//! already: a node syncs at once then, and its disk is not kept.

use crate::machine::Written;
use std::collections::BTreeMap;
use synod_paxos::{Ballot, Configuration, CoreId, NodeId, Record, Slot, To};
use synod_smr::{
    Batch, Config, Connection, Effects, Input, Message, Recovering, Replica, RequestId, Response,
};

/// The window of the modelled log.
const ALPHA: u64 = 2;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) replica: Replica<Written>,
    effects: Effects,
    disk: Disk,
    in_flight: Vec<Batch>,
    /// How often it crashed.
    life: u8,
}

/// What a disk holds, folded as recovery folds it: the order of records that a later one replaces
/// makes no other state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Disk {
    promised: Option<Ballot>,
    slots: BTreeMap<Slot, synod_smr::Record>,
    chosen: Option<Slot>,
}

/// An answer to a client.
pub(crate) type Reply = (Connection, RequestId, Response);

/// What a node said, in some steps.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) replies: Vec<Reply>,
    pub(crate) messages: Vec<(To, Message)>,
}

pub(crate) fn id(place: usize) -> NodeId {
    NodeId::new(u16::try_from(place).unwrap() + 1)
}

impl Node {
    /// Makes a node that never ran. Every voter is a node, and others may be.
    pub(crate) fn new(place: usize, voters: &Configuration) -> Self {
        Self::recover(place, 0, voters, Disk::default())
    }

    fn recover(place: usize, life: u8, voters: &Configuration, disk: Disk) -> Self {
        let core_id = CoreId { node: id(place), incarnation: u64::from(life) };
        let mut effects = Effects::new(core_id);
        let mut recovering = Recovering::new(Written::default());
        disk.records().into_iter().for_each(|record| recovering.on_record(record));
        let config = Config { alpha: ALPHA, ..Config::lan(core_id, voters.clone()) };
        let replica = recovering.finish(config, &mut effects);
        Self { replica, effects, disk, in_flight: Vec::new(), life }
    }

    /// Takes one input, and flushes.
    pub(crate) fn step(&mut self, input: Input, may_crash: bool, said: &mut Said) {
        self.replica.step(input, &mut self.effects);
        self.in_flight.extend(self.effects.take_batch());
        assert_eq!(self.effects.halt(), None, "replicas that agree are never told to halt");
        assert_eq!(self.effects.log_reads().count(), 0, "so few slots stay in memory");
        self.effects.timers().for_each(drop);
        said.replies.extend(self.effects.replies());
        said.messages.extend(self.effects.outbox());
        if !may_crash {
            self.end_crashes(said);
        }
    }

    /// Syncs the oldest batch.
    pub(crate) fn sync(&mut self, may_crash: bool, said: &mut Said) {
        let batch = self.in_flight.remove(0);
        if may_crash {
            batch.records().iter().for_each(|record| self.disk.write(record));
        }
        self.step(Input::Synced(batch.confirm_synced()), may_crash, said);
    }

    /// Syncs all, and lets go of the disk: from here on nobody reads it.
    pub(crate) fn end_crashes(&mut self, said: &mut Said) {
        self.disk = Disk::default();
        while self.is_syncing() {
            self.sync(false, said);
        }
    }

    /// Restarts the node with so many of the records that were not synced.
    pub(crate) fn crash(&mut self, place: usize, kept: usize, voters: &Configuration) {
        let mut disk = std::mem::take(&mut self.disk);
        let pending = self.in_flight.iter().flat_map(|batch| batch.records());
        pending.take(kept).for_each(|record| disk.write(record));
        *self = Self::recover(place, self.life + 1, voters, disk);
    }

    pub(crate) fn is_syncing(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Counts the records that are not synced.
    pub(crate) fn pending(&self) -> usize {
        self.in_flight.iter().map(|batch| batch.records().len()).sum()
    }

    /// Tells whether it leads, or is about to.
    pub(crate) fn is_leading(&self) -> bool {
        self.replica.paxos().leader().ballot().is_some()
    }

    pub(crate) fn chosen(&self) -> Slot {
        self.replica.paxos().chosen()
    }

    /// Returns the promise and the chosen prefix that it will not fall behind, crashes or not.
    pub(crate) fn kept(&self, may_crash: bool) -> (Ballot, Slot) {
        if may_crash {
            let promised = self.disk.promised.unwrap_or(Ballot::ZERO);
            return (promised, self.disk.chosen.unwrap_or(Slot::FIRST));
        }
        let paxos = self.replica.paxos();
        (paxos.log().promised(), paxos.chosen())
    }

    /// Tells whether it voted in `ballot`, and will not forget it.
    pub(crate) fn has_voted(&self, slot: Slot, ballot: Ballot, may_crash: bool) -> bool {
        if may_crash {
            let record = self.disk.slots.get(&slot);
            return matches!(record, Some(Record::Accepted { ballot: of, .. }) if *of == ballot);
        }
        self.replica.paxos().log().voted_in(slot) == Some(ballot)
    }
}

impl Disk {
    fn write(&mut self, record: &synod_smr::Record) {
        match record {
            Record::Promised(ballot) => self.promised = self.promised.max(Some(*ballot)),
            Record::Accepted { slot, ballot, .. } => {
                self.promised = self.promised.max(Some(*ballot));
                self.slots.insert(*slot, record.clone());
            }
            Record::Learned { slot, .. } => {
                self.slots.insert(*slot, record.clone());
            }
            Record::Chosen(chosen) => self.chosen = self.chosen.max(Some(*chosen)),
        }
    }

    fn records(&self) -> Vec<synod_smr::Record> {
        let promised = self.promised.map(Record::Promised);
        let chosen = self.chosen.map(Record::Chosen);
        promised.into_iter().chain(self.slots.values().cloned()).chain(chosen).collect()
    }
}
