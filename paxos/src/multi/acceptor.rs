//! The acceptor of the log: one promise for all slots, one vote a slot.
//!
//! It applies the rules of `acceptor.rs` slot by slot; what it adds is the report over many slots.
//! Slots below `base` were forgotten here, as they are chosen and applied: no vote is cast there
//! and none reported. The claims kept true: a report covers exactly the slots that it names, and
//! below its `chosen` it says nothing but "copy them"; a copied decree is never reported as a vote.

use crate::acceptor::{Promised, assert_one_decree_per_ballot, refuse};
use crate::ballot::Ballot;
use crate::effects::{Effects, Record};
use crate::message::{AfterSync, Report, To, Vote};
use crate::multi::decree::{Decree, Value};
use crate::multi::limits::LogLimits;
use crate::multi::slot::Slot;
use std::collections::BTreeMap;

/// What an acceptor knows of its slots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogAcceptor<V> {
    promised: Promised,
    base: Slot,
    slots: BTreeMap<Slot, Report<V>>,
    weight: usize,
    /// The end of the prefix known to be chosen, and the weight of what is here below it.
    chosen: Slot,
    chosen_weight: usize,
}

/// Where an acceptor may vote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The end of the prefix that it knows to be chosen.
    pub(crate) chosen: Slot,
    /// The bytes of decrees past it at which no further slot gets a vote but the first.
    pub(crate) bytes: usize,
}

impl<V: Value> LogAcceptor<V> {
    /// Makes the log of an acceptor that has promised and voted nothing.
    pub(crate) const fn new() -> Self {
        Self {
            promised: Promised::NONE,
            base: Slot::FIRST,
            slots: BTreeMap::new(),
            weight: 0,
            chosen: Slot::FIRST,
            chosen_weight: 0,
        }
    }

    /// Returns the promise.
    #[must_use]
    pub const fn promised(&self) -> Ballot {
        self.promised.ballot()
    }

    /// Returns the first slot that is still here.
    #[must_use]
    pub const fn base(&self) -> Slot {
        self.base
    }

    /// Returns the bytes of all decrees here.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// Returns the bytes of the decrees here that are known to be chosen.
    #[must_use]
    pub const fn chosen_weight(&self) -> usize {
        self.chosen_weight
    }

    /// Returns the bytes of the decrees here that are not known to be chosen.
    #[must_use]
    pub const fn unchosen_weight(&self) -> usize {
        self.weight - self.chosen_weight
    }

    /// Counts the slots here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Tells whether no slot is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns the decree of the last vote in `slot`, or the one copied there.
    #[must_use]
    pub fn decree(&self, slot: Slot) -> Option<&Decree<V>> {
        self.slots.get(&slot).map(|report| match report {
            Report::Voted(vote) => &vote.decree,
            Report::Chosen(decree) => decree,
        })
    }

    /// Returns the ballot of the last vote in `slot`; none without a vote, or over a copy.
    #[must_use]
    pub fn voted_in(&self, slot: Slot) -> Option<Ballot> {
        match self.slots.get(&slot)? {
            Report::Voted(vote) => Some(vote.ballot),
            Report::Chosen(_) => None,
        }
    }

    /// Tells whether the decree in `slot` was copied as chosen.
    #[must_use]
    pub fn is_copied(&self, slot: Slot) -> bool {
        matches!(self.slots.get(&slot), Some(Report::Chosen(_)))
    }

    /// Takes back in what was recorded before a restart.
    pub(crate) fn on_record(&mut self, record: Record<V>) {
        match record {
            Record::Promised(ballot) => {
                self.promised.raise(ballot);
            }
            Record::Accepted { ballot, slot, decree } => {
                self.promised.raise(ballot);
                self.put(slot, Report::Voted(Vote { ballot, decree }));
            }
            Record::Learned { slot, decree } => self.put(slot, Report::Chosen(decree)),
            Record::Chosen(_) => {}
        }
    }

