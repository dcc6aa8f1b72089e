//! The leader of the log: phase 1 once for all slots, phase 2 slot by slot.
//!
//! It applies the rules of `proposer.rs` and `learner.rs` slot by slot, and leaves to `mod.rs` this
//! node's own acceptor and the sending. The claims kept true: in a slot it proposes the decree of
//! the highest reported vote, or Noop below the last reported slot, or else a value of its own;
//! one decree a slot and ballot, ever; nothing below a prefix that some promise called chosen, as
//! those decrees are copied; and nothing past the window of alpha slots from its chosen prefix.

use crate::ballot::{Ballot, NodeId};
use crate::learner::Learner;
use crate::message::Report;
use crate::multi::decree::{Decree, Value};
use crate::multi::slot::Slot;
use crate::proposer::Choice;
use crate::quorum::{Configuration, Tally};
use std::collections::BTreeMap;

/// What a node is with regard to leadership.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Leader<V> {
    /// It does not lead.
    Idle,
    /// It is in phase 1: an elect.
    Preparing(Preparing<V>),
    /// It is in phase 2.
    Leading(Leading<V>),
}

/// An elect: it gathers promises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Preparing<V> {
    ballot: Ballot,
    /// The first slot asked for.
    first: Slot,
    /// Who promised for all slots.
    promises: Tally,
    /// Where the promises that had to be cut go on.
    partial: BTreeMap<NodeId, Slot>,
    choices: BTreeMap<Slot, Choice<V>>,
    /// The end of the longest prefix that a promise called chosen.
    copy_below: Slot,
    /// The end of the slots that a promise reported.
    reported: Slot,
}

/// A leader: it proposes and counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leading<V> {
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
    /// Slots below this one were open at the last resend.
    resend_below: Slot,
}

/// What a promise leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Promised {
    /// Nothing yet.
    Waiting,
    /// The promise was cut: its sender is asked for the slots from here on.
    Cut(Slot),
    /// The promises are a quorum; the elect leads.
    Elected,
}

impl<V: Value> Preparing<V> {
    pub(crate) const fn new(ballot: Ballot, first: Slot) -> Self {
        Self {
            ballot,
            first,
            promises: Tally { nodes: Vec::new() },
            partial: BTreeMap::new(),
            choices: BTreeMap::new(),
            copy_below: first,
            reported: first,
        }
    }

    pub(crate) const fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// Returns where `node` is to be asked from; none if its promise is complete.
    pub(crate) fn asks_from(&self, node: NodeId) -> Option<Slot> {
        let first = self.partial.get(&node).copied().unwrap_or(self.first);
        (!self.promises.contains(node)).then_some(first)
    }

    /// Takes one promise of this ballot in.
    pub(crate) fn on_promise(
        &mut self,
        from: NodeId,
        (first, end, chosen): (Slot, Option<Slot>, Slot),
        reports: Vec<(Slot, Report<V>)>,
        configuration: &Configuration,
    ) -> Promised {
        // A part that does not continue what is held is a repetition: it covers nothing more.
        if self.asks_from(from) != Some(first) {
            return Promised::Waiting;
        }
        self.copy_below = self.copy_below.max(chosen);
        for (slot, report) in reports {
            self.reported = self.reported.max(slot.next());
            self.choices.entry(slot).or_insert_with(Choice::free).on_report(report);
        }
        if let Some(end) = end {
            self.partial.insert(from, end);
            return Promised::Cut(end);
        }
        self.promises.add(from);
        if configuration.is_phase1_quorum(&self.promises) {
            Promised::Elected
        } else {
            Promised::Waiting
        }
    }

    /// Begins phase 2 with what the promises bind it to.
    pub(crate) fn lead(&self) -> Leading<V> {
        let found = self.copy_below.max(self.reported);
        Leading {
            ballot: self.ballot,
            next: self.copy_below,
            choices: self.choices.clone(),
            found,
            open: BTreeMap::new(),
            open_bytes: 0,
            resend_below: Slot::FIRST,
        }
    }
}

impl<V: Value> Leading<V> {
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

    /// Returns the bytes of the decrees of the open slots.
    pub(crate) const fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// Returns the next decree that phase 1 binds the leader to propose, if one is left.
    pub(crate) fn bound_decree(&self) -> Option<Decree<V>> {
        if self.next >= self.found {
            return None;
        }
        let choice = self.choices.get(&self.next);
        Some(choice.and_then(Choice::decree).cloned().unwrap_or(Decree::Noop))
    }

    /// Opens the next slot with `decree`, and returns the slot.
    ///
    /// spec: MultiPaxos!Phase2a
    pub(crate) fn open(&mut self, decree: Decree<V>) -> Slot {
        let slot = self.next;
        self.choices.remove(&slot);
        self.open_bytes += decree.weight();
        self.open.insert(slot, Learner::new(self.ballot, decree));
        self.next = slot.next();
        slot
    }

    /// Counts the votes of `from` in `[first, end)`.
    ///
    /// spec: MultiPaxos!Choose
    pub(crate) fn on_accepted(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        (first, end): (Slot, Slot),
        configuration: &Configuration,
    ) {
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
        self.next = self.next.max(chosen);
    }

    /// Lists, for each slot open since the last call, its decree and who has not voted yet.
    pub(crate) fn overdue(&mut self, configuration: &Configuration) -> Vec<Overdue<V>> {
        let due = self.open.range(..self.resend_below);
        let list = due.take(RESEND_SLOTS_MAX).map(|(slot, learner)| Overdue {
            slot: *slot,
            decree: learner.decree().clone(),
            missing: configuration
                .voters()
                .iter()
                .copied()
                .filter(|node| !learner.has_vote_of(*node))
                .collect(),
        });
        let list = list.collect();
        self.resend_below = self.next;
        list
    }
}

/// A proposal that waits for votes.
#[derive(Debug)]
pub(crate) struct Overdue<V> {
    pub(crate) slot: Slot,
    pub(crate) decree: Decree<V>,
    pub(crate) missing: Vec<NodeId>,
}

/// The most slots that one resend repeats.
pub const RESEND_SLOTS_MAX: usize = 32;

impl<V: Value> Leader<V> {
    /// Returns the ballot in which the node leads; none for an elect.
    #[must_use]
    pub const fn leads(&self) -> Option<Ballot> {
        match self {
            Self::Leading(leading) => Some(leading.ballot),
            Self::Idle | Self::Preparing(_) => None,
        }
    }

    /// Returns the ballot in which the node leads or would like to.
    #[must_use]
    pub const fn ballot(&self) -> Option<Ballot> {
        match self {
            Self::Idle => None,
            Self::Preparing(preparing) => Some(preparing.ballot),
            Self::Leading(leading) => Some(leading.ballot),
        }
    }
}
