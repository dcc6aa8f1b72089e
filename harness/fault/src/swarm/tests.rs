//! What the swarm draws: the same for ever, within its bounds, and some day everything.

use std::collections::BTreeSet;

use super::kind::KINDS_MIN;
use super::*;
use crate::Target::{self, Leader, Minority};
use crate::{Action, DiskFault, PartsPerMillion, PlannedFault};

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

/// Pins come of dice of their own: who has none of them draws the same as ever.
#[test]
fn clients_ask_one_node_alone_in_a_share_of_the_runs_of_a_world_that_has_pins() {
    let (mut pinned, mut shares) = (0, BTreeSet::new());
    for seed in 0..500 {
        let plan = draw(Seed(seed), &SwarmConfig::default());
        let without = draw(
            Seed(seed),
            &SwarmConfig { world: Abilities::SIMULATED.with_pins(false), ..SwarmConfig::default() },
        );
        assert_eq!(without.pinned, PartsPerMillion(0), "seed {seed}");
        assert_eq!(Scenario { pinned: without.pinned, ..plan.clone() }, without, "seed {seed}");
        let alone = SwarmConfig { clients: 1, ..SwarmConfig::default() };
        let alone = draw(Seed(seed), &alone);
        assert!(alone.clients > 1 || alone.pinned == PartsPerMillion(0), "seed {seed}");
        pinned += u32::from(plan.pinned.0 > 0);
        shares.insert(plan.pinned.0);
    }
    assert!((70..130).contains(&pinned), "{pinned} of 500");
    assert_eq!(shares, BTreeSet::from([0, 250_000, 500_000, 750_000]));
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
    assert_eq!(words.len(), 16, "{words:?}");
}

/// Each aimed action is drawn at the leader and at a minority, in either world; and a run that has
/// none of them is the run that it would be if there were none.
#[test]
fn what_is_aimed_is_drawn_for_either_world_and_changes_no_other_fault() {
    let live = Abilities::live(crate::Transports::TCP);
    for world in [Abilities::SIMULATED, live] {
        let config = SwarmConfig { world, ..SwarmConfig::default() };
        let mut words = BTreeSet::new();
        for seed in (0..300).map(Seed) {
            let mut plan = draw(seed, &config);
            assert_eq!(world.check_all(&plan), Ok(()));
            let is_aimed = |fault: &PlannedFault| [Leader, Minority].contains(&fault.target);
            let mut aimed = aimed_faults(seed, &plan.node_ids(), config.time_ms);
            stand(seed, &plan.node_ids(), config.time_ms, &mut aimed);
            let aimed = aimed.iter().filter(|fault| is_aimed(fault)).count();
            let drawn = plan.faults.iter().filter(|fault| is_aimed(fault));
            // One node has no links that a fault could hit.
            assert!(drawn.count() == aimed || plan.nodes == 1, "seed {seed}: all are possible");
            plan.faults.retain(is_aimed);
            words.extend(plan.faults.iter().map(|one| (one.action.name(), one.target == Leader)));
        }
        assert_eq!(words.len(), 14, "{words:?}");
    }
    let has_none = |seed: &u64| aimed_faults(Seed(*seed), &[], Millis(60_000)).is_empty();
    assert!((190..=230).contains(&(0..300).filter(has_none).count()), "seven in ten have none");
}

