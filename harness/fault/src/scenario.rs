//! The scenario: everything that is decided before a run, in either world.
//!
//! It is written by people (`written` has the form), drawn by a generator (`nemesis`, `swarm`), or
//! what is left of a failure that was made smaller. The plan of a run is the same scenario with
//! every draw made ([`Scenario::drawn`]). The claims kept true: the same seed and options give the
//! same plan, and leaving a fault out leaves the dice of all others as they were. What really
//! happened may depend on the machine, so whoever obeys a plan records that apart.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use synod_rng::{Random, Seed, Stream, mix};

use crate::nemesis::{FaultKind, Nemesis};
use crate::{Action, LinkRules, Millis, NodeId, PartsPerMillion, ResolvedTarget, Target, Trigger};

/// Everything that is decided before a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The version of this form.
    #[serde(default = "format_of_today")]
    pub format: u32,
    /// What it is about, or what failed and why, in a line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The seed from which faults, operations and packet decisions follow.
    #[serde(deserialize_with = "written_seed")]
    pub seed: Seed,
    /// The name of the system under test, where one was chosen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub system: String,
    /// How many nodes.
    pub nodes: u16,
    /// How many logical clients.
    #[serde(default = "clients_usual")]
    pub clients: u32,
    /// The name of the workload.
    #[serde(default = "workload_usual")]
    pub workload: String,
    /// Who drew the faults, if anybody did; `calm` is what has none.
    #[serde(default = "nemesis_usual")]
    pub nemesis: String,
    /// How long the clients are watched while faults come and go.
    pub time_ms: Millis,
    /// How long an operation may take before its outcome counts as unknown.
    #[serde(default = "timeout_usual")]
    pub timeout_ms: Millis,
    /// How long a client rests at most between two operations.
    #[serde(default = "rest_usual")]
    pub rest_ms: Millis,
    /// After how long every other client gives up already; none does, if it is 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hasty_ms: Millis,
    /// Which share of the clients asks one node alone, whoever leads. Which clients do follows from
    /// the seed; their nodes take turns.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pinned: PartsPerMillion,
    /// How many keys of each kind are in use at a time; as many as the workload has, if it is 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keys: u32,
    /// What the world is like, faults or not.
    #[serde(default, skip_serializing_if = "Conditions::are_usual")]
    pub conditions: Conditions,
    /// The faults, in order of their start; they may overlap.
    #[serde(default)]
    pub faults: Vec<PlannedFault>,
}

/// What the world is like, faults or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// What every link between nodes does.
    #[serde(skip_serializing_if = "is_default")]
    pub links: LinkRules,
    /// What every link between a client and a node does.
    #[serde(skip_serializing_if = "is_default")]
    pub client_links: LinkRules,
    /// How long a sync of a simulated disk takes at most, in microseconds; a real one takes the
    /// time it takes.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_us: u64,
    /// By how many parts of a million each node's clock is fast, or slow; none is off if it is
    /// empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clock_ppm: Vec<i32>,
}

/// A fault of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// The kind that a nemesis drew, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FaultKind>,
    /// When it begins at the earliest, from the start of the run.
    #[serde(default)]
    pub at_ms: Millis,
    /// What must be seen before it begins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trigger: Trigger,
    /// How long it lasts.
    pub lasts_ms: Millis,
    /// What it does.
    pub action: Action,
    /// Whom it hits.
    #[serde(default, skip_serializing_if = "Target::is_default")]
    pub target: Target,
    /// Of a cut that comes and goes: how long each cut lasts, and each time between two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaps_ms: Option<Millis>,
}

impl Scenario {
    /// The version of the form that this harness writes and reads.
    pub const FORMAT: u32 = 2;

    /// Returns a scenario of so many nodes, of the usual numbers, without a fault.
    #[must_use]
    pub fn calm(seed: Seed, nodes: u16, time_ms: Millis) -> Self {
        Self {
            format: Self::FORMAT,
            reason: String::new(),
            seed,
            system: String::new(),
            nodes,
            clients: clients_usual(),
            workload: workload_usual(),
            nemesis: Nemesis::Calm.name().to_owned(),
            time_ms,
            timeout_ms: timeout_usual(),
            rest_ms: rest_usual(),
            hasty_ms: Millis(0),
            pinned: PartsPerMillion::default(),
            keys: 0,
            conditions: Conditions::default(),
            faults: Vec::new(),
        }
    }

    /// Returns the nodes, counted from 1.
    #[must_use]
    pub fn node_ids(&self) -> Vec<NodeId> {
        (1..=self.nodes).map(NodeId).collect()
    }

