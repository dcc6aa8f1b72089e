//! A run as a sequence of actions of the relation: what its acceptors and proposers did.
//!
//! Of learning, only the copies on disks are taken over, each from the leader of a ballot that a
//! quorum voted in. Promises report all votes and copies, and call nothing chosen: whatever an
//! candidate may propose with prefixes that are called chosen, it may propose without. The claim
//! kept true: the projection reads the events alone, and asks no guard.

use synod_paxos::{Ballot, Configuration, Decree, Immediate, Message as Paxos, NodeId, Slot};
use synod_simulated::spec::multi_paxos::{Action, Broken, MultiPaxos, State};
use synod_simulated::spec::quorums;
use synod_smr::{CommandBatch, Message, Record};

use super::world::Event;
use std::collections::{BTreeMap, BTreeSet};

/// The actions of a run, and the names of what is in them.
pub(crate) struct Projection {
    pub(crate) actions: Vec<Action>,
    ballots: BTreeMap<Ballot, u8>,
    decrees: Vec<Decree<CommandBatch>>,
    asked: BTreeSet<Ballot>,
    promised: BTreeSet<(NodeId, Ballot)>,
    proposed: BTreeSet<(Ballot, Slot, u8)>,
    voted: BTreeSet<(NodeId, Ballot, Slot, u8)>,
    /// Who is said to have counted a quorum, and who copied.
    learned: BTreeSet<(NodeId, Slot)>,
    majority: usize,
}

impl Projection {
    pub(crate) fn of(events: &[Event], voters: &Configuration) -> Self {
        let ballots: BTreeSet<Ballot> = events.iter().flat_map(ballots_of).collect();
        let mut projection = Self {
            actions: Vec::new(),
            ballots: ballots.into_iter().zip(0..).collect(),
            decrees: vec![Decree::Noop],
            asked: BTreeSet::new(),
            promised: BTreeSet::new(),
            proposed: BTreeSet::new(),
            voted: BTreeSet::new(),
            learned: BTreeSet::new(),
            majority: voters.voters().len() / 2 + 1,
        };
        events.iter().for_each(|event| projection.on_event(event));
        projection
    }

    /// Returns the relation in the universe of the run.
    pub(crate) fn relation(&self, voters: &Configuration) -> MultiPaxos {
        let count = u8::try_from(voters.voters().len()).unwrap();
        let majority = self.majority;
        let owner = |(ballot, rank): (&Ballot, &u8)| (*rank, number(ballot.node()));
        let slots = self.proposed.iter().map(|(_, slot, _)| place(*slot));
        MultiPaxos {
            values: (1..self.decrees.len()).map(|value| u8::try_from(value).unwrap()).collect(),
            acceptors: (1..=count).collect(),
            quorum1: (majority..=count.into()).flat_map(|size| quorums(count, size)).collect(),
            quorum2: quorums(count, majority),
            owner: self.ballots.iter().map(owner).collect(),
            last: slots.max().unwrap_or(1),
            learners: (1..=count).collect(),
            noop: 0,
            late: false,
            torn: true,
            broken: Broken::No,
        }
    }

