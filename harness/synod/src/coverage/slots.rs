//! Points of phase 2 and of learning: votes, what is chosen, announcements, copies.

use std::collections::{BTreeMap, BTreeSet};

use synod_paxos::{AfterSync, Ballot, Decree, Immediate, Message as Paxos, NodeId, Slot};
use synod_simulator::Micros;
use synod_smr::{CommandBatch, Message, Record};

use super::elections::refuses;
use super::tracker::{View, open_slots, place};
use super::{HitCounts, Point};
use crate::journal_thread::Found;
use crate::step::{Cause, Kind, Step};

/// The votes of one node, as its journal has them.
type Votes = BTreeMap<Slot, (Ballot, Decree<CommandBatch>)>;

/// Who looks at slots.
#[derive(Debug)]
pub(super) struct Slots {
    votes: Vec<Votes>,
    /// The last vote that each leader (first) heard of from each node (second).
    heard: Vec<Vec<(Ballot, Slot)>>,
    /// The slots in which each node voted for rivals.
    rivals: Vec<BTreeSet<Slot>>,
    /// When each node was last sent decrees, and who had been elected last then.
    catching_up: Vec<Option<CatchUp>>,
}

/// An answer to a node that lags.
type CatchUp = (Micros, Option<(NodeId, u64)>);

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let none = vec![(Ballot::ZERO, Slot::FIRST); count];
        let (votes, heard) = (vec![Votes::new(); count], vec![none; count]);
        let (rivals, catching_up) = (vec![BTreeSet::new(); count], vec![None; count]);
        Self { votes, heard, rivals, catching_up }
    }

    pub(super) fn on_recovery(&mut self, node: NodeId, found: &Found) {
        let votes = &mut self.votes[place(node)];
        // A vote that was not durable is gone: what the journal gives back is all that the node
        // has.
        votes.clear();
        for record in &found.records {
            keep(votes, record);
        }
    }

    pub(super) fn on_step(&mut self, step: &Step<'_>, view: &View, seen: &mut HitCounts) {
        if let Cause::Message(from, kind) = step.cause {
            self.on_message(step, from, kind, view, seen);
        }
        for record in step.records {
            self.on_record(step.node, record, seen);
        }
        for record in step.durable {
            on_durable(step, record, seen);
        }
        if step.after.chosen > step.before.chosen {
            on_chosen(step, seen);
        }
        if !step.sent.is_empty() {
            on_sent(step, view, seen);
            if step.cause == Cause::OldDecrees {
                self.on_read_back(step, seen);
            }
        }
        let before = view.seen(step.node).open;
        let open = open_slots(step).unwrap_or(0);
        seen.see_if(open > before && open >= IN_FLIGHT_MIN, Point::SlotsInFlight);
    }

    fn on_message(
        &mut self,
        step: &Step<'_>,
        from: NodeId,
        kind: Kind,
        view: &View,
        seen: &mut HitCounts,
    ) {
        match kind {
            Kind::Accept(_, first, decrees) => on_accept(step, first, decrees, seen),
            Kind::Accepted(ballot, _, end) => {
                let another = step.before.leads != Some(ballot);
                seen.see_if(another, Point::AcceptedOfAnotherBallot);
                let heard = &mut self.heard[place(step.node)][place(from)];
                seen.see_if((ballot, end) <= *heard, Point::AcceptedRepeated);
                *heard = (*heard).max((ballot, end));
            }
            Kind::Chosen(ballot, chosen) if step.after.chosen < chosen => {
                let voted = step.replica.paxos().log().voted_in(step.after.chosen);
                seen.see_if(voted.is_none(), Point::AnnouncedAhead);
                let another = voted.is_some_and(|voted| voted != ballot);
                seen.see_if(another, Point::AnnouncedInAnother);
            }
            Kind::Decrees(decrees) => {
                seen.see_if(decrees > LONG_CATCH_UP, Point::LongCatchUp);
                let known = step.before.chosen == step.after.chosen;
                seen.see_if(known, Point::DecreesKnown);
                let last = &mut self.catching_up[place(step.node)];
                let crossed = last.is_some_and(|(when, leader)| {
                    leader != view.leader && step.now.since(when) <= CATCH_UP_PAUSE
                });
                seen.see_if(crossed && !known, Point::CatchUpAcrossLeaders);
                *last = Some((step.now, view.leader));
            }
            Kind::Prepare(_)
            | Kind::Promise { .. }
            | Kind::Chosen(..)
            | Kind::Nack
            | Kind::Heartbeat
            | Kind::Confirm
            | Kind::Confirmed
            | Kind::Fetch
            | Kind::FetchSnapshot
            | Kind::Snapshot
            | Kind::Known => {}
        }
    }

    fn on_read_back(&self, step: &Step<'_>, seen: &mut HitCounts) {
        for (_, message) in step.sent {
            if let Message::Decrees { first, decrees, .. } = message {
                seen.see(Point::OldSlotsReadBack);
                let end = first.plus(decrees.len() as u64);
                let rival = self.rivals[place(step.node)].range(*first..end).next().is_some();
                seen.see_if(rival, Point::ReadBackAfterRivals);
            }
        }
    }

    fn on_record(&mut self, node: NodeId, record: &Record, seen: &mut HitCounts) {
        let replaced = keep(&mut self.votes[place(node)], record);
        match record {
            Record::Accepted { ballot, slot, decree } => {
                if let Some((_, old)) = replaced {
                    seen.see(Point::VoteReplaced);
                    seen.see_if(old != *decree, Point::VoteForAnother);
                    if old != *decree {
                        self.rivals[place(node)].insert(*slot);
                    }
                    let lost = old != Decree::Noop && *decree == Decree::Noop;
                    seen.see_if(lost, Point::ValueLostToNoop);
                }
                // The proposer's own vote stands for the proposal, or each batch would count once
                // an acceptor.
                if let Decree::Value(batch) = decree
                    && ballot.node() == node
                {
                    seen.see_if(batch.commands().nth(1).is_some(), Point::BatchOfCommands);
                }
            }
            Record::Learned { .. } => {
                seen.see(Point::Copied);
                seen.see_if(replaced.is_some(), Point::CopyReplacesVote);
            }
            Record::Promised(_) | Record::Chosen(_) => {}
        }
    }
}

