//! The kinds of faults and their names, which command lines, plans and reports share.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Transport, Transports};

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
    /// Connections between nodes stand still again and again.
    Stalling,
    /// Connections between nodes are reset.
    Resetting,
    /// Connections between nodes are reset, and most new ones refused.
    Refusing,
    /// Connections between nodes end in one direction.
    HalfClosing,
    /// What nodes send comes in small pieces.
    Slicing,
    /// Connections between clients and nodes are reset, stand still, and carry small pieces.
    ResettingClients,
    /// One node is cut off from all clients.
    CutClients,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 28] = [
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
        Self::Stalling,
        Self::Resetting,
        Self::Refusing,
        Self::HalfClosing,
        Self::Slicing,
        Self::ResettingClients,
        Self::CutClients,
    ];

    /// Returns the fault that does the same to a node, whoever leads; itself, if it does so.
    #[must_use]
    pub const fn of_any_node(self) -> Self {
        match self {
            Self::IsolateLeader => Self::IsolateOne,
            Self::KillLeader => Self::KillOne,
            Self::PauseLeader => Self::PauseOne,
            other @ (Self::PartitionHalves
            | Self::Minority
            | Self::IsolateOne
            | Self::Bridge
            | Self::Ring
            | Self::OneWay
            | Self::Flapping
            | Self::KillOne
            | Self::KillAll
            | Self::PauseOne
            | Self::RestartStorm
            | Self::Slow
            | Self::Lossy
            | Self::Duplicating
            | Self::Reordering
            | Self::Corrupting
            | Self::Rate
            | Self::LossyClients
            | Self::Stalling
            | Self::Resetting
            | Self::Refusing
            | Self::HalfClosing
            | Self::Slicing
            | Self::ResettingClients
            | Self::CutClients) => other,
        }
    }

    /// Returns the transport that the fault needs and does not find, where there is one.
    ///
    /// On TCP, `lossy` is what a program sees of loss: the connection stands still for the time of
    /// a retransmission.
    #[must_use]
    pub fn misses(self, on: Transports) -> Option<Transport> {
        let (port, needed) = match self {
            Self::Duplicating | Self::Reordering | Self::Corrupting => (on.peer, Transport::Udp),
            Self::LossyClients => (on.client, Transport::Udp),
            Self::Stalling
            | Self::Resetting
            | Self::Refusing
            | Self::HalfClosing
            | Self::Slicing => (on.peer, Transport::Tcp),
            Self::ResettingClients => (on.client, Transport::Tcp),
            Self::PartitionHalves
            | Self::Minority
            | Self::IsolateOne
            | Self::IsolateLeader
            | Self::Bridge
            | Self::Ring
            | Self::OneWay
            | Self::Flapping
            | Self::KillOne
            | Self::KillLeader
            | Self::KillAll
            | Self::PauseLeader
            | Self::PauseOne
            | Self::RestartStorm
            | Self::Slow
            | Self::Lossy
            | Self::Rate
            | Self::CutClients => return None,
        };
        (port != needed).then_some(needed)
    }

    /// Returns whether the mix draws the fault.
    ///
    /// Where all ports speak UDP it never cuts off clients: each seed keeps the plan that it had.
    #[must_use]
    pub fn is_mixed(self, on: Transports) -> bool {
        self.misses(on).is_none() && (self != Self::CutClients || !on.is_default())
    }

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
            | Self::Rate
            | Self::Stalling
            | Self::Resetting
            | Self::Refusing
            | Self::HalfClosing
            | Self::Slicing => 2,
            Self::KillOne
            | Self::KillLeader
            | Self::KillAll
            | Self::PauseLeader
            | Self::PauseOne
            | Self::RestartStorm
            | Self::LossyClients
            | Self::ResettingClients
            | Self::CutClients => 1,
        }
    }

    /// Says in a few words what it does.
    #[must_use]
    pub const fn does(self) -> &'static str {
        match self {
            Self::PartitionHalves => "two halves hear nothing of each other",
            Self::Minority => "a minority is cut off",
            Self::IsolateOne => "one node is cut off",
            Self::IsolateLeader => "the leader is cut off",
            Self::Bridge => "two sides are connected by one node only",
            Self::Ring => "each node hears another majority",
            Self::OneWay => "one node is not heard, or does not hear",
            Self::Flapping => "a node is cut off and comes back, again and again",
            Self::KillOne => "one node is killed",
            Self::KillLeader => "the leader is killed",
            Self::KillAll => "all nodes are killed at once",
            Self::PauseLeader => "the leader is stopped for a while",
            Self::PauseOne => "one node is stopped for a while",
            Self::RestartStorm => "nodes are killed and started one after the other",
            Self::Slow => "packets between nodes take their time",
            Self::Lossy => "packets between nodes are lost",
            Self::Duplicating => "packets between nodes come twice",
            Self::Reordering => "packets between nodes overtake each other",
            Self::Corrupting => "packets between nodes arrive with a flipped bit",
            Self::Rate => "few bytes a second pass between nodes",
            Self::LossyClients => "packets between clients and nodes are lost, doubled and late",
            Self::Stalling => "connections between nodes stand still again and again",
            Self::Resetting => "connections between nodes are reset",
            Self::Refusing => "connections between nodes are reset, and most new ones refused",
            Self::HalfClosing => "connections between nodes end in one direction",
            Self::Slicing => "what nodes send comes in small pieces",
            Self::ResettingClients => {
                "connections between clients and nodes are reset, stand still, and come in pieces"
            }
            Self::CutClients => "one node is cut off from all clients",
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
            Self::Stalling => "stalling",
            Self::Resetting => "resetting",
            Self::Refusing => "refusing",
            Self::HalfClosing => "half-closing",
            Self::Slicing => "slicing",
            Self::ResettingClients => "resetting-clients",
            Self::CutClients => "cut-clients",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
