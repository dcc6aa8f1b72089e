//! The varied run: what a live run suffers from when nobody says more, and who asks what.
//!
//! Bugs of consensus need states that a fault at a time and patient clients never reach. So a run
//! is made of acts, and each act of overlapping faults: one of those that every run must have, and
//! perhaps another (swarm testing, Groce and others, 2012). Around them everything varies that
//! decides which rules bind: how many clients there are and how long they rest, how soon an outcome
//! counts as unknown, how many keys they share, how many ask one node alone, whoever leads, and how
//! far apart nodes are. The claims kept true: all of it follows from the seed and stands in the
//! plan; and a run of half a minute has an act of each kind that it must have.

use synod_rng::{Random, Seed, Stream};

use crate::{
    Abilities, Action, Conditions, LinkRules, Millis, NodeId, PartsPerMillion, PlannedFault,
    Scenario, Shape, Target, Trigger,
};

/// What varied runs are drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariedConfig {
    /// How many nodes there are.
    pub nodes: u16,
    /// How long faults come and go.
    pub time_ms: Millis,
    /// What the world can do; what it cannot is drawn and left out.
    pub world: Abilities,
}

/// The name that a scenario gives as its nemesis.
pub const NAME: &str = "varied";

/// The shortest time in which an act has its faults.
pub const TIME_MS_MIN: Millis = Millis(5_000);

/// What an act may consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// What the leader is told takes long, and then nobody hears it: it is deposed, and does not
    /// know.
    FarLeader,
    /// The leader is killed, and sometimes the one that follows it as soon as it is seen.
    Deaths,
    /// The leader stands still, shorter and longer than it is waited for.
    Pauses,
    /// The leader is cut off.
    Isolation,
    /// A majority, or everybody, is killed and started again.
    Majority,
    /// Nodes are torn apart, in some cases again and again.
    Partition,
    /// Packets between nodes are lost, late, doubled, and come long after.
    Disturbed,
    /// The same between clients and nodes.
    DisturbedClients,
    /// One node is not heard, or does not hear.
    OneWay,
    /// A node is asked to end.
    Retirement,
}

/// What each run has, an act each.
const MUSTS: [&[Kind]; 3] = [&[Kind::FarLeader], &[Kind::Deaths], &[Kind::Pauses, Kind::Isolation]];

/// What an act may have besides.
const EXTRAS: [Kind; 8] = [
    Kind::Pauses,
    Kind::Isolation,
    Kind::Majority,
    Kind::Partition,
    Kind::Disturbed,
    Kind::DisturbedClients,
    Kind::OneWay,
    Kind::Retirement,
];

/// Draws the run of a seed.
///
/// # Examples
///
/// ```
/// use synod_fault::varied::{VariedConfig, draw};
/// use synod_fault::{Abilities, Millis, Transports};
/// use synod_rng::Seed;
///
/// let world = Abilities::live(Transports::default()).with_pins(true);
/// let config = VariedConfig { nodes: 3, time_ms: Millis(30_000), world };
/// let run = draw(Seed(7), &config);
/// assert_eq!(run, draw(Seed(7), &config));
/// assert!(run.faults.len() >= 6 && world.check_all(&run).is_ok());
/// ```
#[must_use]
pub fn draw(seed: Seed, config: &VariedConfig) -> Scenario {
    if config.nodes == 0 {
        // Nobody is there to suffer: whoever runs it is told that a run has a node.
        return Scenario::calm(seed, 0, config.time_ms);
    }
    let mut acts = Random::new(seed, Stream::named("varied acts"));
    let nodes: Vec<NodeId> = (1..=config.nodes).map(NodeId).collect();
    let mut musts = MUSTS;
    acts.shuffle(&mut musts);
    let count = (config.time_ms.0 / ACT_MS_MIN).clamp(1, ACTS_MAX);
    // A run that is shorter than its quiet ends has acts without time, and so without faults.
    let length = config.time_ms.0.saturating_sub(FIRST_MS + LAST_GAP_MS) / count;
    let mut faults = Vec::new();
    for act in 0..count {
        let must = musts[usize::try_from(act).unwrap_or(0) % musts.len()];
        let from = FIRST_MS + act * length;
        for kind in kinds_of(must, &mut acts) {
            let stream = Stream::named("varied").part(act).part(kind as u64);
            let mut random = Random::new(seed, stream);
            let act = Act { nodes: &nodes, from, until: from + length.saturating_sub(ACT_GAP_MS) };
            faults.extend(act.faults_of(kind, &mut random));
        }
    }
    faults.retain(|fault| config.world.check(fault).is_ok());
    faults.sort_by_key(|fault| fault.at_ms);
    Scenario { nemesis: NAME.to_owned(), faults, ..around(seed, config) }
}