    /// Returns how long an operation of a client may take before its outcome counts as unknown.
    #[must_use]
    pub fn patience_of(&self, client: u32) -> Millis {
        let is_hasty = self.hasty_ms.0 > 0 && client % 2 == 1;
        if is_hasty { self.hasty_ms.min(self.timeout_ms) } else { self.timeout_ms }
    }

    /// Returns the node that a client asks alone, if it does: the same for the same seed.
    #[must_use]
    pub fn pin_of(&self, client: u32) -> Option<NodeId> {
        let stream = Stream::named("pins").part(u64::from(client));
        let pinned = Random::new(self.seed, stream).chance(self.pinned.0);
        // Nodes in turn, so that no node is left out where few clients are pinned.
        let number = client.checked_rem(u32::from(self.nodes))? + 1;
        u16::try_from(number).ok().map(NodeId).filter(|_| pinned)
    }

    /// Returns the same scenario with every draw made: what a run obeys and leaves behind.
    ///
    /// Each fault has dice of its own, by what it says of its time and how many before it say the
    /// same; what is drawn already stays.
    #[must_use]
    pub fn drawn(&self) -> Self {
        let all = self.node_ids();
        let mut plan = self.clone();
        let mut seen: BTreeMap<(Millis, Millis), u64> = BTreeMap::new();
        for fault in &mut plan.faults {
            // By their times and not by their places: one that is added or left out changes no draw
            // of the others.
            let count = seen.entry((fault.at_ms, fault.lasts_ms)).or_default();
            let stream = Stream::named("target").part(fault.at_ms.0).part(fault.lasts_ms.0);
            let mut dice = Random::new(self.seed, stream.part(*count));
            *count += 1;
            fault.target = fault.target.drawn(&all, &mut dice);
        }
        plan
    }

    /// Leaves out the faults that `keeps` does not want, which is told the place and the fault.
    ///
    /// Who waits for a fault that stays goes on waiting for it; who waits for one that goes waits
    /// for its time alone.
    pub fn retain_faults(&mut self, mut keeps: impl FnMut(usize, &PlannedFault) -> bool) {
        let mut numbers = Vec::with_capacity(self.faults.len());
        let mut kept = 0;
        for (place, fault) in self.faults.iter().enumerate() {
            let keeps = keeps(place, fault);
            // Counted first, as triggers number faults from 1.
            kept += u32::from(keeps);
            numbers.push(keeps.then_some(kept));
        }
        let mut place = 0..;
        self.faults.retain(|_| place.next().is_some_and(|place: usize| numbers[place].is_some()));
        for fault in &mut self.faults {
            let awaited = fault.trigger.awaited().and_then(|number| number.checked_sub(1));
            let number = awaited.and_then(|place| numbers.get(place as usize).copied().flatten());
            fault.trigger = fault.trigger.renumbered(number);
        }
    }

    /// Returns whether some fault must make another node lead.
    ///
    /// A leader that is away for a shorter time than [`LEADER_GONE_MS_MIN`] may be back before the
    /// others miss it.
    #[must_use]
    pub fn changes_leader(&self) -> bool {
        self.faults.iter().any(PlannedFault::changes_leader)
    }

    /// Returns the scenario for a world in which nobody tells who leads: what hits the leader hits
    /// a node that follows from the seed, and what waits for a leader begins when its time has
    /// come.
    #[must_use]
    pub fn without_leaders(&self) -> Self {
        let mut scenario = self.clone();
        for (place, fault) in (0..).zip(&mut scenario.faults) {
            fault.kind = fault.kind.map(FaultKind::of_any_node);
            if fault.target == Target::Leader {
                let drawn = mix(self.seed.0 ^ mix(place)) % u64::from(self.nodes.max(1));
                fault.target = Target::Node(NodeId(drawn as u16 + 1));
            }
            if fault.trigger.asks_who_leads() {
                fault.trigger = Trigger::Time;
            }
        }
        scenario
    }

    /// Returns whether something is done to the power, the disk or the clock of a machine.
    #[must_use]
    pub fn hits_machines(&self) -> bool {
        self.faults.iter().any(|fault| fault.action.is_of_machines())
            || self.conditions.clock_ppm.iter().any(|ppm| *ppm != 0)
    }

    /// Returns whether faults were asked for and none is planned.
    #[must_use]
    pub fn plans_nothing(&self) -> bool {
        self.faults.is_empty() && self.nemesis != Nemesis::Calm.name()
    }
}