    /// Promises `ballot` to its node and reports the votes from `first` on, or refuses.
    ///
    /// A long report goes in parts, several at once, so that the way there and back is not waited
    /// for after each. A ballot that was promised already is answered again, with the present
    /// state: the first answer may be lost, and a voter may have come to it by an Accept. Where the
    /// disk has no room for the promise, there is silence.
    ///
    /// spec: MultiPaxos!Phase1b
    pub(crate) fn on_prepare(
        &mut self,
        ballot: Ballot,
        first: Slot,
        chosen: Slot,
        limits: &LogLimits,
        effects: &mut Effects<V>,
    ) {
        if !self.promised.admits(ballot) {
            return refuse(ballot, self.promised, effects);
        }
        if ballot > self.promised() && !effects.has_room_for_promise() {
            return;
        }
        // A repetition records nothing: the first record covers it, and the gate holds the answer
        // back until that one is synced.
        if self.promised.raise(ballot) {
            effects.record(Record::Promised(ballot));
        }
        assert_eq!(self.promised(), ballot, "it promises what it has promised");
        let mut next = Some(first);
        for _ in 0..limits.promise_parts.max(1) {
            let Some(first) = next else { break };
            // Below the chosen prefix nothing is reported: the candidate copies those slots, so it
            // proposes in none of them, and no vote there can bind it.
            let (reports, end) = self.reports(first.max(chosen), limits.promise_bytes);
            let promise = AfterSync::Promise { ballot, first, end, chosen, reports };
            effects.claim(To::Node(ballot.node()), promise);
            next = end;
        }
    }

    /// Votes for consecutive decrees in `ballot`, or refuses.
    ///
    /// Where it knows another decree to be chosen, below `chosen` or by a copy, it stays silent: a
    /// late Accept of a ballot that lost may come, and its vote would replace what is known. So it
    /// does where its window of bytes is full; the first slot that is not known to be chosen gets
    /// its vote all the same, as that is how room comes about. It also stays silent where the disk
    /// has no room for the vote.
    ///
    /// spec: MultiPaxos!Phase2b
    pub(crate) fn on_accept(
        &mut self,
        ballot: Ballot,
        first: Slot,
        decrees: impl IntoIterator<Item = Decree<V>>,
        window: Window,
        effects: &mut Effects<V>,
    ) {
        if !self.promised.admits(ballot) {
            return refuse(ballot, self.promised, effects);
        }
        if ballot > self.promised() && !effects.has_room_for_promise() {
            return;
        }
        let raised = self.promised.raise(ballot);
        assert_eq!(self.promised(), ballot, "a vote is a promise of its ballot");
        let (mut first, mut slot) = (first, first);
        let mut votes = 0;
        for decree in decrees {
            // A vote that it has cast already is said again without room for it: it takes none.
            let fits = self.voted_in(slot) == Some(ballot)
                || (self.has_room(slot, &decree, window) && effects.has_room_for(decree.weight()));
            if fits && self.may_vote(slot, &decree, window.chosen) {
                self.vote(ballot, slot, decree, effects);
                votes += 1;
            } else {
                claim_votes(ballot, first, slot, effects);
                first = slot.next();
            }
            slot = slot.next();
        }
        claim_votes(ballot, first, slot, effects);
        // The records of votes raise the promise as well when they are read back, so only an Accept
        // without a vote needs one of its own.
        if raised && votes == 0 {
            effects.record(Record::Promised(ballot));
        }
    }

    fn may_vote(&self, slot: Slot, decree: &Decree<V>, chosen: Slot) -> bool {
        // A slot that memory let go of is chosen, and what it was is not here to compare.
        let is_chosen = slot < chosen || self.is_copied(slot);
        slot >= self.base && (!is_chosen || self.decree(slot) == Some(decree))
    }

    fn has_room(&self, slot: Slot, decree: &Decree<V>, window: Window) -> bool {
        let held = self.slots.get(&slot).map_or(0, weight_of);
        // Were the first slot refused as well, nothing would be chosen, and so no room come about.
        slot <= window.chosen
            || decree.weight() <= held
            || self.unchosen_weight() - held < window.bytes
    }