/// Draws what the clients and the world are like.
fn around(seed: Seed, config: &VariedConfig) -> Scenario {
    let mut random = Random::new(seed, Stream::named("varied world"));
    let of = |random: &mut Random, choices: &[u64]| random.pick(choices).copied().unwrap_or(0);
    let clients = of(&mut random, &[4, 8, 16, 16, 32, 32, 64]);
    let rest = of(&mut random, &[0, 0, 1, 4, 20]);
    let keys = of(&mut random, &[1, 1, 2, 2, 0]);
    let delay = of(&mut random, &[0, 0, 0, 0, 4, 12]);
    let jitter = of(&mut random, &[0, 2, 4]);
    // Who waits repeats its request until the next leader answers; who does not never knows.
    let timeout = of(&mut random, &[1_500, 2_000, 3_000]);
    let hasty = of(&mut random, &[100, 150, 250, 400, 700]);
    let pinned = of(&mut random, &[0, 400_000, 500_000, 500_000, 600_000]);
    let rules = |delay| LinkRules {
        delay_ms: Millis(delay),
        jitter_ms: Millis(jitter.min(delay + 2)),
        ..LinkRules::default()
    };
    let pinned = PartsPerMillion(u32::try_from(pinned).unwrap_or(0));
    Scenario {
        clients: u32::try_from(clients).unwrap_or(1),
        // Few clients must not sleep the run away, and no outcome be unknown for distance alone.
        rest_ms: Millis(rest.min(clients * REST_MS_FOR_EACH_CLIENT)),
        timeout_ms: Millis(timeout),
        hasty_ms: Millis(hasty.max(100 + 6 * (delay + jitter))),
        keys: u32::try_from(keys).unwrap_or(0),
        pinned: if config.world.pins { pinned } else { PartsPerMillion(0) },
        conditions: Conditions {
            links: rules(delay),
            client_links: rules(delay / 4),
            ..Conditions::default()
        },
        ..Scenario::calm(seed, config.nodes, config.time_ms)
    }
}

/// Names what an act consists of: what it must have, and perhaps one more.
fn kinds_of(must: &[Kind], random: &mut Random) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = random.pick(must).copied().into_iter().collect();
    let mut extras = EXTRAS.to_vec();
    random.shuffle(&mut extras);
    let more = usize::try_from(random.below(EXTRAS_MAX + 1)).unwrap_or(0);
    extras.retain(|kind| !kinds.contains(kind));
    kinds.extend(extras.into_iter().take(more));
    kinds.sort_unstable();
    kinds
}

/// An act, in which faults may begin.
struct Act<'a> {
    nodes: &'a [NodeId],
    from: u64,
    until: u64,
}