/// Takes a record into the votes of its node; returns the vote that it replaces.
fn keep(votes: &mut Votes, record: &Record) -> Option<(Ballot, Decree<CommandBatch>)> {
    let replaced = match record {
        Record::Accepted { ballot, slot, decree } => votes.insert(*slot, (*ballot, decree.clone())),
        // A copied decree is no vote, and takes the place of one.
        Record::Learned { slot, .. } => votes.remove(slot),
        Record::Promised(_) | Record::Chosen(_) => None,
    };
    while votes.len() > VOTES_MAX {
        votes.pop_first();
    }
    replaced
}

fn on_accept(step: &Step<'_>, first: Slot, decrees: usize, seen: &mut HitCounts) {
    seen.see_if(refuses(step), Point::AcceptRefused);
    seen.see_if(first < step.before.chosen, Point::AcceptOfChosen);
    let log = step.replica.paxos().log();
    let meets_copy = (0..decrees as u64).any(|behind| log.is_copied(first.plus(behind)));
    seen.see_if(meets_copy, Point::AcceptMeetsCopy);
    seen.see_if(decrees > 1, Point::AcceptOfMany);
}

/// The chosen slots that a leader's own disk had not made durable were chosen by the others.
fn on_durable(step: &Step<'_>, record: &Record, seen: &mut HitCounts) {
    if let Record::Accepted { ballot, slot, .. } = record {
        let own = step.before.leads == Some(*ballot);
        seen.see_if(own && *slot < step.before.chosen, Point::OwnVoteLast);
    }
}

fn on_chosen(step: &Step<'_>, seen: &mut HitCounts) {
    let (first, end) = (step.before.chosen.number(), step.after.chosen.number());
    seen.see_if(end - first >= BURST_MIN, Point::ChosenInABurst);
    let log = step.replica.paxos().log();
    for slot in (first..end).map(Slot::new) {
        seen.see_if(log.decree(slot) == Some(&Decree::Noop), Point::NoopChosen);
    }
}

fn on_sent(step: &Step<'_>, view: &View, seen: &mut HitCounts) {
    for (_, message) in step.sent {
        match message {
            Message::Paxos(Paxos::Immediate(Immediate::Accept { ballot, .. })) => {
                // Only what is proposed for the first time; a timer repeats what was.
                let fresh = !matches!(step.cause, Cause::Timer(_));
                seen.see_if(fresh && *ballot < view.highest, Point::OldLeaderProposes);
            }
            Message::Paxos(Paxos::AfterSync(AfterSync::Promise { end, .. })) => {
                seen.see_if(end.is_some(), Point::PromiseInParts);
            }
            Message::Decrees { .. } => {
                seen.see_if(step.before.leads.is_none(), Point::FetchAnsweredByFollower);
            }
            Message::Paxos(_)
            | Message::Heartbeat(_)
            | Message::Confirm { .. }
            | Message::Confirmed { .. }
            | Message::Fetch { .. }
            | Message::FetchSnapshot { .. }
            | Message::Snapshot(_)
            | Message::Known(_) => {}
        }
    }
}

/// So many open slots of a leader are several.
const IN_FLIGHT_MIN: u64 = 3;

/// So many slots that become chosen in one step are a burst.
const BURST_MIN: u64 = 8;

/// More decrees in one answer than this are a long way to catch up.
const LONG_CATCH_UP: usize = 50;

/// A catch-up whose answers come with longer pauses than this is another one.
const CATCH_UP_PAUSE: Micros = Micros(2_000_000);

/// The most votes of a node that are remembered.
const VOTES_MAX: usize = 512;