    fn vote(&mut self, ballot: Ballot, slot: Slot, decree: Decree<V>, effects: &mut Effects<V>) {
        if let Some(Report::Voted(vote)) = self.slots.get(&slot)
            && vote.ballot == ballot
        {
            return assert_one_decree_per_ballot(vote, &decree, ballot.node());
        }
        let rises = self.voted_in(slot).is_none_or(|before| before < ballot);
        assert!(rises, "a vote in slot {slot} and ballot {ballot} follows a later one");
        effects.record(Record::Accepted { ballot, slot, decree: decree.clone() });
        self.put(slot, Report::Voted(Vote { ballot, decree }));
    }

    /// Takes a copy of a decree that is known to be chosen.
    ///
    /// Where the last vote was for the same decree, the vote stays, and nothing is written. Returns
    /// `false` if the disk has no room for the copy: nothing changed then.
    pub(crate) fn on_decree(
        &mut self,
        slot: Slot,
        decree: Decree<V>,
        effects: &mut Effects<V>,
    ) -> bool {
        if slot < self.base || self.decree(slot) == Some(&decree) {
            return true;
        }
        if !effects.has_room_for(decree.weight()) {
            return false;
        }
        // A vote gives way, as it was for a decree that lost; a copy that differs is a broken
        // protocol.
        assert!(!self.is_copied(slot), "two decrees are said to be chosen in slot {slot}");
        effects.record(Record::Learned { slot, decree: decree.clone() });
        self.put(slot, Report::Chosen(decree));
        true
    }

    /// Takes note that all slots below `chosen` are chosen, and that their decrees are here.
    pub(crate) fn on_chosen(&mut self, chosen: Slot) {
        if chosen > self.chosen {
            let newly = self.slots.range(self.chosen..chosen);
            self.chosen_weight += newly.map(|(_, report)| weight_of(report)).sum::<usize>();
            self.chosen = chosen;
        }
    }

    /// Forgets the slots below `base`, which are chosen and whose decrees are held elsewhere.
    pub(crate) fn forget_below(&mut self, base: Slot) {
        assert!(base <= self.chosen, "only what is chosen is let go of");
        while let Some(entry) = self.slots.first_entry()
            && *entry.key() < base
        {
            let weight = weight_of(&entry.remove());
            self.weight -= weight;
            self.chosen_weight -= weight;
        }
        self.base = self.base.max(base);
        assert!(self.chosen_weight <= self.weight, "what is chosen weighs more than all");
    }

    fn put(&mut self, slot: Slot, report: Report<V>) {
        if slot < self.base {
            return;
        }
        let weight = weight_of(&report);
        let replaced = self.slots.insert(slot, report).as_ref().map_or(0, weight_of);
        self.weight = self.weight + weight - replaced;
        if slot < self.chosen {
            self.chosen_weight = self.chosen_weight + weight - replaced;
        }
        assert!(self.chosen_weight <= self.weight, "what is chosen weighs more than all");
    }

    /// Lists the slots from `first` on, and where the list had to be cut to have so many bytes.
    fn reports(&self, first: Slot, bytes: usize) -> (Vec<(Slot, Report<V>)>, Option<Slot>) {
        let mut reports = Vec::new();
        let mut weight = 0;
        for (slot, report) in self.slots.range(first..) {
            weight += weight_of(report);
            // The first one goes whatever it weighs, or a large decree would never be reported.
            if weight > bytes && !reports.is_empty() {
                return (reports, Some(*slot));
            }
            reports.push((*slot, report.clone()));
        }
        (reports, None)
    }
}

/// Tells the leader of `ballot` of the votes in `[first, end)`.
fn claim_votes<V: Value>(ballot: Ballot, first: Slot, end: Slot, effects: &mut Effects<V>) {
    if first < end {
        effects.claim(To::Node(ballot.node()), AfterSync::Accepted { ballot, first, end });
    }
}

fn weight_of<V: Value>(report: &Report<V>) -> usize {
    match report {
        Report::Voted(vote) => vote.decree.weight(),
        Report::Chosen(decree) => decree.weight(),
    }
}
