//! The two phases: the actions by which something comes to be chosen.
//!
//! Each function is the translation of the action that it names, guard by guard. It leaves what
//! follows from a choice to `learning.rs`, and what a Promise says to `promise.rs`.

use synod_paxos::{Ballot, Decree, Slot};
use synod_smr::{CommandBatch, Record};

use super::Conformance;
use super::ballots::{BallotState, PromisePart};
use super::deviation::{Action, Failed, fails};
use super::slots::{COPIED, Cast, Number, Place, SlotState, show};
use std::collections::BTreeMap;
use std::ops::Range;

impl Conformance {
    /// The record of a promise: `Phase1b`, and before it `Phase1a` if the ballot is the node's own.
    pub(super) fn promised(&mut self, place: Place, ballot: Ballot) -> Result<(), Failed> {
        let (acceptor, action) = (&self.acceptors[place], Action::Phase1b);
        if acceptor.promises.contains_key(&ballot) {
            return Ok(());
        }
        let is_own = ballot.node() == self.voters[place];
        if !is_own && !self.ballots.contains_key(&ballot) {
            return fails(action, "b \\in prepares", format!("nobody asked for ballot {ballot}"));
        }
        if acceptor.promised >= ballot {
            let found = format!("ballot {ballot}, promised {}", acceptor.promised);
            return fails(action, "promised[a] < b", found);
        }
        if is_own {
            self.ballots.insert(ballot, BallotState::new(self.voters.len()));
            self.take(Action::Phase1a);
        }
        self.raise(place, ballot);
        self.take(action);
        if is_own {
            self.promise_itself(place, ballot);
        }
        Ok(())
    }

    /// Makes `ballot` what an acceptor promised.
    fn raise(&mut self, place: Place, ballot: Ballot) {
        let when = self.tick();
        let acceptor = &mut self.acceptors[place];
        if acceptor.promised < ballot {
            acceptor.promised = ballot;
            acceptor.promises.insert(ballot, when);
        }
    }

    /// Adds the promise that a candidate gives itself: all that is durable when its record is.
    fn promise_itself(&mut self, place: Place, ballot: Ballot) {
        let hinted = self.acceptors[place].hinted;
        let told = self.slots.range(hinted..);
        let told = told.filter_map(|(slot, state)| Some((*slot, state.accepted(place)?)));
        let mut reported = Slot::FIRST;
        let mut part = PromisePart::new(Slot::FIRST, None, hinted);
        for (slot, accepted) in told {
            reported = slot.next();
            if accepted.ballot == COPIED {
                part.copied.push(slot);
            }
        }
        if let Some(state) = self.ballots.get_mut(&ballot) {
            let own = &mut state.promises[place];
            own.parts.push(part);
            own.reported = reported;
        }
    }

    /// A Prepare leaves. `Phase1a` was when its sender's own promise became durable.
    pub(super) fn asked(&self, place: Place, ballot: Ballot) -> Result<(), Failed> {
        self.owns(Action::Phase1a, place, ballot)?;
        self.is_of_this_life(Action::Phase1a, place, ballot)?;
        if !self.acceptors[place].promises.contains_key(&ballot) {
            let found = format!(
                "ballot {ballot} left before it was durable: promised {}",
                self.acceptors[place].promised
            );
            return fails(Action::Phase1a, "PersistBeforeSend", found);
        }
        Ok(())
    }

    /// An Accept leaves, or all that is left of it is its leader's own vote: `Phase2a`.
    pub(super) fn proposed(
        &mut self,
        place: Place,
        (ballot, slot): (Ballot, Slot),
        decree: &Decree<CommandBatch>,
    ) -> Result<(), Failed> {
        self.owns(Action::Phase2a, place, ballot)?;
        let state = self.slots.get(&slot);
        if let Some(before) = state.and_then(|state| state.proposed(ballot)) {
            if state.and_then(|state| state.known(decree)) == Some(before) {
                return Ok(());
            }
            let before = state.map_or_else(String::new, |state| show(state.decree(before)));
            let found = format!(
                "ballot {ballot}, slot {slot}: {}, but it proposed {before} before",
                show(decree)
            );
            return fails(Action::Phase2a, "\\A w \\in accepts : w[1] # s \\/ w[2] # b", found);
        }
        // Only what is proposed for the first time is asked for its life: a recovery takes the
        // votes of earlier lives in again, and those have returned above.
        self.is_of_this_life(Action::Phase2a, place, ballot)?;
        let Some(of) = self.ballots.get(&ballot) else {
            let found = format!("ballot {ballot}, slot {slot}: nobody was asked to promise");
            return fails(Action::Phase2a, "{m.acc : m \\in Q} = p", found);
        };
        if slot < of.announced {
            let found =
                format!("ballot {ballot}, slot {slot}: it announced all below {}", of.announced);
            return fails(Action::Phase2a, "\\A m \\in announced : m[1] = b => m[2] <= s", found);
        }
        of.allows(self.quorums.0, (ballot, slot), decree, state)?;
        self.slots.entry(slot).or_default().propose(ballot, decree);
        self.take(Action::Phase2a);
        Ok(())
    }

