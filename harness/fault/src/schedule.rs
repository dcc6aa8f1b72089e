//! The schedule: the faults of a plan.
//!
//! A plan is data made from a seed before anything runs; the same seed and options give the same
//! bytes. What really happened depends on the machine, so whoever obeys a plan records it apart.
//! Making plans is for `nemesis`.

use serde::{Deserialize, Serialize};
use synod_rng::Seed;

use crate::nemesis::{FaultKind, Nemesis};
use crate::{LinkRules, Millis, NodeId, Shape, Transports, UnfitRule};

/// Everything that is decided before a run: the content of `plan.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this form.
    pub format: u32,
    /// The seed from which faults, operations and packet decisions follow.
    pub seed: Seed,
    /// The name of the system under test.
    pub system: String,
    /// How many nodes.
    pub nodes: u16,
    /// How many logical clients.
    pub clients: u32,
    /// The name of the workload.
    pub workload: String,
    /// The name of the nemesis.
    pub nemesis: String,
    /// How long the clients are watched while faults come and go.
    pub time_ms: Millis,
    /// How long an operation may take before its outcome counts as unknown.
    pub timeout_ms: Millis,
    /// How long a client rests at most between two operations.
    pub rest_ms: Millis,
    /// The faults, in order of their start; none overlaps the next.
    pub faults: Vec<PlannedFault>,
}

/// A fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// What kind of fault, for people.
    pub kind: FaultKind,
    /// When it starts at the earliest, from the start of the run.
    pub at_ms: Millis,
    /// How long it lasts.
    pub lasts_ms: Millis,
    /// What must be seen before it starts.
    pub trigger: Trigger,
    /// What is done.
    pub action: Action,
}

/// What a fault waits for, once its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Nothing.
    Time,
    /// A node that is seen to lead.
    LeaderSeen,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Cuts links between nodes.
    Partition(PartitionKind),
    /// Cuts links and mends them again and again.
    Flap {
        /// What is cut.
        tear: PartitionKind,
        /// How long each cut lasts, and each time between two.
        period_ms: Millis,
    },
    /// Lets links misbehave.
    Disturb {
        /// Which links.
        wires: LinkScope,
        /// How.
        rules: LinkRules,
    },
    /// Kills nodes by SIGKILL and starts them again when the fault ends.
    Kill(Target),
    /// Kills nodes one after the other and starts each again at once.
    Storm {
        /// The victims, in order; a node may come again.
        victims: Vec<NodeId>,
    },
    /// Stops a node by SIGSTOP and lets it go on when the fault ends.
    Pause(Target),
}

/// How a partition tears the nodes apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionKind {
    /// As planned.
    Fixed(Shape),
    /// The leader from all others.
    IsolateLeader,
}

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Whoever leads when the fault starts.
    Leader,
    /// This node.
    Node(NodeId),
    /// Every node.
    All,
}

/// Which links a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkScope {
    /// Those between nodes.
    Nodes,
    /// Those between the clients and the nodes.
    Clients,
}

impl Plan {
    /// The version of the form that this harness writes and reads.
    pub const FORMAT: u32 = 1;

    /// Returns the nodes, counted from 1.
    #[must_use]
    pub fn node_ids(&self) -> Vec<NodeId> {
        (1..=self.nodes).map(NodeId).collect()
    }

    /// Returns whether some fault of the plan must make another node lead.
    ///
    /// A leader that is away for a shorter time than [`LEADER_GONE_MS_MIN`] may be back before the
    /// others miss it.
    #[must_use]
    pub fn changes_leader(&self) -> bool {
        self.faults.iter().any(|fault| {
            let long = fault.lasts_ms >= LEADER_GONE_MS_MIN;
            match &fault.action {
                Action::Kill(Target::Leader | Target::All) => true,
                Action::Partition(PartitionKind::IsolateLeader) | Action::Pause(Target::Leader) => {
                    long
                }
                Action::Partition(PartitionKind::Fixed(_))
                | Action::Flap { .. }
                | Action::Disturb { .. }
                | Action::Kill(Target::Node(_))
                | Action::Storm { .. }
                | Action::Pause(Target::Node(_) | Target::All) => false,
            }
        })
    }

    /// Returns whether faults were asked for and none is planned.
    #[must_use]
    pub fn plans_nothing(&self) -> bool {
        self.faults.is_empty() && self.nemesis != Nemesis::Calm.name()
    }

    /// Says whether the links of a system of these transports can suffer all faults.
    ///
    /// # Errors
    ///
    /// [`UnfitRule`] names the first rule that they cannot obey.
    pub fn check_transports(&self, on: Transports) -> Result<(), UnfitRule> {
        self.faults.iter().try_for_each(|fault| match &fault.action {
            Action::Disturb { wires: LinkScope::Nodes, rules } => rules.fits(on.peer),
            Action::Disturb { wires: LinkScope::Clients, rules } => rules.fits(on.client),
            Action::Partition(_)
            | Action::Flap { .. }
            | Action::Kill(_)
            | Action::Storm { .. }
            | Action::Pause(_) => Ok(()),
        })
    }

    /// Returns the written form, which ends in a line feed and is the same for equal plans.
    ///
    /// # Panics
    ///
    /// Never: a plan has no part that cannot be written.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }
}

/// How long a leader must be away before another one is expected.
pub const LEADER_GONE_MS_MIN: Millis = Millis(2_000);
