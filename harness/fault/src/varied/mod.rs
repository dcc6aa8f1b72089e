//! The varied run: what a live run suffers from when nobody says more, and who asks what.
//!
//! Bugs of consensus need states that a fault at a time and patient clients never reach. So a run
//! is made of acts, and each act of overlapping faults: one of those that every run must have, and
//! perhaps another (swarm testing, Groce and others, 2012). Around them everything varies that
//! decides which rules bind: how many clients there are and how long they rest, how soon an outcome
//! counts as unknown, how many keys they share, how many ask one node alone, whoever leads, and how
//! far apart nodes are. The claims kept true: all of it follows from the seed and stands in the
//! plan; and a run of half a minute has an act of each kind that it must have. What the acts do is
//! in `acts`, `rivals`, `losses` and `slow`.

mod acts;
mod losses;
mod rivals;
mod slow;

use synod_rng::{Random, Seed, Stream};

use crate::{Abilities, Conditions, LinkRules, Millis, NodeId, PartsPerMillion, Scenario};
use acts::{Act, MUSTS, kinds_of};

/// What varied runs are drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariedConfig {
    /// How many nodes there are; none leaves it to the seed: three, and five in three of ten
    /// runs.
    pub nodes: Option<u16>,
    /// How long faults come and go.
    pub time_ms: Millis,
    /// What the world can do; what it cannot is drawn and left out.
    pub world: Abilities,
}

/// The name that a scenario gives as its nemesis.
pub const NAME: &str = "varied";

/// The shortest time in which an act has its faults.
pub const TIME_MS_MIN: Millis = Millis(5_000);

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
/// let config = VariedConfig { nodes: Some(3), time_ms: Millis(30_000), world };
/// let run = draw(Seed(7), &config);
/// assert_eq!(run, draw(Seed(7), &config));
/// assert!(run.faults.len() >= 6 && world.check_all(&run).is_ok());
/// ```
#[must_use]
pub fn draw(seed: Seed, config: &VariedConfig) -> Scenario {
    let size = config.nodes.unwrap_or_else(|| drawn_size(seed, config.world));
    if size == 0 {
        // Nobody is there to suffer: whoever runs it is told that a run has a node.
        return Scenario::calm(seed, 0, config.time_ms);
    }
    let mut acts = Random::new(seed, Stream::named("varied acts"));
    let nodes: Vec<NodeId> = (1..=size).map(NodeId).collect();
    let mut musts = MUSTS.to_vec();
    acts.shuffle(&mut musts);
    let count = (config.time_ms.0 / ACT_MS_MIN).clamp(1, ACTS_MAX);
    musts.truncate(usize::try_from(count).unwrap_or(1));
    // A run that is shorter than its quiet ends has acts without time, and so without faults.
    let time = config.time_ms.0.saturating_sub(FIRST_MS + LAST_GAP_MS);
    let shares: u64 = musts.iter().map(|(_, share)| share).sum();
    let (mut faults, mut from) = (Vec::new(), FIRST_MS);
    for ((must, share), act) in musts.into_iter().zip(0..) {
        let length = time * share / shares;
        for kind in kinds_of(must, &mut acts) {
            let stream = Stream::named("varied").part(act).part(kind as u64);
            let mut random = Random::new(seed, stream);
            let until = from + length.saturating_sub(ACT_GAP_MS);
            let act = Act { nodes: &nodes, from, until, power: config.world.power };
            faults.extend(act.faults_of(kind, &mut random));
        }
        from += length;
    }
    faults.retain(|fault| config.world.check(fault).is_ok());
    faults.sort_by_key(|fault| fault.at_ms);
    Scenario { nemesis: NAME.to_owned(), faults, ..around(seed, size, config) }
}

/// Draws how many nodes there are. It has a stream of its own, so that a run that is told as many
/// is the same one.
fn drawn_size(seed: Seed, world: Abilities) -> u16 {
    let mut random = Random::new(seed, Stream::named("varied size"));
    if random.chance(FIVE_PPM) { SIZE_LARGE.min(world.nodes_max) } else { SIZE_USUAL }
}

