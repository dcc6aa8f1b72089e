//! Inductive: what is proved of all sizes holds after every step of the shipped code.
//!
//! The invariants of the model `MultiPaxos` in `paxos/proof` are asked of the cluster's state: what
//! is durable, what left, and what is known to be chosen. Where one fails that no other invariant
//! notices, the proof is of something else than the code. They are asked of one slot at a time, of
//! each slot that a step has touched; `image` says of which part of the world, and why that is
//! enough. It takes as long as the step itself, so one run in ten has it ([`is_asked`]). The claims
//! kept true are `multi_paxos.epr`'s, by the names that they have there.

use std::collections::{BTreeMap, BTreeSet};
use synod_paxos::{
    AfterSync, Ballot, Configuration, Decree, Immediate, Message as Paxos, NodeId, Report, Slot,
};
use synod_rng::Seed;
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
            Message::Paxos(Paxos::AfterSync(bound)) => self.claim(place, bound),
            Message::Paxos(Paxos::Immediate(free)) => match free {
                Immediate::Accept { ballot, first, decrees, chosen } => {
                    let mut slot = *first;
                    for decree in decrees {
                        if self.cluster.slot(slot).propose(*ballot, decree) {
                            self.touched.insert(slot);
                        }
                        slot = slot.next();
                    }
                    self.announce(*ballot, *chosen);
                }
                Immediate::Chosen { ballot, chosen } => self.announce(*ballot, *chosen),
                Immediate::Nack { .. } => {}
            },
            Message::Heartbeat(_)
            | Message::Decrees { .. }
            | Message::Confirm { .. }
            | Message::Confirmed { .. }
            | Message::Fetch { .. }
            | Message::FetchSnapshot { .. }
            | Message::Snapshot(_)
            | Message::Known(_) => {}
        }
    }

    fn claim(&mut self, place: Place, bound: &AfterSync<CommandBatch>) {
        match bound {
            AfterSync::Prepare { ballot, first: _ } => {
                self.cluster.prepares.insert(*ballot);
            }
            AfterSync::Promise { ballot, first, end, chosen, reports } => {
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
            AfterSync::Accepted { .. } => {}
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
        let held = self.cluster.forget(place, found.state_at);
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
        // What a node knows when its life begins was learned and asked in an earlier one.
        if step.cause != Cause::Start {
            let log = step.replica.paxos().log();
            let learned = step.before.chosen.number()..step.after.chosen.number();
            for slot in learned.map(Slot::new) {
                match log.decree(slot) {
                    Some(decree) => self.learn(place, slot, decree),
                    None => {
                        self.cluster.slot(slot).pass_over(place);
                        self.touched.insert(slot);
                    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use synod_paxos::{Tally, Vote};
    use synod_smr::Principal;
    use synod_smr::{ClientId, Command, Opening};

    /// The nodes are 1 to 3, so that each one's place is its number less one.
    const NODES: u16 = 3;

    fn node(number: u16) -> NodeId {
        NodeId::new(number)
    }

    fn ballot(round: u64, owner: u16) -> Ballot {
        Ballot::new(round, node(owner))
    }

    fn value(count: u64) -> Decree<CommandBatch> {
        let opening = Opening { client: ClientId::new(0), count };
        let open = Command::Open { principal: Principal::of_name("me"), opening };
        Decree::Value(CommandBatch::encode(&[open]))
    }

    fn three() -> Inductive {
        let voters = Configuration::majority((1..=NODES).map(node)).expect("three may vote");
        assert!(voters.is_phase1_quorum(&[node(1), node(2)].into_iter().collect::<Tally>()));
        Inductive::new(&voters)
    }

    fn durable(all: &mut Inductive, number: u16, record: Record) -> Result<(), String> {
        all.record(usize::from(number) - 1, node(number), &record);
        all.ask()
    }

    fn promised(all: &mut Inductive, number: u16, ballot: Ballot) -> Result<(), String> {
        durable(all, number, Record::Promised(ballot))
    }

    fn voted(
        all: &mut Inductive,
        number: u16,
        ballot: Ballot,
        decree: &Decree<CommandBatch>,
    ) -> Result<(), String> {
        let slot = Slot::FIRST;
        durable(all, number, Record::Accepted { ballot, slot, decree: decree.clone() })
    }

    fn sent(all: &mut Inductive, number: u16, message: Paxos<CommandBatch>) -> Result<(), String> {
        all.message(usize::from(number) - 1, &Message::Paxos(message));
        all.ask()
    }

    fn proposed(
        all: &mut Inductive,
        number: u16,
        ballot: Ballot,
        decree: &Decree<CommandBatch>,
    ) -> Result<(), String> {
        let first = Slot::FIRST;
        let accept =
            Immediate::Accept { ballot, first, decrees: vec![decree.clone()], chosen: first };
        sent(all, number, Paxos::Immediate(accept))
    }

    fn promise(ballot: Ballot, reports: Vec<(Slot, Report<CommandBatch>)>) -> Paxos<CommandBatch> {
        let first = Slot::FIRST;
        Paxos::AfterSync(AfterSync::Promise { ballot, first, end: None, chosen: first, reports })
    }

    /// Ballot 1.1 proposes a value, and nodes 1 and 2 vote for it.
    fn chosen() -> Inductive {
        let mut all = three();
        let (one, of) = (value(1), ballot(1, 1));
        for number in 1..=NODES {
            promised(&mut all, number, of).expect("all promise");
        }
        proposed(&mut all, 1, of, &one).expect("it may be proposed");
        voted(&mut all, 1, of, &one).expect("node 1 votes");
        voted(&mut all, 2, of, &one).expect("node 2 votes, and it is chosen");
        all
    }

    #[track_caller]
    fn breaks(claim: &str, done: Result<(), String>) {
        let said = done.expect_err("an invariant of the proof does not hold");
        assert!(said.starts_with(claim), "{said}");
    }

    #[test]
    fn a_run_without_a_fault_keeps_every_invariant() {
        let mut all = chosen();
        all.learn(0, Slot::FIRST, &value(1));
        let end = Slot::FIRST.next();
        sent(
            &mut all,
            1,
            Paxos::Immediate(Immediate::Chosen { ballot: ballot(1, 1), chosen: end }),
        )
        .expect("what is chosen may be announced");
        let copied = Record::Learned { slot: Slot::FIRST, decree: value(1) };
        durable(&mut all, 3, copied).expect("what is chosen may be copied");
        let next = ballot(2, 3);
        promised(&mut all, 3, next).expect("a candidate promises");
        promised(&mut all, 2, next).expect("another promises");
        let vote = Vote { ballot: ballot(1, 1), decree: value(1) };
        let report = vec![(Slot::FIRST, Report::Voted(vote))];
        sent(&mut all, 2, promise(next, report)).expect("it reports its vote");
        proposed(&mut all, 3, next, &value(1)).expect("it proposes what is reported");
    }

    #[test]
    fn a_vote_for_what_nobody_proposed_is_noticed() {
        let mut all = chosen();
        breaks("vote_proposed", voted(&mut all, 3, ballot(1, 1), &value(2)));
    }

    #[test]
    fn a_second_proposal_of_a_ballot_is_noticed() {
        breaks("OneValuePerBallot", proposed(&mut chosen(), 1, ballot(1, 1), &value(2)));
    }

    #[test]
    fn an_unsafe_proposal_is_noticed() {
        breaks("SafeAt", proposed(&mut chosen(), 3, ballot(2, 3), &value(2)));
    }

    #[test]
    fn a_promise_that_hides_a_vote_is_noticed() {
        let mut all = chosen();
        promised(&mut all, 2, ballot(2, 3)).expect("a promise may rise");
        breaks("promise_reports", sent(&mut all, 2, promise(ballot(2, 3), Vec::new())));
    }

    #[test]
    fn a_promise_that_makes_a_vote_up_is_noticed() {
        let mut all = chosen();
        promised(&mut all, 2, ballot(2, 3)).expect("a promise may rise");
        let vote = Vote { ballot: ballot(1, 1), decree: value(2) };
        let report = vec![(Slot::FIRST, Report::Voted(vote))];
        breaks("promise_true", sent(&mut all, 2, promise(ballot(2, 3), report)));
    }

    #[test]
    fn a_promise_before_its_record_is_noticed() {
        breaks("promise_kept", sent(&mut chosen(), 3, promise(ballot(2, 3), Vec::new())));
    }

    #[test]
    fn a_copy_of_what_was_not_chosen_is_noticed() {
        let copied = Record::Learned { slot: Slot::FIRST, decree: value(2) };
        breaks("copy_won", durable(&mut chosen(), 3, copied));
    }

    #[test]
    fn an_announcement_over_another_proposal_is_noticed() {
        let mut all = three();
        let early = ballot(1, 3);
        proposed(&mut all, 3, early, &value(2)).expect("a lone proposal breaks nothing");
        let end = Slot::FIRST.next();
        let announced =
            sent(&mut all, 3, Paxos::Immediate(Immediate::Chosen { ballot: early, chosen: end }));
        breaks("announced_won", announced);
    }

    #[test]
    fn a_lost_vote_is_noticed_when_a_life_begins() {
        let mut all = chosen();
        let mut found = Found::default();
        found.records.push(Record::Promised(ballot(1, 1)));
        breaks("latest_vote", all.on_recovery(node(2), &found));
    }
}