    /// Returns the decree that the relation has in a slot after a run, if it has one.
    pub(crate) fn chosen(
        &self,
        relation: &MultiPaxos,
        state: &State,
        slot: Slot,
    ) -> Option<&Decree<CommandBatch>> {
        let chosen = relation.chosen(state);
        let there = chosen.iter().find(|(at, _, _)| *at == place(slot));
        there.map(|(_, _, decree)| &self.decrees[usize::from(*decree)])
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Durable(node, records) | Event::Recovered(node, records) => {
                records.iter().for_each(|record| self.on_record(*node, record));
            }
            Event::Sent(
                _,
                _,
                Message::Paxos(Paxos::Immediate(Immediate::Accept {
                    ballot, first, decrees, ..
                })),
            ) => {
                for (slot, decree) in (first.number()..).map(Slot::new).zip(decrees) {
                    self.propose(*ballot, slot, decree);
                }
            }
            Event::Sent(..) | Event::Learned(..) => {}
        }
    }

    fn on_record(&mut self, node: NodeId, record: &Record) {
        match record {
            Record::Promised(ballot) => {
                let rank = self.ballots[ballot];
                if ballot.node() == node && self.asked.insert(*ballot) {
                    self.actions.push(Action::Phase1a(rank));
                }
                if self.promised.insert((node, *ballot)) {
                    self.actions.push(Action::Phase1b(number(node), rank, 1));
                }
            }
            Record::Accepted { ballot, slot, decree } => {
                if ballot.node() == node {
                    self.propose(*ballot, *slot, decree);
                }
                let (rank, value) = (self.ballots[ballot], self.value(decree));
                self.promised.insert((node, *ballot));
                if self.voted.insert((node, *ballot, *slot, value)) {
                    let proposal = (place(*slot), rank, value);
                    self.actions.push(Action::Phase2b(number(node), proposal));
                }
            }
            Record::Learned { slot, decree } => self.copy(node, *slot, decree),
            Record::Chosen(_) => {}
        }
    }

    /// A copy comes from the leader of some ballot that a quorum voted in, who counted.
    fn copy(&mut self, node: NodeId, slot: Slot, decree: &Decree<CommandBatch>) {
        let value = self.value(decree);
        let is_voted = |ballot: Ballot| {
            let here = |voted: &&(NodeId, Ballot, Slot, u8)| (voted.1, voted.2) == (ballot, slot);
            self.voted.iter().filter(here).count() >= self.majority
        };
        let mut won = self.proposed.iter().filter(|(ballot, at, proposed)| {
            (*at, *proposed) == (slot, value) && ballot.node() != node && is_voted(*ballot)
        });
        let Some((ballot, _, _)) = won.next().copied() else { return };
        if !self.learned.insert((node, slot)) {
            return;
        }
        let leader = number(ballot.node());
        if self.learned.insert((ballot.node(), slot)) {
            let proposal = (place(slot), self.ballots[&ballot], value);
            self.actions.push(Action::Choose(leader, proposal));
        }
        self.actions.push(Action::Copy(number(node), leader, place(slot), value));
    }

    fn propose(&mut self, ballot: Ballot, slot: Slot, decree: &Decree<CommandBatch>) {
        let (rank, value) = (self.ballots[&ballot], self.value(decree));
        if self.proposed.insert((ballot, slot, value)) {
            self.actions.push(Action::Phase2a(rank, place(slot), value));
        }
    }

    fn value(&mut self, decree: &Decree<CommandBatch>) -> u8 {
        let known = self.decrees.iter().position(|known| known == decree);
        let at = known.unwrap_or_else(|| {
            self.decrees.push(decree.clone());
            self.decrees.len() - 1
        });
        u8::try_from(at).unwrap()
    }
}

/// Takes the actions one by one, and returns the last state, or the first that is not enabled.
pub(crate) fn walk(relation: &MultiPaxos, actions: &[Action]) -> Result<State, Action> {
    actions.iter().try_fold(relation.init(), |state, action| {
        let next = relation.next(&state, action).ok_or(*action)?;
        assert!(relation.promise_monotonic(&state, &next), "{action:?}");
        Ok(next)
    })
}

fn number(node: NodeId) -> u8 {
    u8::try_from(node.number()).unwrap()
}

/// Slots are counted from one there.
fn place(slot: Slot) -> u8 {
    u8::try_from(slot.number() + 1).unwrap()
}

fn ballots_of(event: &Event) -> Vec<Ballot> {
    let of = |record: &Record| match record {
        Record::Promised(ballot) | Record::Accepted { ballot, .. } => Some(*ballot),
        Record::Learned { .. } | Record::Chosen(_) => None,
    };
    match event {
        Event::Durable(_, records) | Event::Recovered(_, records) => {
            records.iter().filter_map(of).collect()
        }
        Event::Sent(_, _, Message::Paxos(Paxos::Immediate(Immediate::Accept { ballot, .. }))) => {
            vec![*ballot]
        }
        Event::Sent(..) | Event::Learned(..) => Vec::new(),
    }
}