/// Draws what the clients and the world are like.
fn around(seed: Seed, size: u16, config: &VariedConfig) -> Scenario {
    let mut random = Random::new(seed, Stream::named("varied world"));
    let of = |random: &mut Random, choices: &[u64]| random.pick(choices).copied().unwrap_or(0);
    let clients = of(&mut random, &[8, 8, 16, 16, 32, 32, 64]);
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
        ..Scenario::calm(seed, size, config.time_ms)
    }
}

/// How many nodes there are in most runs.
const SIZE_USUAL: u16 = 3;

/// How many there are in the others: there, votes of two ballots may meet in one slot and neither
/// be chosen.
const SIZE_LARGE: u16 = 5;

/// In how many runs of a million there are more nodes than usual.
const FIVE_PPM: u32 = 300_000;

/// When the first fault may begin.
const FIRST_MS: u64 = 1_000;

/// The quiet time at the end of a run.
const LAST_GAP_MS: u64 = 1_000;

/// The quiet time between two acts.
const ACT_GAP_MS: u64 = 250;

/// The time of a run for each of its acts, at least.
const ACT_MS_MIN: u64 = 2_500;

/// The most acts of a run; a longer one has longer acts.
const ACTS_MAX: u64 = 12;

/// How many milliseconds of rest each client is good for: ten clients that rest 10 ms at most ask
/// as often as one that rests 1 ms.
const REST_MS_FOR_EACH_CLIENT: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, DiskFault, PlannedFault, Target, Transports, Trigger};

    fn run(seed: u64, seconds: u64, on: Transports) -> Scenario {
        let (world, time_ms) = (Abilities::live(on).with_pins(true), Millis(seconds * 1_000));
        draw(Seed(seed), &VariedConfig { nodes: Some(3), time_ms, world })
    }

    fn with_power(seed: u64) -> Scenario {
        let world = Abilities::live(Transports::default()).with_pins(true).with_shim();
        let config = VariedConfig { nodes: Some(3), time_ms: Millis(30_000), world };
        draw(Seed(seed), &config)
    }

    /// Whoever hits the leader waits until there is one.
    #[test]
    fn each_run_of_half_a_minute_has_what_it_must_have() {
        let (mut again, mut stutters) = (0, 0);
        for seed in 0..200 {
            let plan = with_power(seed);
            let count = |wanted: &dyn Fn(&PlannedFault) -> bool| {
                plan.faults.iter().filter(|it| wanted(it)).count()
            };
            let leader = |fault: &PlannedFault| fault.target == Target::Leader;
            let is_shut = |action: &Action| matches!(action, Action::Mute | Action::Deafen);
            assert!(
                count(&|fault| matches!(fault.action, Action::DisturbInbound(_))) > 0,
                "{seed}"
            );
            assert!(count(&|fault| is_shut(&fault.action) && leader(fault)) > 0, "{seed}");
            assert!(count(&|fault| fault.action == Action::Kill && leader(fault)) > 0, "{seed}");
            let is_back =
                |fault: &PlannedFault| fault.action == Action::Kill && fault.lasts_ms.0 <= 50;
            assert!(count(&is_back) >= 1, "{seed}: who comes back at once");
            again += usize::from(count(&is_back) >= 2);
            let is_chain = |fault: &PlannedFault| {
                fault.action == Action::Isolate && leader(fault) && fault.lasts_ms.0 > 2_000
            };
            assert!(count(&is_chain) >= 2, "{seed}: links are given up, twice");
            let slow_leader =
                |fault: &PlannedFault| fault.action.disk_fault().is_some() && leader(fault);
            assert!(count(&slow_leader) >= 2, "{seed}: leaders stand still");
            let is_jump = |fault: &PlannedFault| match (&fault.action, &fault.target) {
                (Action::Disturb(rules), Target::All) => (145..=190).contains(&rules.delay_ms.0),
                _ => false,
            };
            assert!(count(&is_jump) > 0, "{seed}: promises are late");
            let is_stutter = |fault: &PlannedFault| match (&fault.action, &fault.target) {
                (Action::Disturb(rules), Target::All) => rules.loss >= PartsPerMillion::percent(45),
                _ => false,
            };
            stutters += usize::from(count(&is_stutter) > 0);
            let is_usurper = |fault: &PlannedFault| {
                fault.trigger == Trigger::NewLeader && fault.lasts_ms.0 >= 900
            };
            assert!(count(&is_usurper) > 0, "{seed}: who followed is stopped");
            let is_slow = |action: &Action| matches!(action, Action::Disk(DiskFault::Slow { .. }));
            let lags = |fault: &PlannedFault| is_slow(&fault.action) && leader(fault);
            assert!(count(&lags) >= 4, "{seed}: disks of leaders lag, heard and not heard");
            assert!(count(&|fault| is_slow(&fault.action)) > 0, "{seed}");
            assert!(count(&|fault| matches!(fault.action, Action::Cut(_))) > 0, "{seed}: strays");
            let is_far = |fault: &PlannedFault| match (&fault.action, &fault.target) {
                (Action::Disturb(rules), Target::Node(_)) => rules.delay_ms.0 > 100,
                _ => false,
            };
            assert!(count(&is_far) > 0, "{seed}: rivals have one that is further than the others");
            assert!(plan.faults.is_sorted_by_key(|fault| fault.at_ms), "{seed}");
            assert!(plan.faults.iter().all(|fault| fault.at_ms.0 < 30_000), "{seed}");
            let unasked = |fault: &PlannedFault| leader(fault) && !fault.trigger.asks_who_leads();
            assert_eq!(count(&unasked), 0, "{seed}");
        }
        assert!(again > 190, "who comes back at once mostly dies again: {again}");
        assert!(stutters > 120, "most packets are lost in most runs: {stutters}");
        let losses = (0..200).filter(|seed| {
            with_power(*seed).faults.iter().any(|fault| fault.action == Action::PowerLoss)
        });
        assert!(losses.count() > 190);
    }

    /// The same draws are made in every world, so a run with power and one without differ in
    /// nothing else.
    #[test]
    fn where_no_power_can_be_taken_processes_are_killed_in_its_place() {
        for seed in 0..50 {
            let (with, without) = (with_power(seed), run(seed, 30, Transports::default()));
            let killed = |fault: &PlannedFault| {
                let is_loss = fault.action == Action::PowerLoss;
                let action = if is_loss { Action::Kill } else { fault.action.clone() };
                PlannedFault { action, ..fault.clone() }
            };
            let kept = with.faults.iter().filter(|fault| fault.action.disk_fault().is_none());
            assert_eq!(kept.map(killed).collect::<Vec<_>>(), without.faults, "{seed}");
        }
    }

    #[test]
    fn some_runs_have_five_nodes_unless_somebody_says_how_many() {
        let world = Abilities::live(Transports::default());
        let of =
            |nodes, seed| draw(Seed(seed), &VariedConfig { nodes, time_ms: Millis(30_000), world });
        let sizes: Vec<u16> = (0..400).map(|seed| of(None, seed).nodes).collect();
        assert!(sizes.iter().all(|size| [3, 5].contains(size)));
        let five = sizes.iter().filter(|size| **size == 5).count();
        assert!((90..150).contains(&five), "{five}");
        for (size, seed) in sizes.into_iter().zip(0..40) {
            assert_eq!(of(Some(size), seed), of(None, seed), "what is told is what was drawn");
        }
        let few = Abilities { nodes_max: 4, ..world };
        let config = VariedConfig { nodes: None, time_ms: Millis(30_000), world: few };
        assert!((0..40).all(|seed| draw(Seed(seed), &config).nodes <= 4));
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
        assert_eq!(all(&|plan| plan.clients.into()), [8, 16, 32, 64]);
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
        let config = VariedConfig { nodes: Some(3), time_ms: Millis(30_000), world };
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
}