impl Conditions {
    /// Tells whether nothing differs from a world without faults.
    #[must_use]
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl PlannedFault {
    /// Plans an action that is not left to chance.
    #[must_use]
    pub fn new(at_ms: Millis, lasts_ms: Millis, action: Action, target: Target) -> Self {
        let trigger = Trigger::Time;
        Self { kind: None, at_ms, trigger, lasts_ms, action, target, flaps_ms: None }
    }

    /// Returns the name that status lines and reports use.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind.map_or_else(|| self.action.name(), FaultKind::name)
    }

    /// Tells whether it must be known who leads before it begins.
    #[must_use]
    pub fn needs_leader(&self) -> bool {
        self.trigger.asks_who_leads() || self.target == Target::Leader
    }

    /// Tells whether it would hit nothing in a cluster of these nodes, whoever leads in it and
    /// whatever is drawn.
    #[must_use]
    pub fn hits_nothing(&self, all: &[NodeId]) -> bool {
        let one = Target::of(all.first().copied().into_iter().collect());
        let target = match &self.target {
            Target::Leader | Target::Minority => &one,
            target @ (Target::Node(_) | Target::Nodes(_) | Target::All | Target::Clients) => target,
        };
        ResolvedTarget::resolve(&self.action, target, None, all).is_nothing()
    }

    fn changes_leader(&self) -> bool {
        if self.target != Target::Leader && self.target != Target::All {
            return false;
        }
        let leader = self.target == Target::Leader;
        let long = self.lasts_ms >= LEADER_GONE_MS_MIN && self.flaps_ms.is_none();
        match self.action {
            Action::Kill | Action::PowerLoss => true,
            Action::Isolate | Action::Pause => leader && long,
            Action::Mute
            | Action::Deafen
            | Action::Partition(_)
            | Action::Cut(_)
            | Action::Disturb(_)
            | Action::DisturbInbound(_)
            | Action::Retire
            | Action::Upgrade
            | Action::Downgrade
            | Action::ClockRate { .. }
            | Action::ClockJump { .. }
            | Action::Disk(_) => false,
        }
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:>6} ms for {:>5} ms: {}", self.at_ms.0, self.lasts_ms.0, self.action)?;
        if !self.action.names_links() {
            write!(formatter, ", {}", self.target)?;
        }
        if let Some(period) = self.flaps_ms {
            write!(formatter, ", flapping every {period}")?;
        }
        if self.trigger != Trigger::Time {
            write!(formatter, ", {}", self.trigger)?;
        }
        Ok(())
    }
}

/// Reads a seed, which is a string of digits where a form has no number as large.
fn written_seed<'de, D: Deserializer<'de>>(written: D) -> Result<Seed, D::Error> {
    written.deserialize_any(WrittenSeed)
}

/// Takes a seed in either form, and names the range of both where it is neither.
struct WrittenSeed;

