//! The messages of the protocol, and whether they claim something durable.
//!
//! A `AfterSync` message says that its sender's disk holds something: it may leave only after a
//! sync, which `effects.rs` sees to. A `Immediate` message claims nothing durable and leaves at
//! once. Accept is free although the leader's own record is still in flight: acceptors vote for
//! what the leader of the ballot proposed, and that it proposed it is true whether or not the
//! leader survives; only its own vote claims something, and that one is an ordinary `Accepted` to
//! itself. The last column of the table is the action of `spec/MultiPaxos.tla` that sends the
//! message.
//!
//! | message | from, to | answers | sent by |
//! |---|---|---|---|
//! | `Prepare` | candidate, acceptors | | Phase1a |
//! | `Promise` | acceptor, candidate | `Prepare` | Phase1b |
//! | `Accept` | leader, acceptors | | Phase2a |
//! | `Accepted` | acceptor, leader | `Accept` | Phase2b |
//! | `Chosen` | leader, all | | Choose |
//! | `Nack` | acceptor, proposer | a ballot below its promise | |

use crate::ballot::{Ballot, NodeId};
use crate::multi::decree::Decree;
use crate::multi::slot::Slot;

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum To {
    /// One node, perhaps the sender itself.
    Node(NodeId),
    /// All nodes but the sender.
    Peers,
}

/// A message that claims something durable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AfterSync<V> {
    /// Asks to take part in `ballot`, for all slots from `first` on. It claims that the sender
    /// itself promised the ballot, so that it cannot use it a second time after a restart.
    Prepare {
        /// The ballot.
        ballot: Ballot,
        /// The first slot asked for.
        first: Slot,
    },
    /// Promises to accept nothing below `ballot`, and reports the votes cast so far.
    Promise {
        /// The ballot.
        ballot: Ballot,
        /// The first slot reported.
        first: Slot,
        /// The end of the slots reported, where the report had to be cut; none if it covers all.
        end: Option<Slot>,
        /// The sender knows all slots below this one to be chosen, and reports none of them: they
        /// are to be copied.
        chosen: Slot,
        /// The votes, in order of their slots. A slot that is covered and left out has no vote.
        reports: Vec<(Slot, Report<V>)>,
    },
    /// Says that the sender voted in `ballot` in each slot of `[first, end)`.
    Accepted {
        /// The ballot.
        ballot: Ballot,
        /// The first slot.
        first: Slot,
        /// The slot after the last.
        end: Slot,
    },
}

/// A message that claims nothing durable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Immediate<V> {
    /// Asks for votes in `ballot` for consecutive slots, and announces the chosen prefix.
    Accept {
        /// The ballot.
        ballot: Ballot,
        /// The slot of the first decree.
        first: Slot,
        /// The decrees, one a slot.
        decrees: Vec<Decree<V>>,
        /// The announcement, as in [`Immediate::Chosen`].
        chosen: Slot,
    },
    /// Announces: below `chosen`, every slot in which the leader of `ballot` proposed something has
    /// what it proposed there chosen.
    Chosen {
        /// The ballot.
        ballot: Ballot,
        /// The end of the prefix.
        chosen: Slot,
    },
    /// Refuses `ballot`, as `promised` is higher. What it says may be forgotten in a crash.
    Nack {
        /// The ballot refused.
        ballot: Ballot,
        /// The ballot promised.
        promised: Ballot,
    },
}

/// A message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message<V> {
    /// One that claims something durable.
    AfterSync(AfterSync<V>),
    /// One that does not.
    Immediate(Immediate<V>),
}

/// What a promise says of one slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Report<V> {
    /// The acceptor voted, last in this ballot, for this decree.
    Voted(Vote<V>),
    /// The acceptor copied this decree as chosen, and it replaced a vote of its own.
    Chosen(Decree<V>),
}

/// One vote of an acceptor in one slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote<V> {
    /// The ballot in which it was cast.
    pub ballot: Ballot,
    /// The decree.
    pub decree: Decree<V>,
}
