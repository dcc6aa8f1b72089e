//! The plan of a simulated run: everything that is decided before it, as data.
//!
//! A plan is drawn from a seed (`swarm`), written down with a failure, cut smaller (`shrink`) and
//! obeyed (`network_faults`). Faults may overlap. The claim kept true: seed and plan together fix a
//! run bit for bit, and leaving a fault out leaves the dice of all other faults as they were.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use synod_fault::{LinkId, LinkRules, Millis, NodeId, Shape};
use synod_rng::Seed;

/// A simulated run before it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The seed of all dice.
    pub seed: Seed,
    /// How many nodes.
    pub nodes: u16,
    /// How many clients.
    pub clients: u32,
    /// How long faults come and go.
    pub time_ms: Millis,
    /// How long a client rests at most between two operations.
    pub rest_ms: Millis,
    /// How long an operation may take before its client gives it up.
    pub timeout_ms: Millis,
    /// What every link between nodes does, faults or not.
    pub links: LinkRules,
    /// What every link between a client and a node does.
    pub client_links: LinkRules,
    /// How long a sync takes at most, in microseconds, faults or not.
    pub sync_us: u64,
    /// By how many parts of a million each node's clock is fast, or slow.
    pub clock_ppm: Vec<i32>,
    /// The faults, in order of their start.
    pub faults: Vec<Fault>,
}

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    pub at_ms: Millis,
    /// How long it lasts.
    pub lasts_ms: Millis,
    /// What it does.
    pub action: Action,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Tears the nodes apart.
    Partition(Shape),
    /// Tears them apart and mends them again and again.
    Flap {
        /// How they are torn.
        shape: Shape,
        /// How long each cut lasts, and each time between two.
        period_ms: Millis,
    },
    /// Cuts some directed links.
    Cut(BTreeSet<LinkId>),
    /// Lets the links between nodes misbehave.
    Disturb(LinkRules),
    /// Lets the links between clients and nodes misbehave.
    DisturbClients(LinkRules),
    /// Ends processes; the machines start them again when the fault ends.
    Crash {
        /// Whose.
        nodes: BTreeSet<NodeId>,
        /// How.
        crash: Crash,
    },
    /// Stops a process for a while; it does not know.
    Pause(NodeId),
    /// Lets a node's clock run fast or slow.
    ClockRate {
        /// Whose clock.
        node: NodeId,
        /// By how many parts of a million it is fast, or slow.
        ppm: i32,
    },
    /// Lets a node's clock jump ahead, as after a suspend: what it waits for comes so much sooner.
    ClockJump {
        /// Whose clock.
        node: NodeId,
        /// How far.
        ms: Millis,
    },
    /// Lets a node's disk misbehave.
    Disk {
        /// Whose disk.
        node: NodeId,
        /// How.
        fault: DiskFault,
    },
    /// Asks a node to hand over and end, as an operator does; it is started again at the end.
    Retire(NodeId),
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crash {
    /// The process is killed; what it wrote is in the page cache.
    Kill,
    /// The power fails: what was not synced is lost, torn or kept, as the dice say.
    Power,
}

/// How a disk misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFault {
    /// Each sync takes up to so much longer.
    Slow {
        /// How much longer at most.
        ms: Millis,
    },
    /// No sync returns until the fault ends.
    Hung,
    /// There is no space for anything more.
    Full,
    /// The next sync fails; what it should have made durable is forgotten.
    SyncFails,
    /// The next write fails.
    WriteFails,
    /// The next read fails.
    ReadFails,
    /// The power fails in the middle of the so-many-th operation from here on.
    PowerFailsAt {
        /// How many operations pass.
        operations: u64,
    },
    /// A bit of what was written long ago flips.
    Rot,
    /// What was written is copied when the fault begins, and the copy takes its place when it ends,
    /// as with a backup or a snapshot of the machine.
    RolledBack,
    /// All that was written is lost, and the node is made anew in its place.
    MadeAnew,
    /// What another node has written takes its place.
    Foreign,
}