impl Act<'_> {
    /// Lets faults of a kind come again and again until the act is over.
    fn faults_of(&self, kind: Kind, random: &mut Random) -> Vec<PlannedFault> {
        let mut faults = Vec::new();
        let mut at = self.from + random.below(400);
        while at < self.until {
            let (some, took) = self.next(kind, at, random);
            faults.extend(some);
            at += took + random.between(1_500, 2_800);
        }
        faults
    }

    /// Draws what happens next, and says how long it takes.
    fn next(&self, kind: Kind, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        match kind {
            Kind::FarLeader => self.far_leader(at, random),
            Kind::Deaths => self.deaths(at, random),
            Kind::Pauses => one(at, random.between(200, 1_500), Action::Pause, Target::Leader),
            Kind::Isolation => one(at, random.between(300, 2_500), Action::Isolate, Target::Leader),
            Kind::Majority => {
                let target = self.majority(random);
                let (mut faults, took) = one(at, random.between(50, 800), Action::Kill, target);
                faults.iter_mut().for_each(|fault| fault.trigger = Trigger::Time);
                (faults, took + 1_500)
            }
            Kind::Partition => self.partition(at, random),
            Kind::Disturbed => self.disturbed(at, Target::All, random),
            Kind::DisturbedClients => self.disturbed(at, Target::Clients, random),
            Kind::OneWay => {
                let action = if random.chance(500_000) { Action::Mute } else { Action::Deafen };
                let leader = random.chance(500_000);
                let target = if leader { Target::Leader } else { self.node(random) };
                one(at, random.between(300, 2_500), action, target)
            }
            Kind::Retirement => {
                let leader = random.chance(500_000);
                let target = if leader { Target::Leader } else { self.node(random) };
                let (faults, took) = one(at, random.between(500, 1_500), Action::Retire, target);
                (faults, took + 1_000)
            }
        }
    }

    /// What the leader is told comes later and later, so slowly that it takes nobody for silent;
    /// and then nobody hears it. Another one is elected, of which it does not know for as long.
    fn far_leader(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (steps, hold) = (random.between(4, 9), random.between(300, 800));
        let far = steps * FAR_STEP_MS;
        let muted_at = steps * FAR_PERIOD_MS + hold;
        let muted = far + random.between(300, 900);
        let mut faults = one(at + muted_at, muted, Action::Mute, Target::Leader).0;
        for step in 0..steps {
            let delay_ms = Millis((step + 1) * FAR_STEP_MS);
            let late = Action::DisturbInbound(LinkRules { delay_ms, ..LinkRules::default() });
            let after = step * FAR_PERIOD_MS;
            faults.extend(one(at + after, muted_at + muted - after, late, Target::Leader).0);
        }
        (faults, muted_at + muted)
    }

    /// The leader dies; in some cases so does the next one, once it is seen to lead. In most of
    /// them all nodes are far apart for a while: much is under way when it dies, and what its
    /// successor finds of that takes long to be chosen, while clients repeat the same.
    fn deaths(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (lasts, before) = (random.between(100, 1_500), random.between(300, 700));
        let mut faults = one(at + before, lasts, Action::Kill, Target::Leader).0;
        if random.chance(650_000) {
            let rules =
                LinkRules { delay_ms: Millis(random.between(40, 150)), ..LinkRules::default() };
            let far = before + lasts + random.between(500, 1_200);
            faults.extend(one(at, far, Action::Disturb(rules), Target::All).0);
        }
        if random.chance(350_000) {
            let at = at + before + 1;
            let (mut next, _) = one(at, random.between(100, 700), Action::Kill, Target::Leader);
            next.iter_mut().for_each(|fault| fault.trigger = Trigger::NewLeader);
            faults.extend(next);
        }
        (faults, before + lasts + 1_200)
    }

    fn partition(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let shape = match random.below(4) {
            0 => Shape::halves(self.nodes, random),
            1 => Shape::minority(self.nodes, random),
            2 => Shape::bridge(self.nodes, random),
            _ => Shape::ring(self.nodes, random),
        };
        let lasts = random.between(500, 2_500);
        let (mut faults, took) = one(at, lasts, Action::Partition(shape), Target::All);
        if random.chance(400_000) {
            let period = Millis(random.between(100, 500));
            faults.iter_mut().for_each(|fault| fault.flaps_ms = Some(period));
        }
        (faults, took)
    }

    fn disturbed(&self, at: u64, target: Target, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let percent = |random: &mut Random, low, high| {
            PartsPerMillion::percent(u32::try_from(random.between(low, high)).unwrap_or(0))
        };
        let rules = LinkRules {
            loss: percent(random, 2, 20),
            delay_ms: Millis(random.between(0, 40)),
            jitter_ms: Millis(random.between(0, 60)),
            duplicate: percent(random, 0, 40),
            duplicate_late_ms: Millis(random.between(0, 3_000)),
            reorder: percent(random, 0, 40),
            reorder_late_ms: Millis(random.between(1, 400)),
            ..LinkRules::default()
        };
        one(at, random.between(1_000, 4_000), Action::Disturb(rules), target)
    }

    fn node(&self, random: &mut Random) -> Target {
        Target::Node(random.pick(self.nodes).copied().unwrap_or(NodeId(1)))
    }

    /// More than half of the nodes, and sometimes all.
    fn majority(&self, random: &mut Random) -> Target {
        if random.chance(300_000) {
            return Target::All;
        }
        let mut shuffled = self.nodes.to_vec();
        random.shuffle(&mut shuffled);
        let size = self.nodes.len() / 2 + 1;
        Target::of(shuffled.into_iter().take(size).collect())
    }
}

