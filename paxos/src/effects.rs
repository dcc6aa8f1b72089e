//! What a step brings about, and the gate that keeps claims back until they are true of the disk.
//!
//! A role says three things to an [`Effects`]: `record` this, `claim` that (it needs the disk), and
//! `send` that (it does not). A driver takes the records as a [`Batch`], writes and syncs them, and
//! gives the batch up for a [`Synced`], which it hands to the core as an input. Only then does the
//! gate put the claims into the outbox; so all that a driver ever sees in the outbox may leave.
//!
//! The claim kept true: no message says "durable" before EVERY record written up to the step that
//! made it is durable, the step's own or not. A repeated Accept writes nothing, and its answer must
//! still wait for the first one's record. This node's own votes come the same way: they count
//! after their sync.
//!
//! What the types cannot hold: a role that forgets to record before it claims (the crash model in
//! `tests/model.rs` finds that), and a driver that vouches for a sync that it did not do.

mod batch;
mod gate;
mod merge;
mod record;

use crate::ballot::NodeId;
use crate::message::{AfterSync, Immediate, Message, To};
use crate::multi::decree::Value;
pub use batch::{Batch, Synced};
pub(crate) use gate::Gate;
pub use gate::HELD_MAX;
use merge::merged;
pub use merge::{ACCEPT_BYTES_MAX, ACCEPT_RUN_MAX};
pub use record::{RECORD_COST_BYTES, Record, RecordRoom};
use std::hash::{Hash, Hasher};

/// Tells the effects of one core, in one life of it, from those of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CoreId {
    /// The node.
    pub node: NodeId,
    /// Which start of the node this is.
    pub incarnation: u64,
}

/// The buffer that a core fills and its driver empties. One serves one core for its whole life.
#[derive(Clone, Debug)]
pub struct Effects<V> {
    core_id: CoreId,
    /// How many records of this life batches have taken.
    taken: u64,
    records: Vec<Record<V>>,
    /// The bytes of `records`, and of all records of this life.
    bytes: u64,
    bytes_written: u64,
    /// What `records` cost on the disk at most, and what it takes.
    cost: u64,
    room: RecordRoom,
    sealed: Vec<(To, AfterSync<V>)>,
    outbox: Vec<(To, Message<V>)>,
}

impl<V: Value> Effects<V> {
    /// Makes the empty buffer of the core of that id.
    #[must_use]
    pub const fn new(core_id: CoreId) -> Self {
        Self {
            core_id,
            taken: 0,
            records: Vec::new(),
            bytes: 0,
            bytes_written: 0,
            cost: 0,
            room: RecordRoom::UNBOUNDED,
            sealed: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// Sets the room for the records that wait to be taken and those to come.
    pub const fn set_room(&mut self, room: RecordRoom) {
        self.room = room;
    }

    /// Returns the weight of the largest decree for whose record there is room.
    #[must_use]
    pub const fn room_for_decree(&self) -> Option<u64> {
        self.room.work.checked_sub(self.cost.saturating_add(RECORD_COST_BYTES))
    }

    /// Returns what the records cost on the disk at most that wait to be taken.
    #[must_use]
    pub const fn cost(&self) -> u64 {
        self.cost
    }

    /// Tells whether there is room for the record of a decree of this weight.
    pub(crate) fn has_room_for(&self, weight: usize) -> bool {
        self.room_for_decree().is_some_and(|room| weight as u64 <= room)
    }

    /// Tells whether there is room for the record of a promise.
    pub(crate) const fn has_room_for_promise(&self) -> bool {
        self.cost.saturating_add(RECORD_COST_BYTES) <= self.room.promises
    }

    /// Takes the records gathered since the last batch; none if there are none.
    pub fn take_batch(&mut self) -> Option<Batch<V>> {
        if self.records.is_empty() {
            return None;
        }
        let records = std::mem::take(&mut self.records);
        let (first, bytes) = (self.taken, std::mem::take(&mut self.bytes));
        self.cost = 0;
        self.taken += records.len() as u64;
        Some(Batch { core_id: self.core_id, first, records, bytes })
    }

    /// Empties the outbox. All of it may leave at once, or be lost.
    pub fn outbox(&mut self) -> std::vec::Drain<'_, (To, Message<V>)> {
        self.outbox.drain(..)
    }

    /// Tells whether records wait to be taken.
    #[must_use]
    pub fn has_records(&self) -> bool {
        !self.records.is_empty()
    }

    pub(crate) fn record(&mut self, record: Record<V>) {
        let weight = record.weight() as u64;
        self.bytes += weight;
        self.bytes_written += weight;
        self.cost += weight + RECORD_COST_BYTES;
        self.records.push(record);
    }

    /// Says something that needs all records so far to be durable.
    pub(crate) fn claim(&mut self, to: To, message: AfterSync<V>) {
        self.sealed.push((to, message));
    }

    /// Says something that needs nothing. Consecutive runs of one ballot to one receiver merge.
    pub(crate) fn send(&mut self, to: To, message: Immediate<V>) {
        if let Some((last_to, Message::Immediate(last))) = self.outbox.last_mut()
            && *last_to == to
            && merged(last, &message)
        {
            return;
        }
        self.outbox.push((to, Message::Immediate(message)));
    }

    /// Counts the records of this life so far.
    const fn written(&self) -> u64 {
        self.taken + self.records.len() as u64
    }
}

// Counters grow for ever, so effects are the same when the same waits in them.

impl<V: PartialEq> PartialEq for Effects<V> {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records && self.sealed == other.sealed && self.outbox == other.outbox
    }
}

impl<V: Eq> Eq for Effects<V> {}

impl<V: Hash> Hash for Effects<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.records.hash(state);
        self.sealed.hash(state);
        self.outbox.hash(state);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use crate::NodeId;
    use crate::ballot::Ballot;

    /// A disk that is nearly full is asked for no more than it has: the room shrinks by what the
    /// records weigh that wait, and by what each costs besides.
    #[test]
    fn records_that_wait_take_room_until_they_are_taken() {
        let mut effects = Effects::<u8>::new(CoreId { node: NodeId::new(1), incarnation: 1 });
        let promised = || Record::Promised(Ballot::new(1, NodeId::new(2)));
        let each = promised().weight() as u64 + RECORD_COST_BYTES;
        effects.set_room(RecordRoom { work: 2 * each + RECORD_COST_BYTES, promises: 3 * each });
        for count in 1..=2 {
            effects.record(promised());
            assert_eq!(effects.cost(), count * each);
        }
        assert_eq!(effects.room_for_decree(), Some(0));
        assert!(effects.has_room_for(0) && !effects.has_room_for(1));
        assert!(effects.has_room_for_promise());
        effects.record(promised());
        assert_eq!(effects.room_for_decree(), None);
        assert!(!effects.has_room_for_promise());
        let _batch = effects.take_batch().unwrap();
        assert_eq!((effects.cost(), effects.room_for_decree()), (0, Some(2 * each)));
    }
}
