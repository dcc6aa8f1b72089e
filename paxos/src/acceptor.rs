//! The acceptor: it promises, and it votes.
//!
//! [`Promised`] is the one number that a promise is, shared by all slots of a log; [`Acceptor`] is
//! the acceptor of a single decree. The log's acceptor (`multi/acceptor.rs`) keeps one `Promised`
//! and one [`Vote`] a slot. The claims kept true, from Lamport, "Paxos Made Simple" (2001),
//! section 2.2, P1a: an acceptor accepts in ballot b if and only if it has not promised a higher
//! one; and its promise never goes down, not even over a restart.

use crate::ballot::{Ballot, NodeId};
use crate::effects::{Effects, Record};
use crate::message::{AfterSync, Immediate, Report, To, Vote};
use crate::multi::decree::{Decree, Value};
use crate::multi::slot::Slot;

/// The highest ballot that an acceptor promised or voted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Promised(Ballot);

impl Promised {
    /// The state before any promise.
    pub const NONE: Self = Self(Ballot::ZERO);

    /// Returns the ballot.
    #[must_use]
    pub const fn ballot(self) -> Ballot {
        self.0
    }

    /// Tells whether the acceptor may still promise or vote in `ballot`.
    #[must_use]
    pub fn admits(self, ballot: Ballot) -> bool {
        ballot >= self.0
    }

    /// Raises the promise to `ballot`, if that is higher, and tells whether it was.
    pub fn raise(&mut self, ballot: Ballot) -> bool {
        let higher = ballot > self.0;
        self.0 = self.0.max(ballot);
        higher
    }
}

/// The acceptor of one decree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acceptor<V> {
    promised: Promised,
    vote: Option<Vote<V>>,
}

impl<V: Value> Acceptor<V> {
    /// Makes an acceptor that has promised and voted nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { promised: Promised::NONE, vote: None }
    }

    /// Returns the promise.
    #[must_use]
    pub const fn promised(&self) -> Promised {
        self.promised
    }

    /// Returns the last vote, if there is one.
    #[must_use]
    pub const fn vote(&self) -> Option<&Vote<V>> {
        self.vote.as_ref()
    }

    /// Takes back in what was recorded before a restart.
    pub fn on_record(&mut self, record: Record<V>) {
        match record {
            Record::Promised(ballot) => {
                self.promised.raise(ballot);
            }
            Record::Accepted { ballot, decree, .. } => {
                self.promised.raise(ballot);
                self.vote = Some(Vote { ballot, decree });
            }
            Record::Learned { .. } | Record::Chosen(_) => {}
        }
    }

    /// Promises `ballot` to its node and reports the last vote, or refuses.
    ///
    /// spec: Synod!Phase1b
    pub(crate) fn on_prepare(&mut self, ballot: Ballot, effects: &mut Effects<V>) {
        if !self.promised.admits(ballot) {
            return refuse(ballot, self.promised, effects);
        }
        // A repetition records nothing: the claim waits for the first record all the same.
        if self.promised.raise(ballot) {
            effects.record(Record::Promised(ballot));
        }
        let report = |vote: &Vote<V>| (Slot::FIRST, Report::Voted(vote.clone()));
        let promise = AfterSync::Promise {
            ballot,
            first: Slot::FIRST,
            end: None,
            chosen: Slot::FIRST,
            reports: self.vote.iter().map(report).collect(),
        };
        effects.claim(To::Node(ballot.node()), promise);
    }

    /// Votes for `decree` in `ballot`, or refuses.
    ///
    /// spec: Synod!Phase2b
    pub(crate) fn on_accept(
        &mut self,
        ballot: Ballot,
        decree: Decree<V>,
        effects: &mut Effects<V>,
    ) {
        if !self.promised.admits(ballot) {
            return refuse(ballot, self.promised, effects);
        }
        // The record of the vote raises the promise as well, when it is read back.
        self.promised.raise(ballot);
        if self.vote.as_ref().is_none_or(|vote| vote.ballot < ballot) {
            let slot = Slot::FIRST;
            effects.record(Record::Accepted { ballot, slot, decree: decree.clone() });
            self.vote = Some(Vote { ballot, decree });
        }
        let voted = AfterSync::Accepted { ballot, first: Slot::FIRST, end: Slot::FIRST.next() };
        effects.claim(To::Node(ballot.node()), voted);
    }
}

impl<V: Value> Default for Acceptor<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells the proposer of `ballot` that the promise is higher. Nothing durable is claimed.
pub(crate) fn refuse<V: Value>(ballot: Ballot, promised: Promised, effects: &mut Effects<V>) {
    let promised = promised.ballot();
    effects.send(To::Node(ballot.node()), Immediate::Nack { ballot, promised });
}

/// Refuses a proposal that contradicts an earlier one of the same ballot.
///
/// # Panics
///
/// Panics if they differ: two decrees in one ballot and slot break the first requirement of the
/// protocol, and no later step could repair it.
pub(crate) fn assert_one_decree_per_ballot<V: Value>(
    vote: &Vote<V>,
    decree: &Decree<V>,
    by: NodeId,
) {
    assert_eq!(vote.decree, *decree, "node {by} proposed two decrees in ballot {}", vote.ballot);
}
