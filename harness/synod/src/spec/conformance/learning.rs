//! How nodes come to know what is chosen: by counting, by announcement, by copying.
//!
//! A node that says that all below some slot is chosen must have learned it, each slot by an action
//! that was enabled; which one, memory knows and messages do not, so any that is enabled will do.
//! The claim kept true is `LearnedIsChosen`, and that nobody learns from nowhere.

use synod_paxos::{Ballot, Decree, Slot};
use synod_smr::{CommandBatch, Heartbeat};

use super::Conformance;
use super::deviation::{Action, Failed, fails};
use super::slots::{Place, SlotState, show};

const CHOSEN: &str = "LearnedIsChosen";

/// The invariant that a node breaks which hands on as chosen what it holds and was not chosen.
const HANDED_ON: &str = "ReadBackIsChosen";

impl Conformance {
    /// Checks that `decree` is chosen in `slot`.
    pub(super) fn is_chosen(
        &self,
        action: Action,
        slot: Slot,
        decree: &Decree<CommandBatch>,
    ) -> Result<(), Failed> {
        self.denies(slot, decree).map_or(Ok(()), |found| fails(action, CHOSEN, found))
    }

    /// Says why `decree` is not chosen in `slot`, if it is not.
    fn denies(&self, slot: Slot, decree: &Decree<CommandBatch>) -> Option<String> {
        match self.chosen(slot) {
            Some(chosen) if chosen == decree => None,
            Some(chosen) => {
                Some(format!("slot {slot}: {}, chosen is {}", show(decree), show(chosen)))
            }
            None => Some(format!("slot {slot}: nothing is chosen")),
        }
    }

    /// Takes the action by which an acceptor learns what is chosen in `slot`.
    pub(super) fn learn(&mut self, place: Place, slot: Slot) -> Result<(), Failed> {
        let Some(state) = self.slots.get(&slot).filter(|state| state.chosen().is_some()) else {
            return fails(Action::Learn, CHOSEN, format!("slot {slot}: nothing is chosen"));
        };
        if state.has_learned(place) {
            return Ok(());
        }
        let Some(action) = self.road(place, slot, state) else {
            let found = format!("slot {slot}: no vote counted, no announcement, nobody to ask");
            return fails(Action::Choose, "\\E w \\in accepts : Choose(a, w)", found);
        };
        self.take(action);
        if let Some(state) = self.slots.get_mut(&slot) {
            state.learn(place);
        }
        let end = &mut self.acceptors[place].learned_end;
        while self.slots.get(end).is_some_and(|state| state.has_learned(place)) {
            *end = end.next();
        }
        Ok(())
    }

    /// Finds the action by which an acceptor can come to know what is chosen in `slot`.
    fn road(&self, place: Place, slot: Slot, state: &SlotState) -> Option<Action> {
        let me = self.voters[place];
        let votes = |ballot| match &self.heard {
            None => state.votes_in(ballot),
            Some(heard) => {
                heard.votes(slot, ballot, (place, state.vote_in(place, ballot).is_some()))
            }
        };
        let counted =
            |(ballot, _): &&(Ballot, _)| ballot.node() == me && votes(*ballot) >= self.quorums.1;
        let announced = |(ballot, _): &&(Ballot, _)| {
            state.accepted(place).is_some_and(|vote| vote.ballot == *ballot)
                && self.ballots.get(ballot).is_some_and(|of| slot < of.announced)
        };
        if state.accepts().iter().any(|accept| counted(&accept)) {
            Some(Action::Choose)
        } else if state.accepts().iter().any(|accept| announced(&accept)) {
            Some(Action::Learn)
        } else {
            state.is_learned().then_some(Action::Copy)
        }
    }

