//! State machines that take long: a leader outlives a long turn, and not one past the bound.
//!
//! Whole clusters without any fault, whose machines take seconds over some commands and questions,
//! on any node and on several at once. The claim checked: by that alone no leader is deposed, as
//! its beacon speaks for it; one whose turn is longer than the bound is.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test that panics has said at which seed")]

use synod_fault::{Conditions, LinkRules, Millis, Scenario};
use synod_host::HELD_UP_MAX;
use synod_paxos::{Ballot, NodeId};
use synod_rng::Seed;
use synod_simulated::cluster::Cluster;
use synod_simulated::coverage::Point;
use synod_simulated::tuning::{HoldUps, Tuning};
use synod_simulator::{Micros, Simulation};

/// When turns begin to be long: a leader is there by then.
const FROM_MS: u64 = 2_000;

/// How often the leader is looked for.
const LOOK_MS: u64 = 20;

fn plan(seed: u64, nodes: u16, time_ms: u64) -> Scenario {
    Scenario {
        clients: 6,
        rest_ms: Millis(20),
        timeout_ms: Millis(60_000),
        conditions: Conditions {
            links: LinkRules { jitter_ms: Millis(2), ..LinkRules::default() },
            sync_us: 1_000,
            ..Conditions::default()
        },
        ..Scenario::calm(Seed(seed), nodes, Millis(time_ms))
    }
}

/// What a run came to.
struct Seen {
    /// The ballot in which a node led when turns began to be long.
    first: Ballot,
    /// The highest ballot that anybody led in since.
    last: Ballot,
    /// How many turns were long.
    long_turns: u64,
    /// How many operations were answered.
    answered: u64,
}

fn run(plan: &Scenario, hold_ups: HoldUps) -> Seen {
    let tuning = Tuning { hold_ups, ..Tuning::usual(plan) };
    let mut simulation = Simulation::new(plan, Cluster::new(plan, tuning));
    let (cluster, world) = simulation.parts();
    cluster.begin(world);
    simulation.run_until(Micros::from_ms(FROM_MS)).unwrap();
    let first = led(&simulation.system).unwrap();
    let mut last = first;
    for at in (FROM_MS..plan.time_ms.0).step_by(usize::try_from(LOOK_MS).unwrap()) {
        simulation.run_until(Micros::from_ms(at)).unwrap();
        last = last.max(led(&simulation.system).unwrap_or(Ballot::ZERO));
    }
    let outcomes = simulation.system.outcomes();
    let hit_counts = simulation.system.monitor.tracker.finish(outcomes);
    let long_turns = hit_counts.of(Point::LoopHeldUp).times;
    Seen { first, last, long_turns, answered: outcomes.ok }
}

fn led(cluster: &Cluster) -> Option<Ballot> {
    cluster.statuses().iter().filter_map(|status| status.leads).max()
}

fn hold_ups(ppm: u32, shortest_ms: u64, longest_ms: u64, plan: &Scenario) -> HoldUps {
    let (from, until) = (Micros::from_ms(FROM_MS), Micros::from_ms(plan.time_ms.0));
    HoldUps { ppm, shortest_ms, longest_ms, from, until, only: None }
}

#[test]
fn no_leader_is_deposed_by_long_turns_alone() {
    let (mut long_turns, mut answered) = (0, 0);
    for seed in 0..12 {
        let plan = plan(seed, if seed % 3 == 0 { 5 } else { 3 }, 30_000);
        // From many short ones to few that are nearly as long as they may be.
        let longest_ms = [400, 1_500, 4_000, 12_000][usize::try_from(seed % 4).unwrap()];
        let seen = run(&plan, hold_ups(3_000, 100, longest_ms, &plan));
        println!("seed {seed}: {} long turns, {} answered", seen.long_turns, seen.answered);
        assert_eq!(seen.first, seen.last, "seed {seed}: the leader was deposed");
        long_turns += seen.long_turns;
        answered += seen.answered;
    }
    assert!(long_turns > 300, "{long_turns} long turns try nothing");
    assert!(answered > 1_000, "{answered} answers");
}

#[test]
fn a_leader_past_the_bound_is_deposed_and_not_before() {
    let bound_ms = u64::try_from(HELD_UP_MAX.as_millis()).unwrap();
    for seed in 0..4 {
        let calm = plan(seed, 3, FROM_MS + bound_ms + 3_000);
        let leader = run(&calm, HoldUps::NONE).first.node();
        let only: Option<NodeId> = Some(leader);
        // The first turn that may be long is.
        let longer = HoldUps { only, ..hold_ups(1_000_000, 2 * bound_ms, 2 * bound_ms, &calm) };
        let before = plan(seed, 3, FROM_MS + bound_ms - 1_000);
        let seen = run(&before, longer);
        assert_eq!(seen.first, seen.last, "seed {seed}: it is within the bound");
        let seen = run(&calm, longer);
        assert_ne!(seen.last.node(), leader, "seed {seed}: nobody waits for ever");
    }
}
