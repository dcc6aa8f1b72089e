//! The nemesis: which fault comes when, made from a seed before the run.
//!
//! One fault at a time, each followed by a quiet gap in which the system must recover; what is
//! broken, how badly and how long follows from the seed. The mix always holds a fault that takes
//! the leader away, a pause, a disturbed network and a partition before it repeats itself. Nothing
//! here touches a process: whoever runs the system obeys the plan.

mod draw;
mod kind;

use std::str::FromStr;

use synod_rng::{Random, Seed, Stream};

use crate::{Millis, NodeId, PlannedFault, Transport, Transports};
use draw::Planner;

pub use kind::FaultKind;

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

/// A fault that so few nodes would not notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} needs at least {nodes_min} nodes to have an effect")]
pub struct TooFewNodes {
    /// The fault.
    pub kind: FaultKind,
    /// How many nodes it needs.
    pub nodes_min: usize,
}

/// A fault that does not exist on the transport of the links that it would hit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kind} is a fault of {needed}, which the system under test does not speak there ({why}); \
    it can suffer from mix, calm, {known}"
)]
pub struct UnfitKind {
    /// The fault.
    pub kind: FaultKind,
    /// The transport that it needs.
    pub needed: Transport,
    /// Why it is nowhere else.
    pub why: &'static str,
    /// The faults that there are.
    pub known: String,
}

/// A run in which no fault would come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{time_ms} are too short for a fault of {}: with seed {} it takes at least {least_s} s \
     (calm is the nemesis that plans none)",
    nemesis.name(), seed.0
)]
pub struct TooShort {
    /// What was to be suffered.
    pub nemesis: Nemesis,
    /// The seed of the plan.
    pub seed: Seed,
    /// The time that was asked for.
    pub time_ms: Millis,
    /// The least time with this seed that has a fault, in seconds.
    pub least_s: u64,
}

