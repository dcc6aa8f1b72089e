//! Hubs: of all nodes one alone is connected to a quorum of either phase.
//!
//! Clusters of five in which four nodes hear nobody but the fifth, whose disk is slow for a while:
//! a leader behind a slow disk lets another one lead, where that one can. And clusters of three in
//! which each node is a quorum of phase 1 by itself, and phase 2 needs all of them. The claim
//! checked: the hub leads, as nobody else ever could, and whoever wins ballots alone lets it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test that panics has said at which seed")]

use std::collections::BTreeSet;

use synod_fault::{
    Action, Conditions, DiskFault, LinkId, LinkRules, Millis, NodeId as Place, PlannedFault,
    Scenario, Target,
};
use synod_paxos::{Configuration, NodeId};
use synod_rng::Seed;
use synod_simulated::cluster::Cluster;
use synod_simulated::tuning::Tuning;
use synod_simulator::{Micros, Simulation};

/// Who alone hears all others.
const HUB: u16 = 1;

const NODES: u16 = 5;

/// From here on nobody but the hub hears more than one other node.
const CUT_MS: u64 = 4_000;

/// When the disk of the hub begins to be slow, and when it is well again.
const SLOW_MS: (u64, u64) = (1_000, 9_000);

/// By then the hub leads.
const FROM_MS: u64 = 15_000;

const TIME_MS: u64 = 40_000;

/// How often the leader is looked for.
const LOOK_MS: u64 = 100;

fn plan(seed: u64) -> Scenario {
    let leaves = || (1..=NODES).filter(|node| *node != HUB).map(Place);
    let others = |from: Place| leaves().filter(move |to| *to != from);
    let links = leaves().flat_map(|from| others(from).map(move |to| LinkId { from, to }));
    let links: BTreeSet<LinkId> = links.collect();
    let slow = Action::Disk(DiskFault::Slow { ms: Millis(6_000) });
    let (from, until) = SLOW_MS;
    let faults = vec![
        PlannedFault::new(
            Millis(CUT_MS),
            Millis(TIME_MS - CUT_MS),
            Action::Cut(links),
            Target::All,
        ),
        PlannedFault::new(Millis(from), Millis(until - from), slow, Target::Node(Place(HUB))),
    ];
    Scenario {
        clients: 6,
        rest_ms: Millis(20),
        timeout_ms: Millis(20_000),
        faults,
        conditions: Conditions {
            links: LinkRules { jitter_ms: Millis(2), ..LinkRules::default() },
            sync_us: 1_000,
            ..Conditions::default()
        },
        ..Scenario::calm(Seed(seed), NODES, Millis(TIME_MS))
    }
}

#[test]
fn a_hub_whose_disk_was_slow_leads_as_nobody_else_can() {
    for seed in 0..8 {
        let plan = plan(seed);
        let mut simulation = Simulation::new(&plan, Cluster::new(&plan, Tuning::usual(&plan)));
        let (cluster, world) = simulation.parts();
        cluster.begin(world);
        let (mut leaderless, mut answered) = (0, Vec::new());
        for at in (FROM_MS..TIME_MS).step_by(usize::try_from(LOOK_MS).unwrap()) {
            simulation.run_until(Micros::from_ms(at)).unwrap();
            let statuses = simulation.system.statuses();
            let leads = statuses.iter().any(|status| status.leads.is_some() && status.leader_ok);
            leaderless += u32::from(!leads);
            if at % 5_000 == 0 {
                answered.push(simulation.system.outcomes().ok);
            }
        }
        println!("seed {seed}: {leaderless} looks without a leader, {answered:?} answered");
        assert!(answered.windows(2).all(|pair| pair[1] > pair[0]), "seed {seed}: {answered:?}");
        assert_eq!(leaderless, 0, "seed {seed}");
    }
}

/// Node 2 hears the hub and a fourth node, which is deaf to it: it is connected to no quorum,
/// though it hears one, and the hub, which the fourth is silent to, cannot see that. The disk of
/// the hub is slow to the end.
fn plan_of_a_word(seed: u64) -> Scenario {
    let open = [(1, 2), (2, 1), (1, 3), (3, 1), (4, 2)];
    let open = open.map(|(from, to)| LinkId::new(Place(from), Place(to)));
    let mut plan = plan(seed);
    let links = synod_fault::all_links(&plan.node_ids());
    let links = links.into_iter().filter(|link| !open.contains(link)).collect();
    plan.faults[0].action = Action::Cut(links);
    plan
}

#[test]
fn a_hub_whose_disk_was_slow_does_not_give_way_to_who_hears_a_quorum_that_is_deaf_to_it() {
    for seed in 0..8 {
        let plan = plan_of_a_word(seed);
        let mut simulation = Simulation::new(&plan, Cluster::new(&plan, Tuning::usual(&plan)));
        let (cluster, world) = simulation.parts();
        cluster.begin(world);
        let mut answered = Vec::new();
        for at in (FROM_MS..TIME_MS).step_by(5_000) {
            simulation.run_until(Micros::from_ms(at)).unwrap();
            answered.push(simulation.system.outcomes().ok);
        }
        println!("seed {seed}: {answered:?} answered");
        assert!(answered.windows(2).all(|pair| pair[1] > pair[0]), "seed {seed}: {answered:?}");
    }
}

/// Each of three nodes wins phase 1 alone, and only the third one hears both others. It is gone
/// for a while, in which the others may begin to lead.
fn plan_of_three(seed: u64) -> Scenario {
    let (one, two, hub) = (Place(1), Place(2), Place(3));
    let links = BTreeSet::from([LinkId::new(one, two), LinkId::new(two, one)]);
    let lasts = Millis(TIME_MS - CUT_MS);
    let cut = PlannedFault::new(Millis(CUT_MS), lasts, Action::Cut(links), Target::All);
    let gone = Millis(SLOW_MS.1 - CUT_MS);
    let kill = PlannedFault::new(Millis(CUT_MS), gone, Action::Kill, Target::Node(hub));
    Scenario { nodes: 3, faults: vec![cut, kill], ..plan(seed) }
}

#[test]
fn a_hub_leads_where_each_node_is_a_quorum_of_phase_1_by_itself() {
    let voters = (1..=3).map(NodeId::new);
    let voters = Configuration::flexible(voters, 1, 3).unwrap();
    for seed in 0..8 {
        let plan = plan_of_three(seed);
        let tuning = Tuning { voters: voters.clone(), ..Tuning::usual(&plan) };
        let mut simulation = Simulation::new(&plan, Cluster::new(&plan, tuning));
        let (cluster, world) = simulation.parts();
        cluster.begin(world);
        let mut answered = Vec::new();
        for at in (FROM_MS..TIME_MS).step_by(5_000) {
            simulation.run_until(Micros::from_ms(at)).unwrap();
            answered.push(simulation.system.outcomes().ok);
        }
        println!("seed {seed}: {answered:?} answered");
        assert!(answered.windows(2).all(|pair| pair[1] > pair[0]), "seed {seed}: {answered:?}");
    }
}