/// Where faults stand, nothing else begins or ends meanwhile, and mostly links are cut; a short run
/// has none.
#[test]
fn faults_stand_alone_to_the_end_in_one_run_of_five() {
    let config = SwarmConfig::default();
    let from = Millis(35_000);
    let (mut runs, mut cuts, mut disks) = (0, 0, [0; 2]);
    for seed in (0..500).map(Seed) {
        let plan = draw(seed, &config);
        let mut alone = Vec::new();
        stand(seed, &plan.node_ids(), config.time_ms, &mut alone);
        if alone.is_empty() {
            continue;
        }
        for fault in &alone {
            let is_over = Millis(fault.at_ms.0 + fault.lasts_ms.0) == from;
            assert!(is_over || (fault.at_ms, fault.lasts_ms) == (from, Millis(25_000)), "{fault}");
            let misbehaves = matches!(fault.action, Action::Disk(_));
            assert!(misbehaves || !is_over, "{fault}");
            disks[usize::from(is_over)] += usize::from(misbehaves);
        }
        let rest = plan.faults.iter().filter(|fault| !alone.contains(fault));
        let ends = rest.map(|fault| fault.at_ms.0 + fault.lasts_ms.0).max();
        assert!(ends.is_none_or(|ends| ends < from.0), "seed {seed}");
        assert!(alone.iter().all(|fault| plan.faults.contains(fault)), "seed {seed}");
        runs += 1;
        cuts += alone.iter().filter(|fault| matches!(fault.action, Action::Cut(_))).count();
    }
    assert!((60..=120).contains(&runs) && cuts * 2 > runs, "{runs}, {cuts} with cuts");
    let [stand, were_slow] = disks;
    assert!(stand > were_slow && 5 * were_slow > runs / 2, "{stand}, {were_slow} of {runs}");
    let short = SwarmConfig { time_ms: Millis(30_000), ..config };
    let stands = |fault: PlannedFault| fault.lasts_ms == Millis(25_000);
    assert!(!(0..500).flat_map(|seed| draw(Seed(seed), &short).faults).any(stands));
}

/// What a world has in its hands is drawn for it, and what it has not its conditions leave out.
#[test]
fn the_conditions_of_a_run_are_those_that_its_world_can_have() {
    let draws = |world| {
        let config = SwarmConfig { world, ..SwarmConfig::default() };
        (0..60).map(move |seed| draw(Seed(seed), &config).conditions)
    };
    let live = Abilities::live(crate::Transports::default());
    assert!(draws(Abilities::SIMULATED).all(|all| all.sync_us > 0 && !all.clock_ppm.is_empty()));
    assert!(draws(live).all(|all| all.sync_us == 0 && all.clock_ppm.is_empty()));
    assert!(draws(live.with_shim()).all(|all| all.sync_us == 0 && !all.clock_ppm.is_empty()));
    // A stream hands nothing over twice, whatever the links between nodes do.
    let doubled = |rules: LinkRules| rules.duplicate > PartsPerMillion(0);
    let is_doubled = |all: Conditions| doubled(all.links) && !doubled(all.client_links);
    assert!(draws(Abilities::SIMULATED).any(is_doubled));
    assert!(!draws(Abilities::SIMULATED).any(|all| doubled(all.client_links)));
}

/// A fault that hits nothing would be one of those that a run had.
#[test]
fn no_fault_is_drawn_that_hits_nothing() {
    for seed in (0..200).map(Seed) {
        let plan = draw(seed, &SwarmConfig { nodes: vec![1, 2], ..SwarmConfig::default() });
        let ids = plan.node_ids();
        assert!(plan.faults.iter().all(|fault| !fault.hits_nothing(&ids)), "{seed:?}");
    }
}

/// A majority that is gone for good would leave nobody to be asked for anything.
#[test]
fn who_is_gone_while_faults_stand_is_a_minority() {
    let config = SwarmConfig { nodes: vec![3, 5, 7], ..SwarmConfig::default() };
    let mut most = 0;
    for seed in (0..600).map(Seed) {
        let plan = draw(seed, &config);
        let mut alone = Vec::new();
        stand(seed, &plan.node_ids(), config.time_ms, &mut alone);
        for fault in alone.iter().filter(|fault| fault.action == Action::Kill) {
            let on = crate::ResolvedTarget::resolve(
                &fault.action,
                &fault.target,
                None,
                &plan.node_ids(),
            );
            assert!(2 * on.nodes.len() < usize::from(plan.nodes), "{seed:?}: {fault}");
            most = most.max(on.nodes.len());
        }
    }
    assert_eq!(most, 3, "of seven nodes three may be gone");
}

/// What was set aside is filled first, so that a short one is felt by nobody.
#[test]
fn a_full_disk_lasts_longer_than_others_do() {
    let faults = (0..300).flat_map(|seed| draw(Seed(seed), &SwarmConfig::default()).faults);
    let full = faults.filter(|fault| fault.action == Action::Disk(DiskFault::Full));
    let lengths: Vec<Millis> = full.map(|fault| fault.lasts_ms).collect();
    assert!(lengths.len() > 50 && lengths.iter().all(|lasts| *lasts >= Millis(200)), "{lengths:?}");
}
