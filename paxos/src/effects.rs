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

mod merge;
mod record;

use crate::ballot::NodeId;
use crate::message::{AfterSync, Immediate, Message, To};
use crate::multi::decree::Value;
use merge::merged;
pub use merge::{ACCEPT_BYTES_MAX, ACCEPT_RUN_MAX};
pub use record::{RECORD_COST_BYTES, Record, RecordRoom};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

/// The most claims that wait for a sync; further ones are lost, as any message may be.
pub const HELD_MAX: usize = 65_536;

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

/// Records to be written and synced, in order, after those of all earlier batches.
#[derive(Clone, Debug)]
#[must_use = "claims wait until the batch is synced and vouched for"]
pub struct Batch<V> {
    core_id: CoreId,
    first: u64,
    records: Vec<Record<V>>,
    bytes: u64,
}

impl<V> Batch<V> {
    /// Returns the records.
    #[must_use]
    pub fn records(&self) -> &[Record<V>] {
        &self.records
    }

    /// Gives the batch up for the proof that it is durable.
    ///
    /// A driver calls this after the sync, never before: nothing else releases a claim.
    #[must_use]
    pub fn confirm_synced(self) -> Synced {
        let end = self.first + self.records.len() as u64;
        Synced { core_id: self.core_id, first: self.first, end, bytes: self.bytes }
    }
}

/// The proof that a batch is durable. It comes from [`Batch::confirm_synced`] alone.
///
/// ```compile_fail
/// # use synod_paxos::{CoreId, NodeId, Synced};
/// let core_id = CoreId { node: NodeId::new(1), incarnation: 1 };
/// let forged = Synced { core_id, first: 0, end: 1, bytes: 0 };
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Synced {
    core_id: CoreId,
    first: u64,
    end: u64,
    bytes: u64,
}

/// Holds claims until the proof of a sync covers them.
#[derive(Clone, Debug)]
pub(crate) struct Gate<V> {
    core_id: CoreId,
    synced: u64,
    written: u64,
    /// The bytes of the records of this life, written and synced.
    bytes_written: u64,
    bytes_synced: u64,
    held: VecDeque<Held<V>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held<V> {
    /// The claim is true once this many records are durable.
    mark: u64,
    to: To,
    claim: AfterSync<V>,
}

impl<V: Value> Gate<V> {
    pub(crate) const fn new(core_id: CoreId) -> Self {
        Self {
            core_id,
            synced: 0,
            written: 0,
            bytes_written: 0,
            bytes_synced: 0,
            held: VecDeque::new(),
        }
    }

    /// Takes the claims of a step in. They wait for every record so far.
    ///
    /// A claim that is held already is dropped where the step wrote nothing: the earlier copy is
    /// true earlier, and receivers bear loss and repetition.
    pub(crate) fn close(&mut self, effects: &mut Effects<V>) {
        assert_eq!(self.core_id, effects.core_id, "effects of another core, or of another life");
        let wrote = effects.written() > self.written;
        self.written = effects.written();
        self.bytes_written = effects.bytes_written;
        for (to, claim) in effects.sealed.drain(..) {
            let repeated = !wrote && self.held.iter().any(|held| held.says(to, &claim));
            if !repeated && self.held.len() < HELD_MAX {
                self.held.push_back(Held { mark: self.written, to, claim });
            }
        }
    }

    /// Moves what became true into the outbox, and returns the first such claim to this node.
    pub(crate) fn open(&mut self, effects: &mut Effects<V>) -> Option<AfterSync<V>> {
        while self.held.front().is_some_and(|held| held.mark <= self.synced) {
            let Held { to, claim, .. } = self.held.pop_front()?;
            if to == To::Node(self.core_id.node) {
                return Some(claim);
            }
            release(effects, to, claim);
        }
        None
    }

    /// Takes note of a sync.
    ///
    /// # Panics
    ///
    /// Panics on a proof of another core or life, or out of order: the driver mixed batches up.
    pub(crate) fn on_synced(&mut self, proof: &Synced) {
        assert_eq!(self.core_id, proof.core_id, "a proof of another core, or of another life");
        assert_eq!(self.synced, proof.first, "proofs come in the order of their batches");
        assert!(proof.end <= self.written, "a proof covers records that were written");
        self.synced = proof.end;
        self.bytes_synced += proof.bytes;
    }