impl DiskFault {
    /// Tells whether a node that it happens to is lost to its cluster.
    #[must_use]
    pub const fn is_for_good(self) -> bool {
        match self {
            Self::Rot | Self::RolledBack | Self::MadeAnew | Self::Foreign => true,
            Self::Slow { .. }
            | Self::Hung
            | Self::Full
            | Self::SyncFails
            | Self::WriteFails
            | Self::ReadFails
            | Self::PowerFailsAt { .. } => false,
        }
    }
}

impl Plan {
    /// Returns the nodes, counted from 1.
    #[must_use]
    pub fn node_ids(&self) -> Vec<NodeId> {
        (1..=self.nodes).map(NodeId).collect()
    }
}

impl Action {
    /// Returns the links that it cuts.
    pub(super) fn cuts(&self) -> BTreeSet<LinkId> {
        if let Self::Partition(shape) | Self::Flap { shape, .. } = self {
            return shape.cuts();
        }
        if let Self::Cut(links) = self { links.clone() } else { BTreeSet::new() }
    }

    /// Returns what it does to the links of clients, or to those between nodes.
    pub(super) fn disturbance(&self, of_clients: bool) -> Option<LinkRules> {
        if let (Self::Disturb(rules), false) | (Self::DisturbClients(rules), true) =
            (self, of_clients)
        {
            return Some(*rules);
        }
        None
    }

    /// Returns what it does to a node's disk.
    pub(super) fn disk_fault(&self, node: NodeId) -> Option<DiskFault> {
        if let Self::Disk { node: hit, fault } = self
            && *hit == node
        {
            return Some(*fault);
        }
        None
    }

    /// Tells whether a node that it happens to is lost to its cluster.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        matches!(self, Self::Disk { fault, .. } if fault.is_for_good())
    }

    /// Tells whether a node is not started while it lasts.
    pub(super) fn keeps_down(&self, node: NodeId) -> bool {
        if let Self::Crash { nodes, .. } = self {
            return nodes.contains(&node);
        }
        *self == Self::Retire(node)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:>6} ms for {:>5} ms: {}", self.at_ms.0, self.lasts_ms.0, self.action)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition(shape) => write!(formatter, "partition {shape}"),
            Self::Flap { shape, period_ms } => {
                write!(formatter, "flapping partition {shape}, every {period_ms}")
            }
            Self::Cut(links) => {
                let links: Vec<String> = links.iter().map(ToString::to_string).collect();
                write!(formatter, "cut {}", links.join(" "))
            }
            Self::Disturb(rules) => write!(formatter, "links: {rules}"),
            Self::DisturbClients(rules) => write!(formatter, "links to clients: {rules}"),
            Self::Crash { nodes, crash } => {
                let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                let how = match crash {
                    Crash::Kill => "kill",
                    Crash::Power => "power loss of",
                };
                write!(formatter, "{how} {}", nodes.join(" "))
            }
            Self::Pause(node) => write!(formatter, "pause {node}"),
            Self::ClockRate { node, ppm } => {
                write!(formatter, "clock of {node} off by {ppm} parts in a million")
            }
            Self::ClockJump { node, ms } => write!(formatter, "clock of {node} jumps {ms}"),
            Self::Disk { node, fault } => write!(formatter, "disk of {node}: {fault}"),
            Self::Retire(node) => write!(formatter, "retire {node}"),
        }
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow { ms } => write!(formatter, "syncs take up to {ms} longer"),
            Self::Hung => formatter.write_str("syncs hang"),
            Self::Full => formatter.write_str("full"),
            Self::SyncFails => formatter.write_str("a sync fails"),
            Self::WriteFails => formatter.write_str("a write fails"),
            Self::ReadFails => formatter.write_str("a read fails"),
            Self::PowerFailsAt { operations } => {
                write!(formatter, "power fails after {operations} operations")
            }
            Self::Rot => formatter.write_str("a bit rots"),
            Self::RolledBack => formatter.write_str("rolled back to a copy in the end"),
            Self::MadeAnew => formatter.write_str("lost, and made anew"),
            Self::Foreign => formatter.write_str("replaced by that of another node"),
        }
    }
}
