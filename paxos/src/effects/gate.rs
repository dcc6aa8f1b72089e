//! The gate: it keeps claims back until the records under them are durable.
//!
//! Who writes and syncs is left to a driver. The claim kept true: a claim leaves only after the
//! proofs cover every record written up to the step that made it.

use super::{CoreId, Effects, Synced};
use crate::message::{AfterSync, Message, To};
use crate::multi::decree::Value;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

/// The most claims that wait for a sync; further ones are lost, as any message may be.
pub const HELD_MAX: usize = 65_536;

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
        assert!(self.written <= effects.written(), "records are counted that were never made");
        let in_order = self.held.back().is_none_or(|last| last.mark <= self.written);
        assert!(in_order, "a claim waits for records that are not made yet");
        let wrote = effects.written() > self.written;
        self.written = effects.written();
        self.bytes_written = effects.bytes_written;
        for (to, claim) in effects.sealed.drain(..) {
            // Where the step wrote, a copy held from before is true too early for what the step may
            // mean, so both stay.
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
            // One at a time: the core acts on it before the next, and what it claims then waits in
            // turn.
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
        assert!(self.bytes_synced <= self.bytes_written, "more bytes are durable than were made");
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
// compared and hashed from the last sync on.

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use crate::ballot::Ballot;
    use crate::multi::slot::Slot;
    use crate::{NodeId, Record};

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

    /// States of a model are merged when they are equal: a gate that holds back something else, or
    /// for longer, is another.
    #[test]
    fn gates_that_hold_back_other_claims_or_for_other_records_differ() {
        let made = |records: usize, claim: Option<AfterSync<u8>>| {
            let (mut gate, mut effects) = (Gate::new(CORE_ID), Effects::new(CORE_ID));
            for _ in 0..records {
                effects.record(Record::Promised(BALLOT));
            }
            if let Some(claim) = claim {
                effects.claim(YOU, claim);
            }
            gate.close(&mut effects);
            gate
        };
        let one = made(1, Some(accepted(0, 1)));
        assert_eq!(one, made(1, Some(accepted(0, 1))));
        for other in [
            made(1, Some(accepted(0, 2))),
            made(1, None),
            made(2, Some(accepted(0, 1))),
            made(0, Some(accepted(0, 1))),
        ] {
            assert_ne!(one, other);
        }
        // A record behind the claim is to be synced, and does not hold it back; one before it does.
        let behind = |claim_first: bool| {
            let (mut gate, mut effects) = (Gate::new(CORE_ID), Effects::<u8>::new(CORE_ID));
            let record = |effects: &mut Effects<u8>| effects.record(Record::Promised(BALLOT));
            record(&mut effects);
            if claim_first {
                effects.claim(YOU, accepted(0, 1));
                gate.close(&mut effects);
                record(&mut effects);
            } else {
                record(&mut effects);
                effects.claim(YOU, accepted(0, 1));
            }
            gate.close(&mut effects);
            gate
        };
        assert_ne!(behind(true), behind(false));
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