    /// Checks that a node may say that all slots below `end` are chosen, and learns them.
    pub(super) fn knows(&mut self, action: Action, place: Place, end: Slot) -> Result<(), Failed> {
        if end > self.chosen_end {
            let found = format!("it calls all below slot {end} chosen, {} is not", self.chosen_end);
            return fails(action, "c <= ChosenUpTo(a)", found);
        }
        // Each turn learns the slot at the end, which moves it on, or fails.
        while self.acceptors[place].learned_end < end {
            self.learn(place, self.acceptors[place].learned_end)?;
        }
        Ok(())
    }

    /// A leader says up to where all is chosen: `Announce`.
    pub(super) fn announced(
        &mut self,
        place: Place,
        ballot: Ballot,
        end: Slot,
    ) -> Result<(), Failed> {
        self.owns(Action::Announce, place, ballot)?;
        // An empty prefix says nothing that could be untrue.
        if end == Slot::FIRST {
            return Ok(());
        }
        self.knows(Action::Announce, place, end)?;
        let Some(of) = self.ballots.get_mut(&ballot) else {
            let found = format!("ballot {ballot} was never asked for");
            return fails(Action::Announce, "b \\in Ballot", found);
        };
        if end <= of.announced {
            return Ok(());
        }
        for (slot, state) in self.slots.range(of.announced..end) {
            let mine = state.proposed(ballot);
            if mine.is_some() && mine != state.chosen() {
                let found = format!("ballot {ballot}, slot {slot}: it proposed something else");
                return fails(Action::Announce, "w[3] = learned[a][w[1]]", found);
            }
        }
        of.announced = end;
        self.take(Action::Announce);
        Ok(())
    }

    /// The record of a copied decree: `Copy`.
    pub(super) fn copied(
        &mut self,
        place: Place,
        slot: Slot,
        decree: &Decree<CommandBatch>,
    ) -> Result<(), Failed> {
        self.is_chosen(Action::Copy, slot, decree)?;
        self.learn(place, slot)?;
        let when = self.tick();
        if let Some(state) = self.slots.get_mut(&slot) {
            state.copy(place, when);
        }
        Ok(())
    }

    /// The record of a chosen prefix: all of it is chosen, and on this disk.
    pub(super) fn hinted(&mut self, place: Place, end: Slot) -> Result<(), Failed> {
        self.knows(Action::Learn, place, end)?;
        let hinted = self.acceptors[place].hinted;
        if end <= hinted {
            return Ok(());
        }
        if let Some((slot, _)) =
            self.slots.range(hinted..end).find(|(_, state)| !state.holds_chosen(place))
        {
            let found = format!("slot {slot}: this disk does not hold what is chosen there");
            return fails(Action::Learn, "accepted[a][s][1] = m[1]", found);
        }
        self.acceptors[place].hinted = end;
        Ok(())
    }

    /// A heartbeat leaves: its promise is durable, and its prefix is chosen.
    pub(super) fn beat(&mut self, place: Place, beat: &Heartbeat) -> Result<(), Failed> {
        let promised = self.acceptors[place].promised;
        if beat.promised > promised {
            let found = format!("a heartbeat tells of {}, durable is {promised}", beat.promised);
            return fails(Action::Phase1b, "PersistBeforeSend", found);
        }
        self.knows(Action::Learn, place, beat.chosen)
    }

    /// Decrees leave for a node that asked for them: all are chosen, and known to the sender.
    pub(super) fn handed_on(
        &mut self,
        place: Place,
        first: Slot,
        decrees: &[Decree<CommandBatch>],
        end: Slot,
    ) -> Result<(), Failed> {
        self.knows(Action::Copy, place, end)?;
        let mut slot = first;
        for decree in decrees {
            if let Some(found) = self.denies(slot, decree) {
                return fails(Action::Copy, HANDED_ON, found);
            }
            self.learn(place, slot)?;
            slot = slot.next();
        }
        Ok(())
    }

    /// Extends the prefix of slots in which something is chosen.
    pub(super) fn extend_chosen(&mut self) {
        while self.chosen(self.chosen_end).is_some() {
            self.chosen_end = self.chosen_end.next();
        }
    }
}
