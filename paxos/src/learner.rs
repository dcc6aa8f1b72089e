//! The learner: it counts votes, and knows when a decree is chosen.
//!
//! One learner follows one proposal: a decree in a ballot. A log's leader keeps one for each open
//! slot. The claims kept true: a decree is chosen when a phase-2 quorum of DISTINCT voters voted
//! for it in the SAME ballot ("Paxos Made Simple", 2001, section 2.1), and only the proposer of
//! the ballot counts, as only it knows what was proposed.

use crate::ballot::{Ballot, NodeId};
use crate::multi::decree::{Decree, Value};
use crate::quorum::{Configuration, Tally};

/// Counts the votes for one proposal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Learner<V> {
    ballot: Ballot,
    decree: Decree<V>,
    votes: Tally,
}

impl<V: Value> Learner<V> {
    /// Begins to count the votes for `decree` in `ballot`.
    #[must_use]
    pub fn new(ballot: Ballot, decree: Decree<V>) -> Self {
        Self { ballot, decree, votes: Tally::default() }
    }

    /// Counts the vote of `from` in `ballot`, and tells whether the decree is chosen.
    pub fn on_accepted(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        configuration: &Configuration,
    ) -> bool {
        if ballot == self.ballot {
            self.votes.add(from);
        }
        self.is_chosen(configuration)
    }

    /// Tells whether a phase-2 quorum voted.
    #[must_use]
    pub fn is_chosen(&self, configuration: &Configuration) -> bool {
        configuration.is_phase2_quorum(&self.votes)
    }

    /// Tells whether the vote of `node` was counted.
    #[must_use]
    pub fn has_vote_of(&self, node: NodeId) -> bool {
        self.votes.contains(node)
    }

    /// Returns the ballot.
    #[must_use]
    pub const fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// Returns the decree.
    #[must_use]
    pub const fn decree(&self) -> &Decree<V> {
        &self.decree
    }
}
