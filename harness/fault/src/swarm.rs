//! The swarm: which kinds of faults a run has at all, and then each of them.
//!
//! Every kind is in or out by a coin of its own (swarm testing, Groce and others, 2012), so that a
//! run may be all partitions, all disks, or anything between: faults of one kind hide the bugs that
//! another kind needs. Faults overlap. Each kind draws from its own stream of chance: a change of
//! one kind leaves those of the others as they were, and so does a world that cannot do it.

use std::collections::BTreeSet;

use synod_rng::{Random, Seed, Stream};

use crate::{
    Abilities, Action, Conditions, DiskFault, DiskReach, LinkId, LinkRules, Millis, NodeId,
    PartsPerMillion, PlannedFault, Scenario, Shape, Target, Trigger, all_links,
};

/// What scenarios are drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmConfig {
    /// How many nodes there may be; a number that stands twice comes twice as often.
    pub nodes: Vec<u16>,
    /// How long faults come and go.
    pub time_ms: Millis,
    /// For how long before the end of that none begins: real processes need a moment to feel one.
    pub quiet_ms: Millis,
    /// How many clients there are.
    pub clients: u32,
    /// How long a client rests at most between two operations.
    pub rest_ms: Millis,
    /// What the world can do; what it cannot is drawn and left out.
    pub world: Abilities,
}

impl Default for SwarmConfig {
    fn default() -> Self {
        Self {
            nodes: vec![3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 4, 2, 1, 7],
            time_ms: Millis(60_000),
            quiet_ms: Millis(0),
            clients: 4,
            rest_ms: Millis(500),
            world: Abilities::SIMULATED,
        }
    }
}

/// A kind of fault, in or out of a run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Partition,
    Flap,
    Cut,
    Disturb,
    DisturbClients,
    Kill,
    Power,
    AllPower,
    Pause,
    ClockRate,
    ClockJump,
    DiskSlow,
    DiskHung,
    DiskFull,
    DiskError,
    PowerMidway,
    Rot,
    Retire,
}

const KINDS: [Kind; 18] = [
    Kind::Partition,
    Kind::Flap,
    Kind::Cut,
    Kind::Disturb,
    Kind::DisturbClients,
    Kind::Kill,
    Kind::Power,
    Kind::AllPower,
    Kind::Pause,
    Kind::ClockRate,
    Kind::ClockJump,
    Kind::DiskSlow,
    Kind::DiskHung,
    Kind::DiskFull,
    Kind::DiskError,
    Kind::PowerMidway,
    Kind::Rot,
    Kind::Retire,
];

/// The fewest kinds of faults that are drawn for a run. What hits nothing is left out: a link of
/// which there is none, a partition of one node.
const KINDS_MIN: usize = 4;

/// The most faults of one kind in a minute.
const PER_MINUTE_MAX: u64 = 4;

/// With fewer nodes than this one damaged disk is more than a quorum can bear.
const ROT_NODES_MIN: usize = 3;

/// How often the folder of a node is changed for another one.
const FOLDER_PPM: u32 = 250_000;

/// By when the nodes have heard of each other.
const FOLDER_MS_MIN: u64 = 1_000;

