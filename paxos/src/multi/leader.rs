//! The leader of the log: phase 2 slot by slot, after phase 1 once for all slots (`candidate.rs`).
//!
//! It applies the rules of `proposer.rs` and `learner.rs` slot by slot, and leaves to `mod.rs` this
//! node's own acceptor and the sending. The claims kept true: in a slot it proposes the decree of
//! the highest reported vote, or Noop below the last reported slot, or else a value of its own;
//! one decree a slot and ballot, ever; nothing below a prefix that some promise called chosen, as
//! those decrees are copied; and nothing past the window of alpha slots from its chosen prefix.

use crate::ballot::{Ballot, NodeId};
use crate::learner::Learner;
use crate::multi::decree::{Decree, Value};
use crate::multi::slot::{Slot, SlotRange};
use crate::proposer::Choice;
use crate::quorum::Configuration;
use std::collections::BTreeMap;

/// A leader: it proposes and counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leader<V> {
    ballot: Ballot,
    /// The next slot to propose in.
    next: Slot,
    /// What phase 1 binds the leader to, for slots from `next` on.
    choices: BTreeMap<Slot, Choice<V>>,
    /// The end of what phase 1 found: once this is chosen, the leader knows all older decrees.
    found: Slot,
    open: BTreeMap<Slot, Learner<V>>,
    /// The bytes of the decrees of the open slots.
    open_bytes: usize,
    /// Slots below this one were open at the last resend to a node.
    resend_below: BTreeMap<NodeId, Slot>,
}

impl<V: Value> Leader<V> {
    /// Begins phase 2 with what the promises bind it to, above a prefix that is to be copied.
    pub(crate) fn new(
        ballot: Ballot,
        copy_below: Slot,
        found: Slot,
        choices: BTreeMap<Slot, Choice<V>>,
    ) -> Self {
        assert!(copy_below <= found, "what is to be copied was found");
        Self {
            ballot,
            next: copy_below,
            choices,
            found,
            open: BTreeMap::new(),
            open_bytes: 0,
            resend_below: BTreeMap::new(),
        }
    }

    pub(crate) const fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// Returns the next slot to propose in.
    pub(crate) const fn next(&self) -> Slot {
        self.next
    }

    /// Returns the end of what phase 1 found.
    pub(crate) const fn found(&self) -> Slot {
        self.found
    }

    /// Tells whether slots are open.
    pub(crate) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Tells whether a slot below this one is open.
    pub(crate) fn has_open_below(&self, slot: Slot) -> bool {
        self.open.first_key_value().is_some_and(|(first, _)| *first < slot)
    }

    /// Returns the bytes of the decrees of the open slots.
    pub(crate) const fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// Returns the next decree that phase 1 binds the leader to propose, if one is left.
    pub(crate) fn bound_decree(&self) -> Option<Decree<V>> {
        if self.next >= self.found {
            return None;
        }
        // A slot below the last report of which no promise knew a vote was chosen in no lower
        // ballot: Noop closes the gap, as the machine can go on only without one.
        let choice = self.choices.get(&self.next);
        Some(choice.and_then(Choice::decree).cloned().unwrap_or(Decree::Noop))
    }

    /// Opens the next slot with `decree`, and returns the slot.
    ///
    /// spec: MultiPaxos!Phase2a
    pub(crate) fn open(&mut self, decree: Decree<V>) -> Slot {
        let slot = self.next;
        let is_free = self.bound_decree().is_none_or(|bound| bound == decree);
        assert!(is_free, "phase 1 binds ballot {} to another decree in slot {slot}", self.ballot);
        // From here on the ballot's decree is what the learner has, and no other may be chosen
        // from.
        self.choices.remove(&slot);
        self.open_bytes += decree.weight();
        let before = self.open.insert(slot, Learner::new(self.ballot, decree));
        assert!(before.is_none(), "two decrees in ballot {} and slot {slot}", self.ballot);
        self.next = slot.next();
        slot
    }

    /// Counts the votes of `from` in a range of slots.
    ///
    /// spec: MultiPaxos!Choose
    pub(crate) fn on_accepted(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        SlotRange { first, end }: SlotRange,
        configuration: &Configuration,
    ) {
        // A range that ends before it begins is the sender's fault, and would be the map's panic.
        if first >= end {
            return;
        }
        for learner in self.open.range_mut(first..end).map(|(_, learner)| learner) {
            learner.on_accepted(from, ballot, configuration);
        }
    }

    /// Tells whether a quorum was counted in `slot`.
    pub(crate) fn counted(&self, slot: Slot, configuration: &Configuration) -> bool {
        self.open.get(&slot).is_some_and(|learner| learner.is_chosen(configuration))
    }

    /// Tells whether this node's own vote in its last proposal was counted, or the slot is chosen.
    pub(crate) fn last_is_durable(&self, me: NodeId) -> bool {
        self.open.last_key_value().is_none_or(|(_, learner)| learner.has_vote_of(me))
    }

    /// Closes the slots below the chosen prefix.
    pub(crate) fn on_prefix(&mut self, chosen: Slot) {
        while let Some(entry) = self.open.first_entry()
            && *entry.key() < chosen
        {
            self.open_bytes -= entry.remove().decree().weight();
        }
        while let Some(entry) = self.choices.first_entry()
            && *entry.key() < chosen
        {
            entry.remove();
        }
        // It may have copied slots that it never proposed in; it does not go back to them.
        self.next = self.next.max(chosen);
        assert!(self.has_open() || self.open_bytes == 0, "bytes are counted of slots that closed");
    }

    /// Tells whether a vote of `node` is waited for.
    pub(crate) fn awaits(&self, node: NodeId) -> bool {
        self.open.values().any(|learner| !learner.has_vote_of(node))
    }

    /// Tells whether a vote of `node` in `slot` is waited for.
    pub(crate) fn awaits_in(&self, slot: Slot, node: NodeId) -> bool {
        self.open.get(&slot).is_some_and(|learner| !learner.has_vote_of(node))
    }

    /// Lists the slots that were open at the last call for `node` and still lack its vote, with
    /// their decrees, as many as one resend repeats.
    pub(crate) fn overdue(&mut self, node: NodeId) -> Vec<(Slot, Decree<V>)> {
        // The votes for what was opened since the last call may be on their way.
        let below = self.resend_below.insert(node, self.next).unwrap_or(Slot::FIRST);
        let due = self.open.range(..below).filter(|(_, learner)| !learner.has_vote_of(node));
        let mut list = Vec::new();
        let mut bytes = 0;
        for (slot, learner) in due.take(RESEND_SLOTS_MAX) {
            bytes += learner.decree().weight();
            if bytes > RESEND_BYTES_MAX && !list.is_empty() {
                break;
            }
            list.push((*slot, learner.decree().clone()));
        }
        list
    }
}

/// The most slots that one resend to one node repeats.
pub const RESEND_SLOTS_MAX: usize = 64;

/// The most bytes of decrees that one resend to one node repeats; one larger decree goes alone.
pub const RESEND_BYTES_MAX: usize = 4 << 20;
