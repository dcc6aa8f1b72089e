//! The kinds of faults and their names, which command lines, plans and reports share.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Two halves hear nothing of each other.
    PartitionHalves,
    /// A minority is cut off.
    Minority,
    /// One node is cut off.
    IsolateOne,
    /// The leader is cut off.
    IsolateLeader,
    /// Two sides are connected by one node only.
    Bridge,
    /// Each node hears another majority.
    Ring,
    /// One node is not heard, or does not hear.
    OneWay,
    /// A node is cut off and comes back, again and again.
    Flapping,
    /// One node is killed.
    KillOne,
    /// The leader is killed.
    KillLeader,
    /// All nodes are killed at once.
    KillAll,
    /// The leader is stopped for a while.
    PauseLeader,
    /// One node is stopped for a while.
    PauseOne,
    /// Nodes are killed and started one after the other.
    RestartStorm,
    /// Packets between nodes take their time.
    Slow,
    /// Packets between nodes are lost.
    Lossy,
    /// Packets between nodes come twice.
    Duplicating,
    /// Packets between nodes overtake each other.
    Reordering,
    /// Packets between nodes arrive with a flipped bit.
    Corrupting,
    /// Few bytes a second pass between nodes.
    Rate,
    /// Packets between clients and nodes are lost, doubled and late.
    LossyClients,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 21] = [
        Self::PartitionHalves,
        Self::Minority,
        Self::IsolateOne,
        Self::IsolateLeader,
        Self::Bridge,
        Self::Ring,
        Self::OneWay,
        Self::Flapping,
        Self::KillOne,
        Self::KillLeader,
        Self::KillAll,
        Self::PauseLeader,
        Self::PauseOne,
        Self::RestartStorm,
        Self::Slow,
        Self::Lossy,
        Self::Duplicating,
        Self::Reordering,
        Self::Corrupting,
        Self::Rate,
        Self::LossyClients,
    ];

    /// Returns how many nodes there must be for the fault to have an effect.
    #[must_use]
    pub fn nodes_min(self) -> usize {
        match self {
            Self::Bridge | Self::Ring => 3,
            Self::PartitionHalves
            | Self::Minority
            | Self::IsolateOne
            | Self::IsolateLeader
            | Self::OneWay
            | Self::Flapping
            | Self::Slow
            | Self::Lossy
            | Self::Duplicating
            | Self::Reordering
            | Self::Corrupting
            | Self::Rate => 2,
            Self::KillOne
            | Self::KillLeader
            | Self::KillAll
            | Self::PauseLeader
            | Self::PauseOne
            | Self::RestartStorm
            | Self::LossyClients => 1,
        }
    }

    /// Returns the name that the command line and reports use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PartitionHalves => "partition-halves",
            Self::Minority => "minority",
            Self::IsolateOne => "isolate-one",
            Self::IsolateLeader => "isolate-leader",
            Self::Bridge => "bridge",
            Self::Ring => "ring",
            Self::OneWay => "one-way",
            Self::Flapping => "flapping",
            Self::KillOne => "kill-one",
            Self::KillLeader => "kill-leader",
            Self::KillAll => "kill-all",
            Self::PauseLeader => "pause-leader",
            Self::PauseOne => "pause-one",
            Self::RestartStorm => "restart-storm",
            Self::Slow => "slow",
            Self::Lossy => "lossy",
            Self::Duplicating => "duplicating",
            Self::Reordering => "reordering",
            Self::Corrupting => "corrupting",
            Self::Rate => "rate",
            Self::LossyClients => "lossy-clients",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
