//! The swarm in small: some dozens of short seeds hold, and a bad disk stops nobody for long.
//!
//! This is what a change is held against in seconds, and what the seeded bugs of the replica are
//! caught by; batches that prove more are the simulator's own. While a fault lasts, its verdict is
//! silent on progress, so disks have tests of their own here, as links have in `graphs`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test that panics has said at which seed")]

use synod_fault::swarm::{SwarmConfig, draw};
use synod_fault::{
    Action, Conditions, DiskFault, LinkRules, Millis, NodeId, PlannedFault, Scenario, Target,
};
use synod_paxos::Slot;
use synod_rng::Seed;
use synod_simulated::cluster::Cluster;
use synod_simulated::trial;
use synod_simulated::tuning::Tuning;
use synod_simulator::{Micros, Simulation};

/// How many seeds are run, and for how many simulated seconds each.
const SEEDS: u64 = 100;
const TIME_MS: u64 = 30_000;

/// When a disk goes bad: a leader is there by then.
const BAD_FROM_MS: u64 = 1_000;

/// For how long it is bad. In the first half it may go on: a full disk still has the segment that
/// was made ahead, which these clients fill in some three seconds.
const BAD_MS: u64 = 9_000;

/// How many slots must be chosen in the second half, in which the clients offer thousands.
const CHOSEN_MIN: u64 = 500;

#[test]
fn a_hundred_short_seeds_hold() {
    let config = SwarmConfig { time_ms: Millis(TIME_MS), ..SwarmConfig::default() };
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let ended = trial::run(&draw(Seed(seed), &config), false);
        assert_eq!(ended.violation, None, "seed {seed}");
    }
}

#[test]
fn a_full_disk_stops_only_its_own_node() {
    check_bad_disk(DiskFault::Full);
}

#[test]
fn a_hung_disk_stops_only_its_own_node() {
    check_bad_disk(DiskFault::Hung);
}

/// Lets the disk of each node in turn go bad, the leader's among them.
fn check_bad_disk(fault: DiskFault) {
    for node in 1..=3 {
        let grown = chosen_under(Action::Disk(fault), Target::Node(NodeId(node)));
        assert!(grown >= CHOSEN_MIN, "with a bad disk of node {node}: {grown} slots");
    }
}

/// Runs three nodes under one fault, and counts the slots chosen in the second half of it.
fn chosen_under(action: Action, target: Target) -> u64 {
    let lasts_ms = Millis(BAD_MS + 1_000);
    let plan = Scenario {
        clients: 8,
        rest_ms: Millis(5),
        timeout_ms: Millis(20_000),
        faults: vec![PlannedFault::new(Millis(BAD_FROM_MS), lasts_ms, action, target)],
        conditions: Conditions {
            links: LinkRules { jitter_ms: Millis(2), ..LinkRules::default() },
            sync_us: 1_000,
            ..Conditions::default()
        },
        ..Scenario::calm(Seed(0), 3, Millis(BAD_FROM_MS + lasts_ms.0))
    };
    let mut simulation = Simulation::new(&plan, Cluster::new(&plan, Tuning::draw(&plan)));
    let (cluster, world) = simulation.parts();
    cluster.begin(world);
    simulation.run_until(Micros::from_ms(BAD_FROM_MS + BAD_MS / 2)).unwrap();
    let before = furthest(&simulation.system);
    simulation.run_until(Micros::from_ms(BAD_FROM_MS + BAD_MS)).unwrap();
    furthest(&simulation.system).past(before)
}

fn furthest(cluster: &Cluster) -> Slot {
    cluster.statuses().iter().map(|status| status.chosen).max().unwrap_or(Slot::FIRST)
}
