//! What a breach says: who did what, which guard of the specification forbids it, and why.
//!
//! It leaves to the simulator when it happened. The claim kept true: a guard is quoted as the
//! specification writes it, so that the line in the module is found by searching for it.

use std::fmt;
use synod_paxos::NodeId;

/// The actions of `MultiPaxos!Next`, by their names there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A candidate asks for promises.
    Phase1a,
    /// An acceptor promises a ballot and reports its votes.
    Phase1b,
    /// A candidate proposes in a slot.
    Phase2a,
    /// An acceptor votes in a slot.
    Phase2b,
    /// A leader counts a quorum of votes of its own ballot.
    Choose,
    /// A leader tells up to where all is chosen.
    Announce,
    /// A follower takes an announcement for what it votes for.
    Learn,
    /// A node takes over what another one knows to be chosen.
    Copy,
}

impl Action {
    /// All actions, in the order of the specification.
    pub const ALL: [Self; 8] = [
        Self::Phase1a,
        Self::Phase1b,
        Self::Phase2a,
        Self::Phase2b,
        Self::Choose,
        Self::Announce,
        Self::Learn,
        Self::Copy,
    ];

    /// Returns the name in the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Phase1a => "Phase1a",
            Self::Phase1b => "Phase1b",
            Self::Phase2a => "Phase2a",
            Self::Phase2b => "Phase2b",
            Self::Choose => "Choose",
            Self::Announce => "Announce",
            Self::Learn => "Learn",
            Self::Copy => "Copy",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Says that a node did what the specification does not allow; the fault of the code under test.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node {node} cannot take {action}: the guard `{guard}` fails: {found}")]
pub struct Deviation {
    /// The node.
    pub node: NodeId,
    /// What it did.
    pub action: Action,
    /// The guard, or the invariant, that forbids it, as the specification writes it.
    pub guard: &'static str,
    /// The values for which the guard fails.
    pub found: String,
}

/// A breach that has yet to be told who committed it.
pub(super) type Failed = (Action, &'static str, String);

/// Refuses an action with the values for which its guard fails.
pub(super) fn fails<T>(action: Action, guard: &'static str, found: String) -> Result<T, Failed> {
    Err((action, guard, found))
}