    /// The record of a vote: `Phase2b`.
    pub(super) fn voted(
        &mut self,
        place: Place,
        (ballot, slot): (Ballot, Slot),
        decree: &Decree<CommandBatch>,
    ) -> Result<(), Failed> {
        if ballot.node() == self.voters[place] {
            self.proposed(place, (ballot, slot), decree)?;
        }
        let state = self.slots.get(&slot);
        let asked = state.and_then(|state| Some((state.proposed(ballot)?, state)));
        let Some((number, _)) = asked.filter(|(number, state)| state.decree(*number) == decree)
        else {
            let found = format!("slot {slot}: ballot {ballot} did not propose {}", show(decree));
            return fails(Action::Phase2b, "w \\in accepts", found);
        };
        if state.is_some_and(|state| state.vote_in(place, ballot).is_some()) {
            return Ok(());
        }
        let promised = self.acceptors[place].promised;
        if promised > ballot {
            let found = format!("slot {slot}, ballot {ballot}, promised {promised}");
            return fails(Action::Phase2b, "promised[a] <= w[2]", found);
        }
        self.raise(place, ballot);
        let (when, quorum) = (self.tick(), self.quorums.1);
        let state = self.slots.entry(slot).or_default();
        if state.vote(Cast { place, ballot, decree: number, when }) >= quorum {
            agree(state, number, slot)?;
        }
        self.extend_chosen();
        self.take(Action::Phase2b);
        Ok(())
    }

    /// An Accepted leaves. `Phase2b` was when the vote became durable.
    pub(super) fn answered(
        &self,
        place: Place,
        ballot: Ballot,
        slots: Range<Slot>,
    ) -> Result<(), Failed> {
        let mut slot = slots.start;
        while slot < slots.end {
            let state = self.slots.get(&slot);
            if state.and_then(|state| state.vote_in(place, ballot)).is_none() {
                let found = format!("slot {slot}: no vote in ballot {ballot} is durable");
                return fails(Action::Phase2b, "w \\in cast[a]", found);
            }
            slot = slot.next();
        }
        Ok(())
    }

    /// An echo of a round of reads leaves: it must not tell of less than its sender has promised,
    /// or a leader that was deposed takes it for a confirmation.
    pub(super) fn echoed(&self, place: Place, told: Ballot) -> Result<(), Failed> {
        let promised = self.acceptors[place].promised;
        if told >= promised {
            return Ok(());
        }
        let found = format!("it says that it promised {told}, and promised {promised} durably");
        fails(Action::Phase1b, "promised[a] <= b", found)
    }

    /// Checks that a ballot was not begun in a life of its leader that is over.
    fn is_of_this_life(&self, action: Action, place: Place, ballot: Ballot) -> Result<(), Failed> {
        let retired = self.acceptors[place].retired;
        if ballot > retired {
            return Ok(());
        }
        let found = format!("ballot {ballot} was led before a crash: retired up to {retired}");
        fails(action, "b > Promised(a)", found)
    }

    /// Checks that what a recovery found holds every promise that was durable, and every vote at
    /// and above its state.
    pub(super) fn kept(
        &self,
        place: Place,
        state_at: Slot,
        records: &[Record],
    ) -> Result<(), Failed> {
        let mut promised = Ballot::ZERO;
        let mut votes = BTreeMap::new();
        for record in records {
            match record {
                Record::Promised(ballot) => promised = promised.max(*ballot),
                Record::Accepted { ballot, slot, decree: _ } => {
                    promised = promised.max(*ballot);
                    votes.insert(*slot, *ballot);
                }
                Record::Learned { .. } | Record::Chosen(_) => {}
            }
        }
        let durable = self.acceptors[place].promised;
        if promised < durable {
            let found = format!("recovered with {promised}, promised {durable} durably");
            return fails(Action::Phase1b, "promised'[a] >= promised[a]", found);
        }
        for (slot, state) in self.slots.range(state_at..) {
            // Below the ballot of copies is the last vote that was cast, whether or not a copy took
            // its place since.
            let Some(vote) = state.vote_below(place, COPIED) else { continue };
            if votes.get(slot).is_none_or(|found| *found < vote.ballot) {
                let found = format!("slot {slot}: the vote in ballot {} is lost", vote.ballot);
                return fails(Action::Phase2b, "w \\in cast[a]", found);
            }
        }
        Ok(())
    }
}

/// Takes note that a quorum voted for a decree.
fn agree(state: &mut SlotState, decree: Number, slot: Slot) -> Result<(), Failed> {
    match state.chosen() {
        Some(chosen) if chosen != decree => {
            let (one, other) = (show(state.decree(chosen)), show(state.decree(decree)));
            let found = format!("slot {slot}: {one} and {other} are chosen");
            fails(Action::Phase2b, "Agreement", found)
        }
        Some(_) => Ok(()),
        None => {
            state.choose(decree);
            Ok(())
        }
    }
}