/// Plans a fault; one on the leader waits until there is one.
fn one(at: u64, lasts: u64, action: Action, target: Target) -> (Vec<PlannedFault>, u64) {
    let leader = target == Target::Leader;
    let trigger = if leader { Trigger::LeaderSeen } else { Trigger::Time };
    let fault = PlannedFault::new(Millis(at), Millis(lasts), action, target);
    (vec![PlannedFault { trigger, ..fault }], lasts)
}

/// When the first fault may begin.
const FIRST_MS: u64 = 1_000;

/// The quiet time at the end of a run.
const LAST_GAP_MS: u64 = 1_000;

/// The quiet time between two acts.
const ACT_GAP_MS: u64 = 800;

/// The shortest act.
const ACT_MS_MIN: u64 = 5_000;

/// The most acts of a run; a longer one has longer acts.
const ACTS_MAX: u64 = 6;

/// The most kinds of an act beside the one that it must have.
const EXTRAS_MAX: u64 = 1;

/// By how much later the leader hears of others with each step: less than it waits for them.
const FAR_STEP_MS: u64 = 120;

/// How long each step takes.
const FAR_PERIOD_MS: u64 = 160;

/// How many milliseconds of rest each client is good for: ten clients that rest 10 ms at most ask
/// as often as one that rests 1 ms.
const REST_MS_FOR_EACH_CLIENT: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transports;

    fn run(seed: u64, seconds: u64, on: Transports) -> Scenario {
        let (world, time_ms) = (Abilities::live(on).with_pins(true), Millis(seconds * 1_000));
        draw(Seed(seed), &VariedConfig { nodes: 3, time_ms, world })
    }

    #[test]
    fn each_run_of_half_a_minute_has_what_it_must_have() {
        for seed in 0..200 {
            let plan = run(seed, 30, Transports::default());
            let has = |wanted: &dyn Fn(&PlannedFault) -> bool| plan.faults.iter().any(wanted);
            let leader = |fault: &PlannedFault| fault.target == Target::Leader;
            assert!(has(&|fault| matches!(fault.action, Action::DisturbInbound(_))), "{seed}");
            assert!(has(&|fault| fault.action == Action::Mute && leader(fault)), "{seed}");
            assert!(has(&|fault| fault.action == Action::Kill && leader(fault)), "{seed}");
            let still =
                |fault: &PlannedFault| matches!(fault.action, Action::Pause | Action::Isolate);
            assert!(has(&|fault| still(fault) && leader(fault)), "{seed}");
            assert!(plan.faults.is_sorted_by_key(|fault| fault.at_ms), "{seed}");
            assert!(plan.faults.iter().all(|fault| fault.at_ms.0 < 30_000), "{seed}");
        }
    }

    #[test]
    fn all_that_decides_which_rules_bind_is_drawn() {
        let plans: Vec<Scenario> =
            (0..200).map(|seed| run(seed, 30, Transports::default())).collect();
        let all = |of: &dyn Fn(&Scenario) -> u64| -> Vec<u64> {
            let mut values: Vec<u64> = plans.iter().map(of).collect();
            values.sort_unstable();
            values.dedup();
            values
        };
        assert_eq!(all(&|plan| plan.clients.into()), [4, 8, 16, 32, 64]);
        assert_eq!(all(&|plan| plan.keys.into()), [0, 1, 2]);
        assert_eq!(all(&|plan| plan.hasty_ms.0)[0], 100);
        assert_eq!(all(&|plan| plan.timeout_ms.0), [1_500, 2_000, 3_000]);
        assert_eq!(all(&|plan| plan.pinned.0.into()), [0, 400_000, 500_000, 600_000]);
        assert!(
            all(&|plan| plan.rest_ms.0).len() > 3
                && all(&|plan| plan.conditions.links.delay_ms.0).len() == 3
        );
        let follows = plans.iter().flat_map(|plan| &plan.faults);
        assert!(follows.filter(|fault| fault.trigger == Trigger::NewLeader).count() > 20);
    }

    #[test]
    fn a_plan_can_be_obeyed_and_written_down() {
        for (seed, on) in (0..100).zip([Transports::default(), Transports::TCP].repeat(50)) {
            let plan = run(seed, 20, on);
            assert_eq!(Abilities::live(on).with_pins(true).check_all(&plan), Ok(()));
            assert!(!plan.plans_nothing(), "seed {seed}");
            assert_eq!(Scenario::from_json(&plan.to_json()), Ok(plan.clone()));
            let text = plan.to_toml().expect("small numbers");
            assert_eq!(Scenario::from_toml(&text), Ok(plan), "{text}");
        }
        assert!(run(1, 1, Transports::default()).faults.is_empty(), "a second has no act");
    }

    #[test]
    fn nobody_asks_one_node_alone_where_bridges_cannot() {
        let world = Abilities::live(Transports::default());
        let config = VariedConfig { nodes: 3, time_ms: Millis(30_000), world };
        assert!((0..50).all(|seed| draw(Seed(seed), &config).pinned == PartsPerMillion(0)));
    }

    /// Whoever gives up before an answer can have come would tell of the distance alone, and few
    /// clients that rest long ask nothing.
    #[test]
    fn clients_have_time_for_an_answer_and_do_not_sleep_the_run_away() {
        let (mut far, mut few) = (0, 0);
        for seed in 0..300 {
            let plan = run(seed, 30, Transports::default());
            let LinkRules { delay_ms, jitter_ms, .. } = plan.conditions.links;
            let ways = 6 * (delay_ms.0 + jitter_ms.0);
            assert!(plan.hasty_ms.0 >= 100 + ways, "{seed}: {} ms", plan.hasty_ms);
            assert!(plan.rest_ms.0 <= u64::from(plan.clients), "{seed}: {} ms", plan.rest_ms);
            far += u32::from(plan.hasty_ms.0 == 100 + ways);
            few += u32::from(plan.rest_ms.0 == u64::from(plan.clients));
        }
        assert!(far > 0 && few > 0, "both bounds bind: {far}, {few}");
    }

    /// A minority that dies leaves a quorum, and no log that has to be found again.
    #[test]
    fn a_majority_is_more_than_half() {
        let mut sizes = std::collections::BTreeSet::new();
        for seed in 0..200 {
            for fault in run(seed, 30, Transports::default()).faults {
                if let (Action::Kill, Target::Nodes(nodes)) = (&fault.action, &fault.target) {
                    sizes.insert(nodes.len());
                }
                let one = matches!((&fault.action, &fault.target), (Action::Kill, Target::Node(_)));
                assert!(!one, "{fault}");
            }
        }
        assert_eq!(sizes, std::collections::BTreeSet::from([2]));
    }
}
