//! What the layer above asks a node of the log. Nothing here changes it.

use super::MultiPaxos;
use super::acceptor::LogAcceptor;
use super::decree::Value;
use super::leader::Leader;
use super::limits::LogLimits;
use super::role::Role;
use super::slot::Slot;
use crate::ballot::{Ballot, NodeId};
use crate::quorum::Configuration;

/// What the layer above asks.
impl<V: Value> MultiPaxos<V> {
    /// Returns this node.
    #[must_use]
    pub const fn me(&self) -> NodeId {
        self.me
    }

    /// Returns the voters.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Returns the acceptor's log.
    #[must_use]
    pub const fn log(&self) -> &LogAcceptor<V> {
        &self.log
    }

    /// Returns the leader's role.
    #[must_use]
    pub const fn leader(&self) -> &Role<V> {
        &self.leader
    }

    /// Returns the first slot not known to be chosen; all below it are.
    #[must_use]
    pub const fn chosen(&self) -> Slot {
        self.chosen.end()
    }

    /// Returns the highest ballot that this node heard of.
    #[must_use]
    pub const fn seen(&self) -> Ballot {
        self.seen
    }

    /// Returns the promise that would survive a crash.
    #[must_use]
    pub const fn durable_promised(&self) -> Ballot {
        self.durable.promised()
    }

    /// Returns the end of the chosen slots that would survive a crash, each as it was chosen: all
    /// that was written until they were known to be chosen is synced.
    #[must_use]
    pub const fn durable_chosen(&self) -> Slot {
        self.durable.chosen()
    }

    /// Returns the limits.
    #[must_use]
    pub const fn limits(&self) -> &LogLimits {
        &self.limits
    }

    /// Tells whether so many bytes of records wait for the disk that no more are taken on.
    #[must_use]
    pub const fn is_backlogged(&self) -> bool {
        self.gate.unsynced_bytes() >= self.limits.unsynced_bytes as u64
    }

    /// Tells whether this node leads and has all decrees that were chosen before it was elected.
    ///
    /// Its chosen prefix is then at or past every prefix and every vote that its promises reported.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.leading().is_some_and(|leading| self.chosen.end() >= leading.found())
    }

    /// Tells whether phase 1 binds this node to proposals that it has not made: it is a candidate,
    /// or a leader that has yet to propose what it found.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        match &self.leader {
            Role::Idle => false,
            Role::Preparing(_) => true,
            Role::Leading(leading) => leading.next() < leading.found(),
        }
    }

    /// Tells whether [`Input::Propose`](super::Input::Propose) would be taken: this node leads,
    /// what phase 1 found is proposed, and the windows have room.
    #[must_use]
    pub fn can_propose(&self) -> bool {
        self.leading()
            .is_some_and(|leading| leading.next() >= leading.found() && self.is_in_window(leading))
    }

    /// Tells whether the last proposal is durable here, or chosen: the pulse of natural batching.
    #[must_use]
    pub fn last_is_durable(&self) -> bool {
        self.leading().is_some_and(|leading| leading.last_is_durable(self.me))
    }

    /// Returns the slot of the next proposal of the leader.
    #[must_use]
    pub fn next_slot(&self) -> Option<Slot> {
        self.leading().map(Leader::next)
    }

    /// Returns the ballot that this node prepares, and how many parts of promises it has taken in:
    /// the count grows as long as phase 1 gets on.
    #[must_use]
    pub const fn preparing(&self) -> Option<(Ballot, u32)> {
        match &self.leader {
            Role::Preparing(preparing) => Some((preparing.ballot(), preparing.taken())),
            Role::Idle | Role::Leading(_) => None,
        }
    }

    /// Tells whether an answer of `node` is waited for: a promise, or a vote.
    #[must_use]
    pub fn awaits(&self, node: NodeId) -> bool {
        match &self.leader {
            Role::Idle => false,
            Role::Preparing(preparing) => preparing.asks_from(node).is_some(),
            Role::Leading(leading) => leading.awaits(node),
        }
    }

    /// Tells whether this leader waits for a vote of `node` in the first slot that is not known to
    /// be chosen, behind which all others wait.
    #[must_use]
    pub fn awaits_first(&self, node: NodeId) -> bool {
        self.leading().is_some_and(|leading| leading.awaits_in(self.chosen.end(), node))
    }

    /// Returns the bytes of the decrees in this leader's open slots.
    #[must_use]
    pub fn open_bytes(&self) -> usize {
        self.leading().map_or(0, Leader::open_bytes)
    }

    /// Tells whether this candidate has a part of the promise of `node`, and not all of it: that
    /// node needs no sync to go on.
    #[must_use]
    pub fn has_part_of(&self, node: NodeId) -> bool {
        match &self.leader {
            Role::Preparing(preparing) => preparing.is_partial(node),
            Role::Idle | Role::Leading(_) => false,
        }
    }

    /// Tells whether records wait for the disk.
    #[must_use]
    pub const fn is_syncing(&self) -> bool {
        self.gate.written() > self.gate.synced()
    }

    /// Tells whether something waits for other nodes: a phase 1, open slots, decrees to be copied.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        match &self.leader {
            Role::Idle => false,
            Role::Preparing(_) => true,
            Role::Leading(leading) => leading.has_open() || !self.is_settled(),
        }
    }

    pub(super) const fn leading(&self) -> Option<&Leader<V>> {
        match &self.leader {
            Role::Leading(leading) => Some(leading),
            Role::Idle | Role::Preparing(_) => None,
        }
    }
}
