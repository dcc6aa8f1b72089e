//! Drawing faults: what each kind breaks, how badly and how long, from the plan's own chance.
//!
//! The numbers here are the taste of the harness. They are part of every seed: a change of them
//! changes every plan.

use synod_rng::Random;

use super::FaultKind;
use crate::{
    Action, LinkRules, Millis, NodeId, PartsPerMillion, PlannedFault, RateLimit, Shape, Target,
    Transports, Trigger, lossy,
};

/// Draws faults one after the other.
pub(super) struct Planner<'a> {
    pub(super) random: Random,
    pub(super) nodes: &'a [NodeId],
    /// What the ports of the nodes speak.
    pub(super) transports: Transports,
    /// Whether faults are kept short, so that several kinds fit into a run.
    pub(super) short: bool,
}

impl Planner<'_> {
    /// Strings together the kinds that `round` names until the time is full.
    pub(super) fn fill(
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
                    // It would not have ended in time, nor would any after it have begun.
                    return faults;
                }
                at = Millis(end + self.random.between(GAP_MS.0, GAP_MS.1));
                faults.extend(fault.planned());
            }
        }
    }

    /// Names the kinds of one round of the mix.
    pub(super) fn round(&mut self, left: Millis) -> Vec<FaultKind> {
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

    /// Picks one of the kinds that can have an effect; of none, one that always can.
    fn one_of(&mut self, kinds: &[FaultKind]) -> FaultKind {
        let fits = |kind: &FaultKind| {
            kind.nodes_min() <= self.nodes.len() && kind.is_mixed(self.transports)
        };
        let kinds: Vec<FaultKind> = kinds.iter().copied().filter(fits).collect();
        self.random.pick(&kinds).copied().unwrap_or(FaultKind::KillOne)
    }

    fn draw(&mut self, kind: FaultKind, at_ms: Millis) -> Drawn {
        let what = self.action(kind);
        Drawn { kind, at_ms, lasts_ms: Millis(self.lasts(kind)), what }
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
            | FaultKind::LossyClients
            | FaultKind::Stalling
            | FaultKind::Resetting
            | FaultKind::Refusing
            | FaultKind::HalfClosing
            | FaultKind::Slicing
            | FaultKind::ResettingClients
            | FaultKind::CutClients => (2_000, if self.short { 3_000 } else { 5_000 }),
        };
        self.random.between(low, high)
    }

    fn action(&mut self, kind: FaultKind) -> What {
        let shaped = |shape| What::once(Action::Partition(shape), Target::All);
        match kind {
            FaultKind::PartitionHalves => shaped(Shape::halves(self.nodes, &mut self.random)),
            FaultKind::Minority => shaped(Shape::minority(self.nodes, &mut self.random)),
            FaultKind::IsolateOne => What::once(Action::Isolate, self.node()),
            FaultKind::IsolateLeader => What::once(Action::Isolate, Target::Leader),
            FaultKind::Bridge => shaped(Shape::bridge(self.nodes, &mut self.random)),
            FaultKind::Ring => shaped(Shape::ring(self.nodes, &mut self.random)),
            FaultKind::OneWay => self.one_way(),
            FaultKind::Flapping => self.flapping(),
            FaultKind::KillOne => What::once(Action::Kill, self.node()),
            FaultKind::KillLeader => What::once(Action::Kill, Target::Leader),
            FaultKind::KillAll => What::once(Action::Kill, Target::All),
            FaultKind::PauseLeader => What::once(Action::Pause, Target::Leader),
            FaultKind::PauseOne => What::once(Action::Pause, self.node()),
            FaultKind::RestartStorm => self.storm(),
            FaultKind::Slow
            | FaultKind::Lossy
            | FaultKind::Duplicating
            | FaultKind::Reordering
            | FaultKind::Corrupting
            | FaultKind::Rate => What::once(Action::Disturb(self.rules(kind)), Target::All),
            FaultKind::LossyClients => {
                What::once(Action::Disturb(self.rules(kind)), Target::Clients)
            }
            FaultKind::Stalling
            | FaultKind::Resetting
            | FaultKind::Refusing
            | FaultKind::HalfClosing
            | FaultKind::Slicing => {
                What::once(Action::Disturb(self.stream_rules(kind)), Target::All)
            }
            FaultKind::ResettingClients => {
                What::once(Action::Disturb(self.stream_rules(kind)), Target::Clients)
            }
            FaultKind::CutClients => {
                let node = self.some_node();
                shaped(Shape::without_clients(node))
            }
        }
    }

    fn some_node(&mut self) -> NodeId {
        *self.random.pick(self.nodes).expect("a cluster has a node")
    }

    fn node(&mut self) -> Target {
        Target::Node(self.some_node())
    }

    fn one_way(&mut self) -> What {
        let node = self.node();
        let mute = self.random.chance(500_000);
        What::once(if mute { Action::Mute } else { Action::Deafen }, node)
    }

    fn flapping(&mut self) -> What {
        let leader = self.random.chance(500_000);
        let target = if leader { Target::Leader } else { self.node() };
        // Around the election timeouts in use: the worst periods are those.
        What::Flapping(target, Millis(self.random.between(150, 600)))
    }

    fn storm(&mut self) -> What {
        let count = self.random.between(3, 5);
        What::Storm((0..count).map(|_| self.some_node()).collect())
    }

    fn rules(&mut self, kind: FaultKind) -> LinkRules {
        let mut rules = LinkRules::default();
        if kind == FaultKind::Slow {
            rules.delay_ms = Millis(self.random.between(10, 100));
            rules.jitter_ms = Millis(self.random.between(0, 100));
        }
        if matches!(kind, FaultKind::Lossy | FaultKind::LossyClients) {
            let loss = PartsPerMillion(self.parts(50_000, 300_000));
            let clients = kind == FaultKind::LossyClients;
            let Transports { peer, client } = self.transports;
            rules = lossy(if clients { client } else { peer }, loss);
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
            // A quarter of a second may wait.
            rules.rate = Some(RateLimit { bytes_per_s, queue_bytes: bytes_per_s / 4 });
        }
        rules
    }

    fn stream_rules(&mut self, kind: FaultKind) -> LinkRules {
        let mut rules = LinkRules::default();
        if matches!(kind, FaultKind::Stalling | FaultKind::ResettingClients) {
            rules.stall = PartsPerMillion(self.parts(10_000, 100_000));
            rules.stall_ms = Millis(self.random.between(200, 1_000));
        }
        if kind == FaultKind::Resetting {
            rules.reset = PartsPerMillion(self.parts(10_000, 100_000));
        }
        if matches!(kind, FaultKind::Refusing | FaultKind::ResettingClients) {
            rules.reset = PartsPerMillion(self.parts(5_000, 30_000));
        }
        if kind == FaultKind::Refusing {
            rules.refuse = PartsPerMillion(self.parts(300_000, 900_000));
        }
        if kind == FaultKind::HalfClosing {
            rules.half_close = PartsPerMillion(self.parts(5_000, 50_000));
        }
        if matches!(kind, FaultKind::Slicing | FaultKind::ResettingClients) {
            rules.slice_bytes = self.parts(1, 64);
        }
        rules
    }

    fn parts(&mut self, low: u32, high: u32) -> u32 {
        u32::try_from(self.random.between(u64::from(low), u64::from(high))).unwrap_or(high)
    }
}