/// Draws the scenario of a seed.
///
/// # Examples
///
/// ```
/// use synod_fault::swarm::{SwarmConfig, draw};
/// use synod_fault::{Abilities, Transports};
/// use synod_rng::Seed;
///
/// let everything = draw(Seed(7), &SwarmConfig::default());
/// let world = Abilities::live(Transports::default());
/// let real = draw(Seed(7), &SwarmConfig { world, ..SwarmConfig::default() });
/// assert!(real.faults.iter().all(|fault| everything.faults.contains(fault)));
/// assert_eq!(world.check_all(&real), Ok(()));
/// ```
#[must_use]
pub fn draw(seed: Seed, config: &SwarmConfig) -> Scenario {
    let mut random = Random::new(seed, Stream::named("swarm"));
    let nodes = random.pick(&config.nodes).copied().unwrap_or(3);
    let mut links = base_links(&mut random);
    let client_links = LinkRules { jitter_ms: Millis(random.between(0, 3)), ..once(links) };
    let sync_us = random.between(100, 4_000);
    let custom = custom(seed, config, sync_us);
    links.delay_ms = custom.delay_ms;
    links.loss = links.loss.max(custom.loss);
    let drifts = random.chance(500_000);
    let drift = |_| if drifts { ppm(&mut random, 50_000) } else { 0 };
    let clock_ppm = (0..nodes).map(drift).collect();
    let ids: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
    let last_ms = Millis(config.time_ms.0.saturating_sub(config.quiet_ms.0));
    let mut faults = Vec::new();
    for kind in kinds(&mut random) {
        let stream = Stream::named("swarm").part(kind as u64 + 1);
        let mut random = Random::new(seed, stream);
        faults.extend(faults_of(kind, &ids, last_ms, &mut random));
    }
    faults.extend(folder_faults(seed, &ids, last_ms, &faults));
    faults.sort_by_key(|fault| fault.at_ms);
    let conditions = Conditions { links, client_links, sync_us: custom.sync_us, clock_ppm };
    faults.retain(|fault| {
        let comes = fault.at_ms <= last_ms;
        comes && config.world.check(fault).is_ok() && !fault.hits_nothing(&ids)
    });
    Scenario {
        nemesis: NAME.to_owned(),
        clients: custom.clients,
        rest_ms: custom.rest_ms,
        timeout_ms: Millis(4_000),
        conditions: possible(conditions, &config.world),
        faults,
        ..Scenario::calm(seed, nodes, config.time_ms)
    }
}

/// Leaves out the conditions that a world cannot have.
fn possible(mut conditions: Conditions, world: &Abilities) -> Conditions {
    if !world.clocks {
        conditions.clock_ppm.clear();
    }
    if world.disks != DiskReach::Medium {
        conditions.sync_us = 0;
    }
    if conditions.links.fits(world.transports.peer).is_err() {
        conditions.links =
            LinkRules { jitter_ms: conditions.links.jitter_ms, ..LinkRules::default() };
    }
    if conditions.client_links.fits(world.transports.client).is_err() {
        let jitter_ms = conditions.client_links.jitter_ms;
        conditions.client_links = LinkRules { jitter_ms, ..LinkRules::default() };
    }
    conditions
}

/// The name that a scenario gives as its nemesis.
pub const NAME: &str = "swarm";

/// What differs between ordinary runs and some others.
struct Custom {
    clients: u32,
    rest_ms: Millis,
    sync_us: u64,
    delay_ms: Millis,
    loss: PartsPerMillion,
}

/// Some runs have many clients that hardly rest, mostly over long and bad links, so that many
/// slots are open at once and some of them get lost; and some have disks that turn slowly, so that
/// much is under way when something ends.
fn custom(seed: Seed, config: &SwarmConfig, sync_us: u64) -> Custom {
    let mut random = Random::new(seed, Stream::named("custom"));
    let (busy, turning) = (random.chance(BUSY_PPM), random.chance(TURNING_PPM));
    let times = if busy { BUSY_TIMES } else { 1 };
    let slow_us = random.between(4_000, SYNC_US_MAX);
    let far = random.chance(FAR_PPM) && busy;
    let (delay_ms, percent) = (random.between(5, 30), random.between(10, 45));
    Custom {
        clients: config.clients.saturating_mul(times),
        rest_ms: Millis(config.rest_ms.0 / u64::from(times * times)),
        sync_us: if turning { slow_us } else { sync_us },
        delay_ms: Millis(if far { delay_ms } else { 0 }),
        loss: PartsPerMillion(if far { u32::try_from(percent).unwrap_or(0) * 10_000 } else { 0 }),
    }
}

/// How often a crash is followed by another one.
const AFTERSHOCK_PPM: u32 = 400_000;

/// How often a run is a busy one.
const BUSY_PPM: u32 = 150_000;

/// How many times as many clients a busy run has; they rest shorter by the square of it.
const BUSY_TIMES: u32 = 3;

/// How often the links of a busy run are long and bad ones.
const FAR_PPM: u32 = 800_000;

/// How often the disks of a run are slow ones.
const TURNING_PPM: u32 = 200_000;

/// How long a sync of a slow disk may take.
const SYNC_US_MAX: u64 = 40_000;

/// Tosses a coin for each kind, and takes some all the same if too few are in.
fn kinds(random: &mut Random) -> Vec<Kind> {
    let mut kinds = KINDS.to_vec();
    random.shuffle(&mut kinds);
    let count = (0..KINDS.len()).filter(|_| random.chance(500_000)).count();
    kinds.truncate(count.max(KINDS_MIN));
    kinds
}

