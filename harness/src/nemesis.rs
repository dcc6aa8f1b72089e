//! The nemesis: which fault comes when, made from a seed before the run.
//!
//! One fault at a time, each followed by a quiet gap in which the system must recover; what is
//! broken, how badly and how long follows from the seed. The mix always holds a fault that takes
//! the leader away, a pause, a disturbed network and a partition before it repeats itself. Nothing
//! here touches a process: `live` obeys the plan.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::fault::{LinkRules, Millis, NodeId, PartsPerMillion, RateLimit, Shape};
use crate::random::{Random, Seed, Stream};
use crate::schedule::{Action, PlannedFault, Tear, Trigger, Victim, Wires};

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

/// What a run suffers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nemesis {
    /// Nothing: the run that all others are compared with.
    Calm,
    /// Many kinds.
    Mix,
    /// One kind, again and again.
    Only(FaultKind),
}

/// A name that no nemesis has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no nemesis `{name}`; there are {known}")]
pub struct UnknownNemesis {
    /// The name.
    pub name: String,
    /// The names that there are.
    pub known: String,
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

impl Nemesis {
    /// Returns every name, in the order in which help lists them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ["mix", "calm"].into_iter().chain(FaultKind::ALL.map(FaultKind::name))
    }

    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Mix => "mix",
            Self::Only(kind) => kind.name(),
        }
    }

    /// Plans the faults of a run of `time` on `nodes`.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_harness::fault::{Millis, NodeId};
    /// use synod_harness::nemesis::Nemesis;
    /// use synod_harness::random::Seed;
    ///
    /// let nodes = [NodeId(1), NodeId(2), NodeId(3)];
    /// let faults = Nemesis::Mix.plan(Seed(42), &nodes, Millis(30_000));
    /// assert!(faults.len() >= 5);
    /// assert_eq!(faults, Nemesis::Mix.plan(Seed(42), &nodes, Millis(30_000)));
    /// ```
    #[must_use]
    pub fn plan(self, seed: Seed, nodes: &[NodeId], time: Millis) -> Vec<PlannedFault> {
        let mut planner =
            Planner { random: Random::new(seed, Stream::named("nemesis")), nodes, short: false };
        match self {
            Self::Calm => Vec::new(),
            Self::Mix => {
                planner.short = true;
                planner.fill(time, Planner::round)
            }
            Self::Only(kind) => planner.fill(time, |_, _| vec![kind]),
        }
    }
}

impl FromStr for Nemesis {
    type Err = UnknownNemesis;

    fn from_str(name: &str) -> Result<Self, UnknownNemesis> {
        let all = [Self::Mix, Self::Calm];
        let all = all.into_iter().chain(FaultKind::ALL.map(Self::Only));
        let unknown = || UnknownNemesis {
            name: name.to_owned(),
            known: Self::names().collect::<Vec<_>>().join(", "),
        };
        all.into_iter().find(|nemesis| nemesis.name() == name).ok_or_else(unknown)
    }
}

/// Draws faults one after the other.
struct Planner<'a> {
    random: Random,
    nodes: &'a [NodeId],
    /// Whether faults are kept short, so that several kinds fit into a run.
    short: bool,
}

