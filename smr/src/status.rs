//! How a replica is doing, as it tells whoever asks.
//!
//! How it is read off a replica is left to `observe.rs`.

use synod_paxos::{Ballot, NodeId, Slot};

/// How a replica is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    /// The node.
    pub node: NodeId,
    /// Which start of it this is.
    pub incarnation: u64,
    /// The highest ballot promised.
    pub promised: Ballot,
    /// The ballot in which it leads.
    pub leads: Option<Ballot>,
    /// The ballot that it follows.
    pub follows: Option<Ballot>,
    /// Whether it sees no need for another leader.
    pub leader_ok: bool,
    /// The end of its chosen prefix.
    pub chosen: Slot,
    /// The first slot that is not applied.
    pub applied: Slot,
    /// The digest of the state at `applied`.
    pub digest: u64,
    /// How many sessions there are.
    pub sessions: u64,
}