fn base_links(random: &mut Random) -> LinkRules {
    let some = |random: &mut Random, percent: u64| {
        let often = random.chance(500_000);
        let share = random.below(percent * 10_000 + 1);
        PartsPerMillion(if often { u32::try_from(share).unwrap_or(0) } else { 0 })
    };
    LinkRules {
        loss: some(random, 3),
        jitter_ms: Millis(random.between(0, 4)),
        duplicate: some(random, 5),
        duplicate_late_ms: Millis(random.between(0, 200)),
        reorder: some(random, 10),
        reorder_late_ms: Millis(random.between(1, 20)),
        ..LinkRules::default()
    }
}

fn faults_of(kind: Kind, nodes: &[NodeId], time: Millis, random: &mut Random) -> Vec<PlannedFault> {
    // A bit rots once in a run at most. What is more comes more often the longer a run lasts.
    let most = match kind {
        Kind::Rot => 1,
        Kind::AllPower => minutes(time),
        Kind::Partition
        | Kind::Flap
        | Kind::Cut
        | Kind::Disturb
        | Kind::DisturbClients
        | Kind::Kill
        | Kind::Power
        | Kind::Pause
        | Kind::ClockRate
        | Kind::ClockJump
        | Kind::DiskSlow
        | Kind::DiskHung
        | Kind::DiskFull
        | Kind::DiskError
        | Kind::PowerMidway
        | Kind::Retire => PER_MINUTE_MAX * minutes(time),
    };
    if kind == Kind::Rot && nodes.len() < ROT_NODES_MIN {
        return Vec::new();
    }
    let count = random.between(1, most);
    let mut faults = Vec::new();
    for _ in 0..count {
        let fault = fault_of(kind, nodes, time, random);
        let again = aftershock(&fault, nodes, random);
        faults.extend([fault].into_iter().chain(again));
    }
    faults
}

/// In some runs one node loses what it wrote, or is given an older copy of it, or another's. With
/// few nodes it is the only one whose disk is damaged for good: another one would be more than a
/// quorum can bear.
fn folder_faults(
    seed: Seed,
    nodes: &[NodeId],
    time: Millis,
    others: &[PlannedFault],
) -> Vec<PlannedFault> {
    let mut random = Random::new(seed, Stream::named("folder"));
    let is_other = others.iter().any(|fault| fault.action.is_for_good());
    let needed = if is_other { 2 * ROT_NODES_MIN - 1 } else { ROT_NODES_MIN };
    if !random.chance(FOLDER_PPM) || nodes.len() < needed {
        return Vec::new();
    }
    let node = random.pick(nodes).copied().unwrap_or(NodeId(1));
    let begins = (time.0 / 20).max(FOLDER_MS_MIN).min(time.0);
    let (at_ms, lasts_ms) = (random.between(begins, time.0), random.between(50, 150));
    let (kind, stopped) = (random.below(4), random.chance(500_000));
    let doubled = random.below(9);
    let (fault, lasts_ms) = match kind {
        0 => (DiskFault::MadeAnew, lasts_ms),
        1 => (DiskFault::Foreign, lasts_ms),
        _ => (DiskFault::RolledBack, lasts_ms << doubled),
    };
    let fault_at = |at_ms, lasts_ms, action| {
        PlannedFault::new(Millis(at_ms), Millis(lasts_ms), action, Target::Node(node))
    };
    let mut faults = vec![fault_at(at_ms, lasts_ms, Action::Disk(fault))];
    if stopped && fault == DiskFault::RolledBack {
        // The copy is that of a process that was stopped for it, and the original goes on from it.
        faults.push(fault_at(at_ms.saturating_sub(20), 40, Action::Kill));
    }
    faults
}

fn minutes(time: Millis) -> u64 {
    time.0.div_ceil(60_000).max(1)
}

/// Some crashes are followed by one of other nodes at the time of the election that comes of them.
fn aftershock(fault: &PlannedFault, nodes: &[NodeId], random: &mut Random) -> Option<PlannedFault> {
    if !matches!(fault.action, Action::Kill | Action::PowerLoss) {
        return None;
    }
    let at_ms = Millis(fault.at_ms.0 + random.between(150, 450));
    let gone = |node: &NodeId| match &fault.target {
        Target::Node(other) => node == other,
        Target::Nodes(nodes) => nodes.contains(node),
        Target::Leader | Target::Minority | Target::All | Target::Clients => true,
    };
    let hit: BTreeSet<NodeId> =
        some_nodes(nodes, random).into_iter().filter(|node| !gone(node)).collect();
    let follows = random.chance(AFTERSHOCK_PPM) && !hit.is_empty();
    let action = fault.action.clone();
    follows.then(|| PlannedFault::new(at_ms, fault.lasts_ms, action, Target::of(hit)))
}

