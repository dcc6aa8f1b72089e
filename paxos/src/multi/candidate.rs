//! The candidate: it gathers the promises of phase 1, which count for all slots.
//!
//! A promise may come in parts, in any order and more than once; several are on their way at a
//! time. The claims kept true: a promise counts only once its parts cover all slots asked for; and
//! what any part reports is known to the leader that comes of it; and it fills gaps of the log only
//! below what is reported without a gap.

use crate::ballot::{Ballot, NodeId};
use crate::message::Report;
use crate::multi::decree::Value;
use crate::multi::leader::Leader;
use crate::multi::slot::Slot;
use crate::proposer::Choice;
use crate::quorum::{Configuration, Tally};
use std::collections::BTreeMap;

/// A node in phase 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate<V> {
    ballot: Ballot,
    /// The first slot asked for.
    first: Slot,
    /// How many parts an answer has at most.
    parts: u32,
    /// Who promised for all slots.
    promises: Tally,
    /// What is there of the promises that had to be cut.
    partial: BTreeMap<NodeId, Partial>,
    choices: BTreeMap<Slot, Choice<V>>,
    /// The end of the longest prefix that a promise called chosen.
    copy_below: Slot,
    /// The end of the slots that a promise reported.
    reported: Slot,
    /// How many parts were taken in, of all voters.
    taken: u32,
}

/// A promise that is not there as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Partial {
    /// The slots below this one are covered.
    end: Slot,
    /// The parts past a gap, by where they begin.
    ahead: BTreeMap<Slot, Part>,
    /// How many parts are still to come before more have to be asked for.
    awaited: u32,
}

/// A part that waits for those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Part {
    /// Where it ends; none is the end of the log.
    end: Option<Slot>,
    /// The end of the slots that it reports.
    reported: Slot,
}

/// A part of a promise, as a message brings it.
#[derive(Debug)]
pub(crate) struct PromisePart<V> {
    /// Where it begins.
    pub(crate) first: Slot,
    /// Where it ends; none is the end of the log.
    pub(crate) end: Option<Slot>,
    /// The end of the sender's chosen prefix.
    pub(crate) chosen: Slot,
    /// The votes of its slots, in order.
    pub(crate) reports: Vec<(Slot, Report<V>)>,
}

/// What a promise leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Promised {
    /// Nothing yet.
    Waiting,
    /// All parts asked for came, and more are needed: its sender is asked for the slots from here.
    Cut(Slot),
    /// The promises are a quorum; the candidate leads.
    Elected,
}

impl<V: Value> Candidate<V> {
    pub(crate) const fn new(ballot: Ballot, first: Slot, parts: u32) -> Self {
        Self {
            ballot,
            first,
            parts,
            promises: Tally { nodes: Vec::new() },
            partial: BTreeMap::new(),
            choices: BTreeMap::new(),
            copy_below: first,
            reported: first,
            taken: 0,
        }
    }

    pub(crate) const fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// Counts the parts of promises taken in so far: it grows as long as phase 1 gets on.
    pub(crate) const fn taken(&self) -> u32 {
        self.taken
    }

    /// Returns where `node` is to be asked from; none if its promise is complete.
    pub(crate) fn asks_from(&self, node: NodeId) -> Option<Slot> {
        let first = self.partial.get(&node).map_or(self.first, |partial| partial.end);
        (!self.promises.contains(node)).then_some(first)
    }

    /// Takes note that `node` is asked again, and returns where from.
    pub(crate) fn ask_again(&mut self, node: NodeId) -> Option<Slot> {
        if let Some(partial) = self.partial.get_mut(&node) {
            partial.ask(self.parts);
        }
        self.asks_from(node)
    }

    /// Tells whether a part of the promise of `node` is there, and not all of it.
    pub(crate) fn is_partial(&self, node: NodeId) -> bool {
        self.partial.contains_key(&node)
    }

    /// Takes a part of a promise of this ballot in.
    pub(crate) fn on_promise(
        &mut self,
        from: NodeId,
        PromisePart { first, end, chosen, reports }: PromisePart<V>,
        configuration: &Configuration,
    ) -> Promised {
        // A promise that is whole stays so: what its sender has voted for since is in this ballot
        // or above it.
        if self.promises.contains(from) {
            return Promised::Waiting;
        }
        let (asked, parts) = (self.first, self.parts);
        let new = || Partial { end: asked, ahead: BTreeMap::new(), awaited: parts };
        let partial = self.partial.entry(from).or_insert_with(new);
        let reported = reports.last().map_or(first, |(slot, _)| slot.next());
        if !partial.take(first, Part { end, reported }) {
            return Promised::Waiting;
        }
        self.taken = self.taken.saturating_add(1);
        // Every part counts from here on, whole promise or not: a vote that was reported was cast.
        self.copy_below = self.copy_below.max(chosen);
        for (slot, report) in reports {
            self.choices.entry(slot).or_insert_with(Choice::free).on_report(report);
        }
        // A gap of the log is filled below what is reported without a gap of the promise: in the
        // latter there may be a vote that is on its way.
        if !partial.absorb(&mut self.reported) {
            if partial.awaited > 0 {
                return Promised::Waiting;
            }
            return Promised::Cut(partial.ask(self.parts));
        }
        self.partial.remove(&from);
        self.promises.add(from);
        if configuration.is_phase1_quorum(&self.promises) {
            Promised::Elected
        } else {
            Promised::Waiting
        }
    }

    /// Begins phase 2 with what the promises bind it to.
    pub(crate) fn lead(&self) -> Leader<V> {
        let found = self.copy_below.max(self.reported);
        Leader::new(self.ballot, self.copy_below, found, self.choices.clone())
    }
}

impl Partial {
    /// Awaits so many parts from the end on, and returns it.
    ///
    /// What is there past a gap will come again with them, so that so many parts are new.
    fn ask(&mut self, parts: u32) -> Slot {
        self.ahead.clear();
        self.awaited = parts;
        self.end
    }

    /// Takes a part in, and tells whether it covers anything more: a repetition does not.
    fn take(&mut self, first: Slot, part: Part) -> bool {
        let end = part.end;
        let reaches = |held: &Part| held.end.is_none_or(|held| end.is_some_and(|end| end <= held));
        let before = self.ahead.range(..=first).next_back();
        // Parts were asked for at different times and may overlap in any way; only one that reaches
        // further than all before it is news.
        if end.is_some_and(|end| end <= self.end) || before.is_some_and(|(_, held)| reaches(held)) {
            return false;
        }
        self.ahead.insert(first, part);
        self.awaited = self.awaited.saturating_sub(1);
        true
    }

    /// Moves the end over what adjoins it, with the end of what is reported there; tells whether
    /// all slots are covered.
    fn absorb(&mut self, reported: &mut Slot) -> bool {
        while let Some(entry) = self.ahead.first_entry()
            && *entry.key() <= self.end
        {
            let part = entry.remove();
            *reported = part.reported.max(*reported);
            let Some(end) = part.end else { return true };
            self.end = self.end.max(end);
        }
        false
    }
}