impl Planner<'_> {
    /// Strings together the kinds that `round` names until the time is full.
    fn fill(
        &mut self,
        time: Millis,
        mut round: impl FnMut(&mut Self, Millis) -> Vec<FaultKind>,
    ) -> Vec<PlannedFault> {
        let mut faults = Vec::new();
        let mut at = FIRST_MS;
        loop {
            let left = Millis(time.0.saturating_sub(at.0));
            for kind in round(self, left) {
                let fault = self.draw(kind, at);
                let end = at.0 + fault.lasts_ms.0;
                if end + LAST_GAP_MS > time.0 {
                    return faults;
                }
                at = Millis(end + self.random.between(GAP_MS.0, GAP_MS.1));
                faults.push(fault);
            }
        }
    }

    /// Names the kinds of one round of the mix.
    fn round(&mut self, left: Millis) -> Vec<FaultKind> {
        let mut kinds = vec![
            self.one_of(&[FaultKind::KillLeader, FaultKind::IsolateLeader]),
            self.one_of(&[FaultKind::PauseLeader, FaultKind::PauseOne]),
            self.one_of(&DISTURBANCES),
            self.one_of(&PARTITIONS),
            self.one_of(&FaultKind::ALL),
        ];
        // A round that is cut short keeps the most important kinds; a whole one has any order.
        if left.0 >= ROUND_MS {
            self.random.shuffle(&mut kinds);
        }
        kinds
    }

    fn one_of(&mut self, kinds: &[FaultKind]) -> FaultKind {
        *self.random.pick(kinds).expect("the lists are not empty")
    }

    fn draw(&mut self, kind: FaultKind, at_ms: Millis) -> PlannedFault {
        let action = self.action(kind);
        let lasts_ms = Millis(self.lasts(kind));
        let trigger = match action {
            Action::Kill(Victim::Leader)
            | Action::Pause(Victim::Leader)
            | Action::Partition(Tear::IsolateLeader)
            | Action::Flap { tear: Tear::IsolateLeader, .. } => Trigger::LeaderSeen,
            Action::Partition(Tear::Fixed(_))
            | Action::Flap { tear: Tear::Fixed(_), .. }
            | Action::Disturb { .. }
            | Action::Kill(Victim::Node(_) | Victim::All)
            | Action::Storm { .. }
            | Action::Pause(Victim::Node(_) | Victim::All) => Trigger::Time,
        };
        PlannedFault { kind, at_ms, lasts_ms, trigger, action }
    }

    fn lasts(&mut self, kind: FaultKind) -> u64 {
        let (low, high) = match kind {
            FaultKind::KillOne | FaultKind::KillLeader => (500, 2_500),
            FaultKind::KillAll => (200, 1_000),
            FaultKind::RestartStorm => (2_000, 3_000),
            FaultKind::PauseLeader if self.short => (2_000, 3_000),
            FaultKind::PauseOne if self.short => (500, 3_000),
            FaultKind::PauseLeader | FaultKind::PauseOne => (500, 5_000),
            FaultKind::PartitionHalves
            | FaultKind::Minority
            | FaultKind::IsolateOne
            | FaultKind::IsolateLeader
            | FaultKind::Bridge
            | FaultKind::Ring
            | FaultKind::OneWay
            | FaultKind::Flapping
            | FaultKind::Slow
            | FaultKind::Lossy
            | FaultKind::Duplicating
            | FaultKind::Reordering
            | FaultKind::Corrupting
            | FaultKind::Rate
            | FaultKind::LossyClients => (2_000, if self.short { 3_000 } else { 5_000 }),
        };
        self.random.between(low, high)
    }

    fn action(&mut self, kind: FaultKind) -> Action {
        let fixed = |shape| Action::Partition(Tear::Fixed(shape));
        match kind {
            FaultKind::PartitionHalves => fixed(Shape::halves(self.nodes, &mut self.random)),
            FaultKind::Minority => fixed(Shape::minority(self.nodes, &mut self.random)),
            FaultKind::IsolateOne => fixed(Shape::isolate(self.node(), self.nodes)),
            FaultKind::IsolateLeader => Action::Partition(Tear::IsolateLeader),
            FaultKind::Bridge => fixed(Shape::bridge(self.nodes, &mut self.random)),
            FaultKind::Ring => fixed(Shape::ring(self.nodes, &mut self.random)),
            FaultKind::OneWay => self.one_way(),
            FaultKind::Flapping => self.flapping(),
            FaultKind::KillOne => Action::Kill(Victim::Node(self.node())),
            FaultKind::KillLeader => Action::Kill(Victim::Leader),
            FaultKind::KillAll => Action::Kill(Victim::All),
            FaultKind::PauseLeader => Action::Pause(Victim::Leader),
            FaultKind::PauseOne => Action::Pause(Victim::Node(self.node())),
            FaultKind::RestartStorm => self.storm(),
            FaultKind::Slow
            | FaultKind::Lossy
            | FaultKind::Duplicating
            | FaultKind::Reordering
            | FaultKind::Corrupting
            | FaultKind::Rate => Action::Disturb { wires: Wires::Nodes, rules: self.rules(kind) },
            FaultKind::LossyClients => {
                Action::Disturb { wires: Wires::Clients, rules: self.rules(kind) }
            }
        }
    }

    fn node(&mut self) -> NodeId {
        *self.random.pick(self.nodes).expect("a cluster has a node")
    }

    fn one_way(&mut self) -> Action {
        let node = self.node();
        let shape = if self.random.chance(500_000) {
            Shape::mute(node, self.nodes)
        } else {
            Shape::deaf(node, self.nodes)
        };
        Action::Partition(Tear::Fixed(shape))
    }

    fn flapping(&mut self) -> Action {
        let tear = if self.random.chance(500_000) {
            Tear::IsolateLeader
        } else {
            Tear::Fixed(Shape::isolate(self.node(), self.nodes))
        };
        // Around the election timeouts in use: the worst periods are those.
        Action::Flap { tear, period_ms: Millis(self.random.between(150, 600)) }
    }

    fn storm(&mut self) -> Action {
        let count = self.random.between(3, 5);
        Action::Storm { victims: (0..count).map(|_| self.node()).collect() }
    }

    fn rules(&mut self, kind: FaultKind) -> LinkRules {
        let mut rules = LinkRules::default();
        if kind == FaultKind::Slow {
            rules.delay_ms = Millis(self.random.between(10, 100));
            rules.jitter_ms = Millis(self.random.between(0, 100));
        }
        if matches!(kind, FaultKind::Lossy | FaultKind::LossyClients) {
            rules.loss = PartsPerMillion(self.parts(50_000, 300_000));
        }
        if matches!(kind, FaultKind::Duplicating | FaultKind::LossyClients) {
            rules.duplicate = PartsPerMillion(self.parts(100_000, 500_000));
            rules.duplicate_late_ms = Millis(self.random.between(0, 300));
        }
        if matches!(kind, FaultKind::Reordering | FaultKind::LossyClients) {
            rules.reorder = PartsPerMillion(self.parts(100_000, 400_000));
            rules.reorder_late_ms = Millis(self.random.between(2, 50));
        }
        if kind == FaultKind::Corrupting {
            rules.corrupt = PartsPerMillion(self.parts(10_000, 100_000));
        }
        if kind == FaultKind::Rate {
            let bytes_per_s = self.random.between(30_000, 300_000);
            rules.rate = Some(RateLimit { bytes_per_s, queue_bytes: bytes_per_s / 4 });
        }
        rules
    }

    fn parts(&mut self, low: u32, high: u32) -> u32 {
        u32::try_from(self.random.between(u64::from(low), u64::from(high))).unwrap_or(high)
    }
}