impl Visitor<'_> for WrittenSeed {
    type Value = Seed;

    fn expecting(&self, words: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(words, "a seed, which is a number from 0 to {}", u64::MAX)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Seed, E> {
        Ok(Seed(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Seed, E> {
        let seed = u64::try_from(number).map(Seed);
        seed.map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Seed, E> {
        let seed = u64::try_from(number).map(Seed);
        seed.map_err(|_| E::invalid_value(Unexpected::Other(&number.to_string()), &self))
    }

    fn visit_str<E: de::Error>(self, digits: &str) -> Result<Seed, E> {
        let seed = digits.parse().map(Seed);
        seed.map_err(|_| E::invalid_value(Unexpected::Str(digits), &self))
    }
}

fn format_of_today() -> u32 {
    Scenario::FORMAT
}

fn clients_usual() -> u32 {
    8
}

fn workload_usual() -> String {
    "mix".to_owned()
}

/// What a scenario says of its nemesis that nobody drew.
fn nemesis_usual() -> String {
    BY_HAND.to_owned()
}

fn timeout_usual() -> Millis {
    Millis(2_000)
}

fn rest_usual() -> Millis {
    Millis(4)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The name of no nemesis: somebody wrote the faults down.
pub const BY_HAND: &str = "by-hand";

/// How long a leader must be away before another one is expected.
pub const LEADER_GONE_MS_MIN: Millis = Millis(2_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_client_is_hasty_where_any_is() {
        let calm = Scenario::calm(Seed(7), 3, Millis(1_000));
        assert_eq!([0, 1].map(|client| calm.patience_of(client)), [calm.timeout_ms; 2]);
        let hasty = Scenario { hasty_ms: Millis(100), ..calm.clone() };
        assert_eq!([0, 1, 3].map(|client| hasty.patience_of(client).0), [2_000, 100, 100]);
        let slower = Scenario { hasty_ms: Millis(9_000), ..calm };
        assert_eq!(slower.patience_of(1).0, 2_000);
    }

    #[test]
    fn so_many_clients_as_wanted_ask_one_node_and_each_the_same_one() {
        let calm = Scenario::calm(Seed(7), 3, Millis(1_000));
        assert!((0..100).all(|client| calm.pin_of(client).is_none()));
        let half = Scenario { pinned: PartsPerMillion(500_000), ..calm };
        let pins: Vec<Option<NodeId>> = (0..400).map(|client| half.pin_of(client)).collect();
        assert_eq!(pins, (0..400).map(|client| half.pin_of(client)).collect::<Vec<_>>());
        let count = pins.iter().flatten().count();
        assert!((150..250).contains(&count), "{count}");
        assert!(half.node_ids().iter().all(|node| pins.contains(&Some(*node))));
    }

    /// A leader that is gone for long must have a successor; who is away shortly may be back.
    #[test]
    fn what_takes_the_leader_away_for_long_makes_another_one_lead() {
        let of = |lasts: u64, action: Action, target: Target, flaps_ms: Option<Millis>| {
            let mut plan = Scenario::calm(Seed(1), 3, Millis(9_000));
            let fault = PlannedFault::new(Millis(0), Millis(lasts), action, target);
            plan.faults = vec![PlannedFault { flaps_ms, ..fault }];
            plan.changes_leader()
        };
        let (one, long) = (Target::Node(NodeId(1)), LEADER_GONE_MS_MIN.0);
        for action in [Action::Kill, Action::PowerLoss] {
            assert!(of(0, action.clone(), Target::Leader, None), "{action}");
            assert!(of(0, action.clone(), Target::All, None), "{action}");
            assert!(!of(long, action.clone(), one.clone(), None), "{action}");
            assert!(!of(long, action.clone(), Target::Minority, None), "{action}");
        }
        for action in [Action::Isolate, Action::Pause] {
            assert!(of(long, action.clone(), Target::Leader, None), "{action}");
            assert!(!of(long - 1, action.clone(), Target::Leader, None), "{action}");
            assert!(!of(long, action.clone(), Target::Leader, Some(Millis(300))), "{action}");
            assert!(!of(long, action.clone(), Target::All, None), "{action}");
        }
        for action in [Action::Mute, Action::Retire, Action::Disk(crate::DiskFault::Hung)] {
            assert!(!of(long, action.clone(), Target::Leader, None), "{action}");
        }
    }

    #[test]
    fn clocks_that_drift_are_something_done_to_machines() {
        let mut plan = Scenario::calm(Seed(1), 3, Millis(9_000));
        plan.faults = vec![PlannedFault::new(Millis(0), Millis(9), Action::Kill, Target::All)];
        plan.conditions.clock_ppm = vec![0, 0, 0];
        assert!(!plan.hits_machines());
        plan.conditions.clock_ppm[2] = -1;
        assert!(plan.hits_machines());
        plan.conditions.clock_ppm.clear();
        plan.faults[0].action = Action::PowerLoss;
        assert!(plan.hits_machines());
    }

    #[test]
    fn a_plan_without_a_fault_plans_nothing_unless_it_shall_be_calm() {
        let calm = Scenario::calm(Seed(1), 3, Millis(9_000));
        assert!(!calm.plans_nothing());
        let mut other = Scenario { nemesis: BY_HAND.to_owned(), ..calm };
        assert!(other.plans_nothing());
        other.faults = vec![PlannedFault::new(Millis(0), Millis(9), Action::Kill, Target::All)];
        assert!(!other.plans_nothing());
    }

    #[test]
    fn who_leads_must_be_known_to_whoever_hits_the_leader_or_waits_for_one() {
        let needs = |trigger, target| {
            let fault = PlannedFault::new(Millis(0), Millis(9), Action::Kill, target);
            PlannedFault { trigger, ..fault }.needs_leader()
        };
        assert!(needs(Trigger::Time, Target::Leader));
        assert!(needs(Trigger::LeaderSeen, Target::All) && needs(Trigger::NewLeader, Target::All));
        assert!(
            !needs(Trigger::Answered(1), Target::All) && !needs(Trigger::Time, Target::Minority)
        );
    }

    /// Faults that say nothing else of themselves are told apart by their times.
    #[test]
    fn minorities_at_other_times_are_other_minorities() {
        let fault = |at| PlannedFault::new(Millis(at), Millis(9), Action::Kill, Target::Minority);
        let differs = |seed| {
            let mut plan = Scenario::calm(Seed(seed), 5, Millis(100));
            plan.faults = vec![fault(1), fault(2)];
            let drawn = plan.drawn().faults;
            drawn[0].target != drawn[1].target
        };
        assert!((0..40).filter(|seed| differs(*seed)).count() > 30);
    }
}
