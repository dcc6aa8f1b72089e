//! Nodes and ballots: who speaks, and in which attempt.
//!
//! A ballot belongs to one node, and ballots are totally ordered by round, then by node. The claim
//! kept true here is the first requirement of Lamport, "The Part-Time Parliament" (1998), section
//! 2.1, B1: each ballot has a unique number. That a node never uses one of its ballots twice, not
//! even after a restart, is the leader's business.

use std::fmt;

/// Names a node of the cluster, for ever: an id is never given to a second node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u16);

impl NodeId {
    /// Makes the id of node `number`.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The largest step that a round may take past the highest one seen; a larger one is corruption.
pub const ROUND_STEP_MAX: u64 = 1 << 32;

/// Numbers one attempt of one node to get decrees chosen: (round, node), in that order.
///
/// ```
/// use synod_paxos::{Ballot, NodeId};
///
/// let (one, two) = (NodeId::new(1), NodeId::new(2));
/// let ballot = Ballot::ZERO.next(one);
/// assert!(ballot > Ballot::ZERO);
/// assert!(Ballot::new(1, two) > ballot, "equal rounds are ordered by the node");
/// assert!(ballot.next(one) > Ballot::new(1, two));
/// assert_eq!(ballot.to_string(), "1.1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    round: u64,
    node: NodeId,
}

impl Ballot {
    /// Precedes the ballots of all nodes: nothing is ever proposed in it.
    pub const ZERO: Self = Self::new(0, NodeId::new(0));

    /// Makes the ballot of `node` with number `round`.
    #[must_use]
    pub const fn new(round: u64, node: NodeId) -> Self {
        Self { round, node }
    }

    /// Returns the round.
    #[must_use]
    pub const fn round(self) -> u64 {
        self.round
    }

    /// Returns the node to which the ballot belongs.
    #[must_use]
    pub const fn node(self) -> NodeId {
        self.node
    }

    /// Returns the first ballot of `node` in the round after this one.
    ///
    /// # Panics
    ///
    /// Panics when the rounds are used up. Decoders refuse rounds that jump by more than
    /// [`ROUND_STEP_MAX`], so a cluster would have to hold 2^32 of the largest jumps first.
    #[must_use]
    pub fn next(self, node: NodeId) -> Self {
        let round = self.round.checked_add(1);
        Self::new(round.expect("rounds grow by bounded steps from zero"), node)
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.round, self.node)
    }
}