/// A fault of a kind as it was drawn: one entry of a plan, or several.
struct Drawn {
    kind: FaultKind,
    at_ms: Millis,
    lasts_ms: Millis,
    what: What,
}

/// What a fault of a kind does.
enum What {
    /// One thing to one target.
    Once(Action, Target),
    /// It cuts somebody off again and again.
    Flapping(Target, Millis),
    /// It kills nodes one after the other and starts each again at once; a node may come again.
    Storm(Vec<NodeId>),
}

impl What {
    fn once(action: Action, target: Target) -> Self {
        Self::Once(action, target)
    }
}

impl Drawn {
    /// Returns what a plan says of it.
    fn planned(self) -> Vec<PlannedFault> {
        let Self { kind, at_ms, lasts_ms, what } = self;
        let plan = |at_ms, lasts_ms, action, target: Target| {
            let leader = target == Target::Leader;
            let trigger = if leader { Trigger::LeaderSeen } else { Trigger::Time };
            let kind = Some(kind);
            PlannedFault { kind, trigger, ..PlannedFault::new(at_ms, lasts_ms, action, target) }
        };
        match what {
            What::Once(action, target) => vec![plan(at_ms, lasts_ms, action, target)],
            What::Flapping(target, period) => {
                let fault = plan(at_ms, lasts_ms, Action::Isolate, target);
                vec![PlannedFault { flaps_ms: Some(period), ..fault }]
            }
            What::Storm(victims) => {
                let step = lasts_ms.0 / (victims.len() as u64).max(1);
                let times = (0..).map(|turn| Millis(at_ms.0 + turn * step));
                let one = |(at_ms, node)| plan(at_ms, Millis(0), Action::Kill, Target::Node(node));
                times.zip(victims).map(one).collect()
            }
        }
    }
}

pub(super) const DISTURBANCES: [FaultKind; 13] = [
    FaultKind::Slow,
    FaultKind::Lossy,
    FaultKind::Duplicating,
    FaultKind::Reordering,
    FaultKind::Corrupting,
    FaultKind::Rate,
    FaultKind::LossyClients,
    FaultKind::Stalling,
    FaultKind::Resetting,
    FaultKind::Refusing,
    FaultKind::HalfClosing,
    FaultKind::Slicing,
    FaultKind::ResettingClients,
];

pub(super) const PARTITIONS: [FaultKind; 8] = [
    FaultKind::PartitionHalves,
    FaultKind::Minority,
    FaultKind::IsolateOne,
    FaultKind::Bridge,
    FaultKind::Ring,
    FaultKind::OneWay,
    FaultKind::Flapping,
    FaultKind::CutClients,
];

/// When the first fault starts.
const FIRST_MS: Millis = Millis(1_500);

/// The quiet gap after a fault, from and to.
pub(super) const GAP_MS: (u64, u64) = (1_500, 2_500);

/// The quiet time at the end of a run.
pub(super) const LAST_GAP_MS: u64 = 500;

/// The longest time that a round of the mix takes.
const ROUND_MS: u64 = 5 * (3_000 + 2_500) + LAST_GAP_MS;