fn fault_of(kind: Kind, nodes: &[NodeId], time: Millis, random: &mut Random) -> PlannedFault {
    // The first half second is left alone, so that there is something to break.
    let at_ms = Millis(random.between(500.min(time.0), time.0));
    // Short faults are as likely as long ones: the exponent is drawn, not the length.
    let lasts_ms = Millis(random.between(50, 100) << random.below(7));
    let node = random.pick(nodes).copied().unwrap_or(NodeId(1));
    // A full disk takes a while to be felt: what was allocated is filled first.
    let lasts_ms = if kind == Kind::DiskFull { Millis(lasts_ms.0 << 2) } else { lasts_ms };
    let one = Target::Node(node);
    let disk = |fault| (Action::Disk(fault), Target::Node(node));
    let mut flaps_ms = None;
    let (action, target) = match kind {
        Kind::Partition => (Action::Partition(shape(nodes, random)), Target::All),
        Kind::Flap => {
            let shape = shape(nodes, random);
            flaps_ms = Some(Millis(random.between(30, 600)));
            (Action::Partition(shape), Target::All)
        }
        Kind::Cut => (Action::Cut(some_links(nodes, random)), Target::All),
        Kind::Disturb => (Action::Disturb(disturbance(random)), Target::All),
        Kind::DisturbClients => (Action::Disturb(once(disturbance(random))), Target::Clients),
        Kind::Kill => (Action::Kill, Target::of(some_nodes(nodes, random))),
        Kind::Power => (Action::PowerLoss, Target::of(some_nodes(nodes, random))),
        Kind::AllPower => (Action::PowerLoss, Target::All),
        Kind::Pause => (Action::Pause, one),
        Kind::ClockRate => (Action::ClockRate { ppm: ppm(random, 900_000) }, one),
        Kind::ClockJump => (Action::ClockJump { ms: Millis(random.between(1, 10_000)) }, one),
        Kind::DiskSlow => disk(DiskFault::Slow { ms: Millis(random.between(5, 500)) }),
        Kind::DiskHung => disk(DiskFault::Hung),
        Kind::DiskFull => disk(DiskFault::Full),
        Kind::DiskError => disk(disk_error(random)),
        Kind::PowerMidway => disk(DiskFault::PowerFailsAt { operations: random.below(60) }),
        Kind::Rot => disk(DiskFault::Rot),
        Kind::Retire => (Action::Retire, one),
    };
    PlannedFault { kind: None, at_ms, trigger: Trigger::Time, lasts_ms, action, target, flaps_ms }
}

fn shape(nodes: &[NodeId], random: &mut Random) -> Shape {
    let node = random.pick(nodes).copied().unwrap_or(NodeId(1));
    match random.below(7) {
        0 => Shape::halves(nodes, random),
        1 => Shape::minority(nodes, random),
        2 => Shape::isolate(node, nodes),
        3 => Shape::bridge(nodes, random),
        4 => Shape::ring(nodes, random),
        5 => Shape::mute(node, nodes),
        _ => Shape::deaf(node, nodes),
    }
}

fn some_links(nodes: &[NodeId], random: &mut Random) -> BTreeSet<LinkId> {
    all_links(nodes).into_iter().filter(|_| random.chance(350_000)).collect()
}

/// Mostly one node; sometimes more, up to all.
fn some_nodes(nodes: &[NodeId], random: &mut Random) -> BTreeSet<NodeId> {
    let mut shuffled = nodes.to_vec();
    random.shuffle(&mut shuffled);
    let more = if random.chance(300_000) { random.below(nodes.len() as u64) } else { 0 };
    let count = 1 + usize::try_from(more).unwrap_or(0);
    shuffled.into_iter().take(count).collect()
}

