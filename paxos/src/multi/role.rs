//! What a node of the log is with regard to leadership: nothing, a candidate, or the leader.
//!
//! What a candidate does is left to `candidate.rs`, what a leader does to `leader.rs`.

use crate::ballot::Ballot;
use crate::multi::candidate::Candidate;
use crate::multi::decree::Value;
use crate::multi::leader::Leader;

/// What a node is with regard to leadership.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role<V> {
    /// It does not lead.
    Idle,
    /// It is in phase 1: a candidate.
    Preparing(Candidate<V>),
    /// It is in phase 2.
    Leading(Leader<V>),
}

impl<V: Value> Role<V> {
    /// Returns the ballot in which the node leads; none for a candidate.
    #[must_use]
    pub const fn leads(&self) -> Option<Ballot> {
        match self {
            Self::Leading(leading) => Some(leading.ballot()),
            Self::Idle | Self::Preparing(_) => None,
        }
    }

    /// Returns the ballot in which the node leads or would like to.
    #[must_use]
    pub const fn ballot(&self) -> Option<Ballot> {
        match self {
            Self::Idle => None,
            Self::Preparing(preparing) => Some(preparing.ballot()),
            Self::Leading(leading) => Some(leading.ballot()),
        }
    }
}