const DISTURBANCES: [FaultKind; 7] = [
    FaultKind::Slow,
    FaultKind::Lossy,
    FaultKind::Duplicating,
    FaultKind::Reordering,
    FaultKind::Corrupting,
    FaultKind::Rate,
    FaultKind::LossyClients,
];

const PARTITIONS: [FaultKind; 7] = [
    FaultKind::PartitionHalves,
    FaultKind::Minority,
    FaultKind::IsolateOne,
    FaultKind::Bridge,
    FaultKind::Ring,
    FaultKind::OneWay,
    FaultKind::Flapping,
];

/// When the first fault starts.
const FIRST_MS: Millis = Millis(1_500);

/// The quiet gap after a fault, from and to.
const GAP_MS: (u64, u64) = (1_500, 2_500);

/// The quiet time at the end of a run.
const LAST_GAP_MS: u64 = 500;

/// The longest time that a round of the mix takes.
const ROUND_MS: u64 = 5 * (3_000 + 2_500) + LAST_GAP_MS;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn nodes() -> Vec<NodeId> {
        (1..=3).map(NodeId).collect()
    }

    fn mix(seed: u64, seconds: u64) -> Vec<PlannedFault> {
        Nemesis::Mix.plan(Seed(seed), &nodes(), Millis(seconds * 1_000))
    }

    fn has(faults: &[PlannedFault], kinds: &[FaultKind]) -> bool {
        faults.iter().any(|fault| kinds.contains(&fault.kind))
    }

    #[test]
    fn every_mix_of_30_s_has_what_it_must_have() {
        for seed in 0..500 {
            let faults = mix(seed, 30);
            assert!(faults.len() >= 5, "seed {seed}: {}", faults.len());
            assert!(has(&faults, &[FaultKind::KillLeader, FaultKind::IsolateLeader]));
            assert!(has(&faults, &[FaultKind::PauseLeader, FaultKind::PauseOne]));
            assert!(has(&faults, &DISTURBANCES) && has(&faults, &PARTITIONS));
        }
    }

    #[test]
    fn faults_do_not_overlap_and_leave_quiet_gaps() {
        for seed in 0..100 {
            let faults = mix(seed, 60);
            for pair in faults.windows(2) {
                let end = pair[0].at_ms.0 + pair[0].lasts_ms.0;
                assert!(pair[1].at_ms.0 >= end + GAP_MS.0);
            }
            let last = faults.last().expect("a minute has faults");
            assert!(last.at_ms.0 + last.lasts_ms.0 < 60_000);
        }
    }

    #[test]
    fn long_mixes_use_every_kind() {
        let kinds: BTreeSet<FaultKind> = mix(1, 3_600).iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds.len(), FaultKind::ALL.len());
    }

    #[test]
    fn a_short_mix_takes_the_leader_away_first() {
        let faults = mix(3, 12);
        assert!(has(&faults[..1], &[FaultKind::KillLeader, FaultKind::IsolateLeader]));
        assert!(faults.len() >= 2);
    }

    #[test]
    fn equal_seeds_plan_equal_faults_and_others_do_not() {
        assert_eq!(mix(5, 30), mix(5, 30));
        assert_ne!(mix(5, 30), mix(6, 30));
    }

    #[test]
    fn each_kind_alone_fills_a_run_on_any_number_of_nodes() {
        for kind in FaultKind::ALL {
            for count in [2, 3, 5, 7] {
                let nodes: Vec<NodeId> = (1..=count).map(NodeId).collect();
                let faults = Nemesis::Only(kind).plan(Seed(9), &nodes, Millis(20_000));
                assert!(faults.len() >= 2, "{kind} on {count} nodes");
                assert!(faults.iter().all(|fault| fault.kind == kind));
            }
        }
    }

    #[test]
    fn every_name_is_read_back_and_others_are_refused_with_the_list() {
        for name in Nemesis::names() {
            assert_eq!(name.parse::<Nemesis>().expect("a listed name").name(), name);
        }
        let error = "gremlins".parse::<Nemesis>().expect_err("there are none");
        assert!(error.to_string().contains("isolate-leader"), "{error}");
    }
}