    /// Counts the records written so far; a fact recorded up to here is durable once
    /// [`Self::synced`] reaches the count.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// Counts the records known to be durable.
    pub(crate) const fn synced(&self) -> u64 {
        self.synced
    }
}

impl<V> Gate<V> {
    /// Counts the bytes of the records that are not known to be durable.
    pub(crate) const fn unsynced_bytes(&self) -> u64 {
        self.bytes_written - self.bytes_synced
    }
}

impl<V: Eq> Held<V> {
    fn says(&self, to: To, claim: &AfterSync<V>) -> bool {
        self.to == to && self.claim == *claim
    }
}

/// Puts a claim into the outbox; adjoining votes for one leader become one message.
fn release<V>(effects: &mut Effects<V>, to: To, claim: AfterSync<V>) {
    if let Some((last_to, Message::AfterSync(AfterSync::Accepted { ballot, end, .. }))) =
        effects.outbox.last_mut()
        && let AfterSync::Accepted { ballot: same, first, end: later } = &claim
        && *last_to == to
        && ballot == same
        && end == first
    {
        *end = *later;
        return;
    }
    effects.outbox.push((to, Message::AfterSync(claim)));
}

// Counters grow for ever, so two gates are the same when they hold the same back: counters are
// compared and hashed from the last sync on. Effects and batches follow suit.

impl<V: Eq> PartialEq for Gate<V> {
    fn eq(&self, other: &Self) -> bool {
        self.written - self.synced == other.written - other.synced
            && self.unsynced_bytes() == other.unsynced_bytes()
            && self.held.len() == other.held.len()
            && self.held.iter().zip(&other.held).all(|(mine, theirs)| {
                mine.mark.saturating_sub(self.synced) == theirs.mark.saturating_sub(other.synced)
                    && theirs.says(mine.to, &mine.claim)
            })
    }
}

impl<V: Eq> Eq for Gate<V> {}

impl<V: Hash> Hash for Gate<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.written - self.synced).hash(state);
        self.unsynced_bytes().hash(state);
        for held in &self.held {
            held.mark.saturating_sub(self.synced).hash(state);
            held.to.hash(state);
            held.claim.hash(state);
        }
    }
}

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

impl<V: PartialEq> PartialEq for Batch<V> {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records
    }
}

impl<V: Eq> Eq for Batch<V> {}

impl<V: Hash> Hash for Batch<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.records.hash(state);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use crate::ballot::Ballot;
    use crate::multi::slot::Slot;

    const ME: NodeId = NodeId::new(1);
    const YOU: To = To::Node(NodeId::new(2));
    const CORE_ID: CoreId = CoreId { node: ME, incarnation: 1 };
    const BALLOT: Ballot = Ballot::new(1, NodeId::new(2));

    fn accepted(first: u64, end: u64) -> AfterSync<u8> {
        AfterSync::Accepted { ballot: BALLOT, first: Slot::new(first), end: Slot::new(end) }
    }

    fn settle(gate: &mut Gate<u8>, effects: &mut Effects<u8>) -> Vec<(To, Message<u8>)> {
        gate.close(effects);
        assert_eq!(gate.open(effects), None);
        effects.outbox().collect()
    }

    #[test]
    fn a_claim_leaves_with_the_sync_of_its_record() {
        let (mut gate, mut effects) = (Gate::new(CORE_ID), Effects::new(CORE_ID));
        effects.record(Record::Promised(BALLOT));
        effects.claim(YOU, accepted(0, 1));
        assert!(settle(&mut gate, &mut effects).is_empty());
        let proof = effects.take_batch().unwrap().confirm_synced();
        gate.on_synced(&proof);
        assert_eq!(settle(&mut gate, &mut effects), [(YOU, Message::AfterSync(accepted(0, 1)))]);
    }

    #[test]
    fn a_claim_without_a_record_waits_for_the_records_before_it() {
        let (mut gate, mut effects) = (Gate::new(CORE_ID), Effects::new(CORE_ID));
        effects.record(Record::Promised(BALLOT));
        assert!(settle(&mut gate, &mut effects).is_empty());
        effects.claim(YOU, accepted(3, 4));
        assert!(settle(&mut gate, &mut effects).is_empty());
        let proof = effects.take_batch().unwrap().confirm_synced();
        gate.on_synced(&proof);
        assert_eq!(settle(&mut gate, &mut effects).len(), 1);
    }

    #[test]
    fn a_claim_to_this_node_is_handed_back_and_not_sent() {
        let (mut gate, mut effects) = (Gate::new(CORE_ID), Effects::new(CORE_ID));
        effects.claim(To::Node(ME), accepted(0, 1));
        gate.close(&mut effects);
        assert_eq!(gate.open(&mut effects), Some(accepted(0, 1)));
        assert_eq!(effects.outbox().count(), 0);
    }

    #[test]
    fn adjoining_votes_leave_as_one_message() {
        let (mut gate, mut effects) = (Gate::new(CORE_ID), Effects::new(CORE_ID));
        effects.claim(YOU, accepted(0, 2));
        effects.claim(YOU, accepted(2, 3));
        effects.claim(YOU, accepted(4, 5));
        let sent = settle(&mut gate, &mut effects);
        assert_eq!(sent[0].1, Message::AfterSync(accepted(0, 3)));
        assert_eq!(sent[1].1, Message::AfterSync(accepted(4, 5)), "a gap is never bridged");
    }

    #[test]
    #[should_panic(expected = "of another life")]
    fn a_proof_of_an_earlier_life_is_refused() {
        let (mut gate, mut effects) = (Gate::<u8>::new(CORE_ID), Effects::new(CORE_ID));
        effects.record(Record::Promised(BALLOT));
        gate.close(&mut effects);
        let mut old = Effects::<u8>::new(CoreId { incarnation: 0, ..CORE_ID });
        old.record(Record::Promised(BALLOT));
        gate.on_synced(&old.take_batch().unwrap().confirm_synced());
    }

    #[test]
    #[should_panic(expected = "in the order of their batches")]
    fn a_proof_out_of_order_is_refused() {
        let (mut gate, mut effects) = (Gate::<u8>::new(CORE_ID), Effects::new(CORE_ID));
        effects.record(Record::Promised(BALLOT));
        let _first = effects.take_batch().unwrap();
        effects.record(Record::Promised(BALLOT.next(ME)));
        gate.close(&mut effects);
        gate.on_synced(&effects.take_batch().unwrap().confirm_synced());
    }
}