impl Nemesis {
    /// Returns every name, in the order in which help lists them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ["mix", "calm"].into_iter().chain(FaultKind::ALL.map(FaultKind::name))
    }

    /// Returns whether it is about whoever leads, by its name.
    #[must_use]
    pub fn is_of_leaders(self) -> bool {
        match self {
            Self::Calm | Self::Mix => false,
            Self::Only(kind) => kind.of_any_node() != kind,
        }
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

    /// Says whether its faults can have an effect on so many nodes.
    ///
    /// # Errors
    ///
    /// [`TooFewNodes`] if they cannot.
    pub fn check(self, nodes: u16) -> Result<(), TooFewNodes> {
        match self {
            Self::Only(kind) if kind.nodes_min() > usize::from(nodes) => {
                Err(TooFewNodes { kind, nodes_min: kind.nodes_min() })
            }
            Self::Calm | Self::Mix | Self::Only(_) => Ok(()),
        }
    }

    /// Says whether its faults exist on these transports.
    ///
    /// # Errors
    ///
    /// [`UnfitKind`] if they do not.
    pub fn check_transports(self, on: Transports) -> Result<(), UnfitKind> {
        let (kind, needed) = match self {
            Self::Calm | Self::Mix => return Ok(()),
            Self::Only(kind) => match kind.misses(on) {
                None => return Ok(()),
                Some(needed) => (kind, needed),
            },
        };
        let why = match needed {
            Transport::Udp => "TCP repairs it before a program sees it",
            Transport::Tcp => "datagrams have no connection and come whole",
        };
        let known = FaultKind::ALL.into_iter().filter(|kind| kind.misses(on).is_none());
        let known = known.map(FaultKind::name).collect::<Vec<_>>().join(", ");
        Err(UnfitKind { kind, needed, why, known })
    }

    /// Says whether a run of `time` has a fault, where one was asked for: a run that nothing
    /// disturbed shows nothing of faults.
    ///
    /// # Errors
    ///
    /// [`TooShort`] if it has none.
    pub fn check_time(
        self,
        seed: Seed,
        nodes: &[NodeId],
        time_ms: Millis,
        on: Transports,
    ) -> Result<(), TooShort> {
        let is_planned = |time_ms| !self.plan(seed, nodes, time_ms, on).is_empty();
        if self == Self::Calm || is_planned(time_ms) {
            return Ok(());
        }
        let longer = time_ms.0 / 1_000 + 1..;
        let least_s = longer.into_iter().find(|seconds| is_planned(Millis(seconds * 1_000)));
        let least_s = least_s.expect("a fault has an end");
        Err(TooShort { nemesis: self, seed, time_ms, least_s })
    }

    /// Plans the faults of a run of `time` on `nodes` whose ports speak this.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_fault::{Millis, NodeId, Transports};
    /// use synod_fault::nemesis::Nemesis;
    /// use synod_rng::Seed;
    ///
    /// let nodes = [NodeId(1), NodeId(2), NodeId(3)];
    /// let faults = Nemesis::Mix.plan(Seed(42), &nodes, Millis(30_000), Transports::TCP);
    /// assert!(faults.len() >= 5);
    /// assert_eq!(faults, Nemesis::Mix.plan(Seed(42), &nodes, Millis(30_000), Transports::TCP));
    /// ```
    #[must_use]
    pub fn plan(
        self,
        seed: Seed,
        nodes: &[NodeId],
        time: Millis,
        transports: Transports,
    ) -> Vec<PlannedFault> {
        if nodes.is_empty() {
            return Vec::new();
        }
        let random = Random::new(seed, Stream::named("nemesis"));
        let mut planner = Planner { random, nodes, transports, short: false };
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::draw::{DISTURBANCES, GAP_MS, LAST_GAP_MS, PARTITIONS};
    use super::*;
    use crate::{Abilities, Scenario};

    fn nodes() -> Vec<NodeId> {
        (1..=3).map(NodeId).collect()
    }

    fn mix(seed: u64, seconds: u64) -> Vec<PlannedFault> {
        mix_on(Transports::default(), seed, seconds)
    }

    fn mix_on(transports: Transports, seed: u64, seconds: u64) -> Vec<PlannedFault> {
        Nemesis::Mix.plan(Seed(seed), &nodes(), Millis(seconds * 1_000), transports)
    }

    fn has(faults: &[PlannedFault], kinds: &[FaultKind]) -> bool {
        faults.iter().any(|fault| fault.kind.is_some_and(|kind| kinds.contains(&kind)))
    }

    #[test]
    fn every_mix_of_30_s_has_what_it_must_have() {
        for (seed, transports) in (0..500).zip([Transports::default(), Transports::TCP].repeat(250))
        {
            let faults = mix_on(transports, seed, 30);
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
            let of_a_storm = |fault: &PlannedFault| fault.kind == Some(FaultKind::RestartStorm);
            for pair in faults.windows(2).filter(|pair| !pair.iter().all(of_a_storm)) {
                let end = pair[0].at_ms.0 + pair[0].lasts_ms.0;
                let gap = if of_a_storm(&pair[0]) { 0 } else { GAP_MS.0 };
                assert!(pair[1].at_ms.0 >= end + gap);
            }
            let last = faults.last().expect("a minute has faults");
            assert!(last.at_ms.0 + last.lasts_ms.0 <= 60_000 - LAST_GAP_MS);
        }
    }

    /// A storm kills and starts at once, a flap cuts and lets go: both are what their names say.
    #[test]
    fn a_storm_holds_nobody_down_and_a_flap_comes_and_goes() {
        let only = |kind| {
            let nemesis = Nemesis::Only(kind);
            nemesis.plan(Seed(3), &nodes(), Millis(60_000), Transports::default())
        };
        let storm = only(FaultKind::RestartStorm);
        assert!(storm.iter().all(|fault| fault.lasts_ms == Millis(0) && fault.flaps_ms.is_none()));
        let flaps = only(FaultKind::Flapping);
        assert!(flaps.iter().all(|fault| fault.flaps_ms.is_some_and(|flap| flap > Millis(0))));
    }

    /// What loss is depends on the port that loses: that of the peers, or that of the clients.
    #[test]
    fn loss_is_that_of_the_port_it_happens_at() {
        let on = Transports { peer: Transport::Tcp, client: Transport::Udp };
        for kind in [FaultKind::Lossy, FaultKind::LossyClients] {
            let faults = Nemesis::Only(kind).plan(Seed(3), &nodes(), Millis(60_000), on);
            assert!(!faults.is_empty());
            for fault in faults {
                assert_eq!(Abilities::live(on).check(&fault), Ok(()), "{fault}");
            }
        }
    }

    #[test]
    fn long_mixes_use_every_kind() {
        let mixed = Transports { peer: Transport::Tcp, client: Transport::Udp };
        for (transports, count) in [(Transports::default(), 21), (Transports::TCP, 24), (mixed, 24)]
        {
            let faults = mix_on(transports, 1, 7_200);
            let kinds: BTreeSet<FaultKind> = faults.iter().filter_map(|fault| fault.kind).collect();
            let drawn = FaultKind::ALL.into_iter().filter(|kind| kind.is_mixed(transports));
            assert_eq!(kinds, drawn.collect(), "{transports:?}");
            assert_eq!(kinds.len(), count);
        }
    }

    #[test]
    fn what_a_mix_does_can_be_done_on_its_transports() {
        for transports in [Transports::default(), Transports::TCP] {
            let world = Abilities::live(transports);
            for fault in mix_on(transports, 5, 3_600) {
                assert_eq!(world.check(&fault), Ok(()), "{}", fault.name());
            }
        }
    }

    #[test]
    fn a_plan_that_was_recorded_is_read_and_made_again_byte_by_byte() {
        let text = include_str!("../../tests/plans/udp-mix-42.json");
        let recorded = Scenario::from_json(text).expect("a plan of this form");
        assert_eq!(recorded.to_json(), text);
        assert_eq!(recorded.faults, mix(42, 40));
        for world in [Abilities::live(Transports::default()), Abilities::SIMULATED] {
            assert_eq!(world.check_all(&recorded), Ok(()));
        }
        let error = Abilities::live(Transports::TCP).check_all(&recorded);
        assert_eq!(error.expect_err("it reorders packets").what, "reorder");
    }

    #[test]
    fn a_fault_of_another_transport_is_refused_with_those_that_there_are() {
        let only = |kind| Nemesis::Only(kind);
        for kind in [FaultKind::Duplicating, FaultKind::Reordering, FaultKind::Corrupting] {
            assert_eq!(only(kind).check_transports(Transports::default()), Ok(()));
            let error = only(kind).check_transports(Transports::TCP).expect_err("TCP repairs it");
            let words = error.to_string();
            assert!(words.starts_with(&format!("{kind} is a fault of udp")), "{words}");
            assert!(words.contains("stalling") && !words.contains("corrupting,"), "{words}");
        }
        let error = only(FaultKind::Resetting).check_transports(Transports::default());
        assert!(error.expect_err("no connections").to_string().contains("fault of tcp"));
        assert_eq!(only(FaultKind::Lossy).check_transports(Transports::TCP), Ok(()));
        assert_eq!(Nemesis::Mix.check_transports(Transports::TCP), Ok(()));
    }

    #[test]
    fn a_short_mix_takes_the_leader_away_first() {
        let faults = mix(3, 12);
        assert!(has(&faults[..1], &[FaultKind::KillLeader, FaultKind::IsolateLeader]));
        assert!(faults.len() >= 2);
    }

    #[test]
    fn a_time_without_a_fault_is_refused_with_the_least_that_has_one() {
        let on = Transports::default();
        for name in Nemesis::names() {
            let nemesis: Nemesis = name.parse().expect("a listed name");
            let on = match nemesis {
                Nemesis::Only(kind) if kind.misses(on).is_some() => Transports::TCP,
                Nemesis::Only(_) | Nemesis::Calm | Nemesis::Mix => on,
            };
            for seed in (0..20).map(Seed) {
                let check =
                    |seconds| nemesis.check_time(seed, &nodes(), Millis(seconds * 1_000), on);
                let Err(error) = check(1) else {
                    assert_eq!(nemesis, Nemesis::Calm);
                    continue;
                };
                let least = error.least_s;
                assert!(error.to_string().ends_with("plans none)"), "{error}");
                assert_eq!(check(least - 1).expect_err("it is the least").least_s, least);
                assert_eq!(check(least), Ok(()), "{name} {seed:?}");
                assert!(!nemesis.plan(seed, &nodes(), Millis(least * 1_000), on).is_empty());
            }
        }
    }

    #[test]
    fn equal_seeds_plan_equal_faults_and_others_do_not() {
        assert_eq!(mix(5, 30), mix(5, 30));
        assert_ne!(mix(5, 30), mix(6, 30));
    }

    #[test]
    fn each_kind_alone_fills_a_run_on_any_number_of_nodes() {
        for kind in FaultKind::ALL {
            for count in [1, 2, 3, 5, 7] {
                let nodes: Vec<NodeId> = (1..=count).map(NodeId).collect();
                let on =
                    kind.misses(Transports::TCP).map_or(Transports::TCP, |_| Transports::default());
                let faults = Nemesis::Only(kind).plan(Seed(9), &nodes, Millis(20_000), on);
                assert!(faults.len() >= 2, "{kind} on {count} nodes");
                assert!(faults.iter().all(|fault| fault.kind == Some(kind)));
            }
        }
    }

    #[test]
    fn a_mix_has_no_fault_that_its_nodes_would_not_notice() {
        for count in 1..=3 {
            let nodes: Vec<NodeId> = (1..=count).map(NodeId).collect();
            let udp = Transports::default();
            let faults = Nemesis::Mix.plan(Seed(2), &nodes, Millis(600_000), udp);
            assert!(
                faults
                    .iter()
                    .filter_map(|fault| fault.kind)
                    .all(|kind| kind.nodes_min() <= count.into())
            );
        }
        let bridge = Nemesis::Only(FaultKind::Bridge);
        assert_eq!(bridge.check(3), Ok(()));
        let error = bridge.check(2).expect_err("two nodes have no bridge");
        assert_eq!(error.to_string(), "bridge needs at least 3 nodes to have an effect");
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
