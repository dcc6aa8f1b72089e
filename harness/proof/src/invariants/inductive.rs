//! Inductive: what is proved of all sizes holds after every step of the shipped code.
//!
//! The invariants of the model `MultiPaxos` in `paxos/proof` are asked of the cluster's state: what
//! is durable, what left, and what is known to be chosen. Where one fails that no other invariant
//! notices, the proof is of something else than the code. They are asked of one slot at a time, of
//! each slot that a step has touched; `image` says of which part of the world, and why that is
//! enough. It takes as long as the step itself, so one run in ten has it ([`is_asked`]). The claims
//! kept true are `multi_paxos.epr`'s, by the names that they have there.

use std::collections::{BTreeMap, BTreeSet};
use synod_harness::random::Seed;
use synod_paxos::{
    Ballot, Bound, Configuration, Decree, Free, Message as Paxos, NodeId, Report, Slot,
};
use synod_smr::{CommandBatch, Message, Record};

use super::Invariant;
use crate::journal_thread::Found;
use crate::spec::image::{Cluster, Place, Promise};
use crate::step::{Cause, Step};

/// Tells whether the run of a seed has its invariants asked: one in ten has.
#[must_use]
pub fn is_asked(seed: Seed) -> bool {
    seed.0.is_multiple_of(ASKED_EVERY)
}

/// Follows the cluster, and asks.
pub(super) struct Inductive {
    cluster: Cluster,
    /// The slots whose relations changed since they were asked.
    touched: BTreeSet<Slot>,
    /// The messages that left since.
    sent: Vec<Promise>,
}

impl Inductive {
    pub(super) fn new(voters: &Configuration) -> Self {
        let (touched, sent) = (BTreeSet::new(), Vec::new());
        Self { cluster: Cluster::new(voters), touched, sent }
    }

    fn record(&mut self, place: Place, node: NodeId, record: &Record) {
        match record {
            Record::Promised(ballot) => {
                if ballot.node() == node {
                    self.cluster.prepares.insert(*ballot);
                }
                self.cluster.promised[place] = *ballot;
            }
            Record::Accepted { ballot, slot, decree } => {
                // Where a leader crashed, its own vote may be all that is left of a proposal.
                if ballot.node() == node {
                    self.cluster.slot(*slot).propose(*ballot, decree);
                }
                self.cluster.promised[place] = *ballot;
                self.cluster.vote(place, *slot, *ballot, decree);
                self.touched.insert(*slot);
            }
            Record::Learned { slot, decree } => {
                self.cluster.slot(*slot).copy(place, decree);
                self.touched.insert(*slot);
            }
            Record::Chosen(_) => {}
        }
    }

    fn learn(&mut self, place: Place, slot: Slot, decree: &Decree<CommandBatch>) {
        self.cluster.slot(slot).learn(place, decree);
        self.touched.insert(slot);
    }

    fn message(&mut self, place: Place, message: &Message) {
        match message {
            Message::Paxos(Paxos::Bound(bound)) => self.claim(place, bound),
            Message::Paxos(Paxos::Free(free)) => match free {
                Free::Accept { ballot, first, decrees, chosen } => {
                    let mut slot = *first;
                    for decree in decrees {
                        if self.cluster.slot(slot).propose(*ballot, decree) {
                            self.touched.insert(slot);
                        }
                        slot = slot.next();
                    }
                    self.announce(*ballot, *chosen);
                }
                Free::Chosen { ballot, chosen } => self.announce(*ballot, *chosen),
                Free::Nack { .. } => {}
            },
            Message::Heartbeat(_)
            | Message::Decrees { .. }
            | Message::Confirm { .. }
            | Message::Confirmed { .. }
            | Message::Fetch { .. }
            | Message::Stranger(_) => {}
        }
    }

    fn claim(&mut self, place: Place, bound: &Bound<CommandBatch>) {
        match bound {
            Bound::Prepare { ballot, first: _ } => {
                self.cluster.prepares.insert(*ballot);
            }
            Bound::Promise { ballot, first, end, chosen, reports } => {
                let told = |(slot, report): &(Slot, Report<CommandBatch>)| {
                    let state = self.cluster.slots.entry(*slot).or_default();
                    let vote = match report {
                        Report::Voted(vote) => (Some(vote.ballot), state.number(&vote.decree)),
                        Report::Chosen(decree) => (None, state.number(decree)),
                    };
                    (*slot, vote)
                };
                let reports: BTreeMap<_, _> = reports.iter().map(told).collect();
                let promise = Promise {
                    place,
                    ballot: *ballot,
                    first: *first,
                    end: *end,
                    chosen: *chosen,
                    reports,
                };
                let covered = self.cluster.slots.range(*first.max(chosen)..);
                let covered = covered.map(|(slot, _)| *slot);
                self.touched.extend(covered.take_while(|slot| end.is_none_or(|end| *slot < end)));
                self.sent.push(promise);
            }
            Bound::Accepted { .. } => {}
        }
    }

    fn announce(&mut self, ballot: Ballot, end: Slot) {
        let announced = self.cluster.announced.entry(ballot).or_insert(Slot::FIRST);
        if *announced < end {
            let over = self.cluster.slots.range(*announced..end);
            let proposed = over.filter(|(_, state)| state.is_proposed(ballot));
            self.touched.extend(proposed.map(|(slot, _)| *slot));
            *announced = end;
        }
    }

    /// Asks the invariants of every slot that was touched.
    fn ask(&mut self) -> Result<(), String> {
        let sent = std::mem::take(&mut self.sent);
        for promise in &sent {
            self.cluster.keeps(promise)?;
        }
        for slot in std::mem::take(&mut self.touched) {
            self.cluster.ask(slot, &sent)?;
        }
        self.cluster.promises.extend(sent);
        Ok(())
    }
}

impl Invariant for Inductive {
    fn name(&self) -> &'static str {
        "inductive"
    }

    fn on_recovery(&mut self, node: NodeId, found: &Found) -> Result<(), String> {
        let Some(place) = self.cluster.place(node) else { return Ok(()) };
        let promised = self.cluster.promised[place];
        let held = self.cluster.forget(place);
        for record in &found.records {
            self.record(place, node, record);
        }
        // What a recovery reads again was asked before, unless something is missing.
        if self.cluster.promised[place] >= promised {
            let holds = |slot: &Slot| self.cluster.slots.get(slot).and_then(|s| s.accepted(place));
            self.touched.extend(held.keys());
            self.touched.retain(|slot| holds(slot) != held.get(slot).copied());
        } else {
            self.touched.extend(self.cluster.slots.keys());
        }
        self.ask()
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let Some(place) = self.cluster.place(step.node) else { return Ok(()) };
        for record in step.durable {
            self.record(place, step.node, record);
        }
        if step.cause != Cause::Start {
            let log = step.replica.paxos().log();
            for slot in step.before.chosen.number()..step.after.chosen.number() {
                if let Some(decree) = log.decree(Slot::new(slot)) {
                    self.learn(place, Slot::new(slot), decree);
                }
            }
        }
        for (_, message) in step.sent {
            self.message(place, message);
        }
        self.ask()
    }
}

/// One run in so many has the invariants of the proof asked.
const ASKED_EVERY: u64 = 10;