fn disturbance(random: &mut Random) -> LinkRules {
    let percent = |random: &mut Random, most: u64| {
        PartsPerMillion::percent(u32::try_from(random.between(0, most)).unwrap_or(0))
    };
    LinkRules {
        loss: percent(random, 40),
        delay_ms: Millis(random.between(0, 60)),
        jitter_ms: Millis(random.between(0, 120)),
        duplicate: percent(random, 40),
        duplicate_late_ms: Millis(random.between(0, 3_000)),
        reorder: percent(random, 40),
        reorder_late_ms: Millis(random.between(1, 300)),
        corrupt: percent(random, 5),
        ..LinkRules::default()
    }
}

/// What a client's connection does: it loses what it carries when it breaks, but it is a stream,
/// and no stream hands the same request over twice.
fn once(rules: LinkRules) -> LinkRules {
    LinkRules { duplicate: PartsPerMillion(0), ..rules }
}

fn disk_error(random: &mut Random) -> DiskFault {
    match random.below(3) {
        0 => DiskFault::SyncFails,
        1 => DiskFault::WriteFails,
        _ => DiskFault::ReadFails,
    }
}

/// Draws how many parts of a million a clock is off, either way.
fn ppm(random: &mut Random, most: u64) -> i32 {
    let size = i32::try_from(random.below(most + 1)).unwrap_or(0);
    if random.chance(500_000) { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_plan_and_another_one_another() {
        let config = SwarmConfig::default();
        assert_eq!(draw(Seed(5), &config), draw(Seed(5), &config));
        assert_ne!(draw(Seed(5), &config), draw(Seed(6), &config));
    }

    #[test]
    fn plans_can_be_written_down_and_read_back() {
        for seed in 0..200 {
            let plan = draw(Seed(seed), &SwarmConfig::default());
            let text = serde_json::to_string(&plan).expect("plain data");
            let back: Scenario = serde_json::from_str(&text).expect("what was written");
            assert_eq!(back, plan);
            let text = plan.to_toml().expect("small numbers");
            assert_eq!(Scenario::from_toml(&text), Ok(plan.clone()), "{text}");
            assert!(plan.faults.is_sorted_by_key(|fault| fault.at_ms));
            let names = plan.node_ids();
            assert_eq!(plan.conditions.clock_ppm.len(), names.len());
            assert!(plan.faults.len() + 1 >= KINDS_MIN || plan.nodes < 3, "{:?}", plan.faults);
        }
    }

    /// A fault that nobody has time to feel has no effect, and a live run is void for it.
    #[test]
    fn no_fault_begins_as_the_run_ends_where_that_is_asked_for() {
        let time_ms = Millis(8_000);
        let draws = |quiet_ms| {
            let config = SwarmConfig { time_ms, quiet_ms, ..SwarmConfig::default() };
            let all = (0..100).flat_map(move |seed| draw(Seed(seed), &config).faults);
            all.map(|fault| fault.at_ms).max()
        };
        assert!(draws(Millis(500)).is_some_and(|last| last <= Millis(7_500)));
        assert!(draws(Millis(0)).is_some_and(|last| last > Millis(7_900)));
    }

    /// Two damaged disks of three would be more than a quorum can bear.
    #[test]
    fn a_minority_of_disks_is_damaged_for_good_however_long_a_run_is() {
        let config = SwarmConfig { time_ms: Millis(600_000), ..SwarmConfig::default() };
        let mut most = 0;
        for seed in 0..400 {
            let plan = draw(Seed(seed), &config);
            let damaged = plan.faults.iter().filter(|fault| fault.action.is_for_good()).count();
            assert!(2 * damaged < usize::from(plan.nodes), "seed {seed}: {damaged}");
            most = most.max(damaged);
        }
        assert_eq!(most, 2, "some large cluster bears two");
    }

    #[test]
    fn every_kind_of_fault_and_every_size_of_cluster_is_drawn_some_day() {
        let mut words = BTreeSet::new();
        let mut sizes = BTreeSet::new();
        for seed in 0..300 {
            let plan = draw(Seed(seed), &SwarmConfig::default());
            sizes.insert(plan.nodes);
            for fault in &plan.faults {
                let flaps = if fault.flaps_ms.is_some() { "flapping " } else { "" };
                let clients = if fault.target == Target::Clients { " of clients" } else { "" };
                words.insert(format!("{flaps}{}{clients}", fault.action.name()));
            }
        }
        assert_eq!(sizes, BTreeSet::from([1, 2, 3, 4, 5, 7]));
        assert_eq!(words.len(), 12, "{words:?}");
    }
}
