//! The proposer: phase 1 finds out which decree may be proposed, phase 2 proposes it.
//!
//! [`Choice`] is the rule of the second phase, and serves each slot of a log; [`Proposer`] is the
//! proposer of a single decree. The claim kept true is P2c of "Paxos Made Simple" (2001), section
//! 2.2: a proposal of ballot b has the decree of the highest-numbered vote below b that a quorum
//! reported, and is free only if the quorum reported none.

use crate::ballot::{Ballot, NodeId};
use crate::effects::Effects;
use crate::learner::Learner;
use crate::message::{Immediate, Report, To};
use crate::multi::decree::{Decree, Value};
use crate::multi::slot::Slot;
use crate::quorum::{Configuration, Tally};

/// What the promises heard so far report of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Choice<V> {
    highest: Option<Report<V>>,
}

impl<V: Value> Choice<V> {
    /// Makes the choice before any report: free.
    #[must_use]
    pub const fn free() -> Self {
        Self { highest: None }
    }

    /// Takes one report in, and keeps that of the highest ballot.
    ///
    /// A decree reported as chosen outweighs every vote: votes in all higher ballots have the
    /// same decree, and votes in lower ones do not count.
    ///
    /// # Panics
    ///
    /// Panics where two votes of one ballot differ: agreement is broken then.
    pub fn on_report(&mut self, report: Report<V>) {
        if let (Some(Report::Voted(held)), Report::Voted(vote)) = (&self.highest, &report)
            && held.ballot == vote.ballot
        {
            let same = held.decree == vote.decree;
            assert!(same, "two decrees were voted for in ballot {}", vote.ballot);
        }
        let outweighs = match (&self.highest, &report) {
            (None, _) | (Some(Report::Voted(_)), Report::Chosen(_)) => true,
            (Some(Report::Chosen(_)), _) => false,
            (Some(Report::Voted(held)), Report::Voted(vote)) => vote.ballot > held.ballot,
        };
        if outweighs {
            self.highest = Some(report);
        }
    }

    /// Returns the decree that must be proposed; none if the choice is free.
    #[must_use]
    pub const fn decree(&self) -> Option<&Decree<V>> {
        match &self.highest {
            Some(Report::Voted(vote)) => Some(&vote.decree),
            Some(Report::Chosen(decree)) => Some(decree),
            None => None,
        }
    }
}

/// The proposer of one decree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Proposer<V> {
    /// It has no ballot.
    Idle,
    /// It waits for promises.
    Preparing {
        /// Its ballot.
        ballot: Ballot,
        /// What it would like chosen.
        wanted: Decree<V>,
        /// Who promised.
        promises: Tally,
        /// What they reported.
        choice: Choice<V>,
    },
    /// It waits for votes; its learner counts them.
    Accepting(Learner<V>),
}

impl<V: Value> Proposer<V> {
    /// Begins phase 1 of `ballot`, which this node must never have used before.
    pub(crate) fn prepare(&mut self, ballot: Ballot, wanted: Decree<V>) {
        let (promises, choice) = (Tally::default(), Choice::free());
        *self = Self::Preparing { ballot, wanted, promises, choice };
    }

    /// Counts a promise; with a quorum of them, proposes.
    ///
    /// Returns the ballot and the decree proposed, for this node's own acceptor.
    ///
    /// spec: Synod!Phase2a
    pub(crate) fn on_promise(
        &mut self,
        from: NodeId,
        promised: Ballot,
        reports: Vec<(Slot, Report<V>)>,
        configuration: &Configuration,
        effects: &mut Effects<V>,
    ) -> Option<(Ballot, Decree<V>)> {
        let Self::Preparing { ballot, wanted, promises, choice } = self else {
            return None;
        };
        // A promise of an earlier ballot says nothing about this one.
        if promised != *ballot || !promises.add(from) {
            return None;
        }
        for (_, report) in reports {
            choice.on_report(report);
        }
        if !configuration.is_phase1_quorum(promises) {
            return None;
        }
        let ballot = *ballot;
        let decree = choice.decree().unwrap_or(wanted).clone();
        let accept = Immediate::Accept {
            ballot,
            first: Slot::FIRST,
            decrees: vec![decree.clone()],
            chosen: Slot::FIRST,
        };
        effects.send(To::Peers, accept);
        *self = Self::Accepting(Learner::new(ballot, decree.clone()));
        Some((ballot, decree))
    }
}
