//! Narrow ways: a leader outlives that the peer it needs takes long over each message.
//!
//! Clusters of three of which one node is down, so that each choice needs the other peer, and on
//! the way to it each message of the log takes up to seconds. The claim checked: by that alone no
//! leader is deposed and clients are answered; and where nothing passes any more, the leader gives
//! up.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test that panics has said at which seed")]

use synod_fault::{Action, Conditions, LinkRules, Millis, NodeId, PlannedFault, Scenario, Target};
use synod_paxos::Ballot;
use synod_rng::Seed;
use synod_simulated::cluster::Cluster;
use synod_simulated::coverage::Point;
use synod_simulated::tuning::Tuning;
use synod_simulator::{Micros, Simulation};

/// A leader with the quorum that is left is there by then.
const FROM_MS: u64 = 4_000;

const TIME_MS: u64 = 30_000;

/// How often the leader is looked for.
const LOOK_MS: u64 = 20;

fn plan(seed: u64) -> Scenario {
    let down = PlannedFault::new(
        Millis(500),
        Millis(TIME_MS - 600),
        Action::Kill,
        Target::Node(NodeId(1 + u16::try_from(seed % 3).unwrap())),
    );
    Scenario {
        clients: 6,
        rest_ms: Millis(20),
        timeout_ms: Millis(60_000),
        faults: vec![down],
        conditions: Conditions {
            links: LinkRules { jitter_ms: Millis(2), ..LinkRules::default() },
            sync_us: 1_000,
            ..Conditions::default()
        },
        ..Scenario::calm(Seed(seed), 3, Millis(TIME_MS))
    }
}

/// What a run came to.
struct Seen {
    /// The ballot in which a node led at first.
    first: Ballot,
    /// The highest ballot that anybody led in since.
    last: Ballot,
    /// How often nobody led when it was looked for.
    leaderless: u32,
    /// How many lanes were narrow for a while, or stood.
    lanes: u64,
    /// How many operations were answered.
    answered: u64,
}

fn run(seed: u64, narrow_ppm: u32) -> Seen {
    let plan = plan(seed);
    let tuning =
        Tuning { lane_stall_ppm: 50_000, lane_narrow_ppm: narrow_ppm, ..Tuning::usual(&plan) };
    let mut simulation = Simulation::new(&plan, Cluster::new(&plan, tuning));
    let (cluster, world) = simulation.parts();
    cluster.begin(world);
    simulation.run_until(Micros::from_ms(FROM_MS)).unwrap();
    let first = led(&simulation.system);
    let (mut last, mut leaderless) = (first, 0);
    for at in (FROM_MS..TIME_MS - 200).step_by(usize::try_from(LOOK_MS).unwrap()) {
        simulation.run_until(Micros::from_ms(at)).unwrap();
        let led = led(&simulation.system);
        last = last.max(led);
        leaderless += u32::from(led == Ballot::ZERO);
    }
    let outcomes = simulation.system.outcomes();
    let hit_counts = simulation.system.monitor.tracker.finish(outcomes);
    let point = if narrow_ppm > 0 { Point::LaneNarrow } else { Point::LaneStalls };
    let lanes = hit_counts.of(point).times;
    Seen { first, last, leaderless, lanes, answered: outcomes.ok }
}

fn led(cluster: &Cluster) -> Ballot {
    let leads = cluster.statuses().iter().filter_map(|status| status.leads).max();
    leads.unwrap_or(Ballot::ZERO)
}

#[test]
fn no_leader_is_deposed_by_narrow_ways_alone() {
    let (mut lanes, mut answered) = (0, 0);
    for seed in 0..24 {
        let seen = run(seed, 1_000_000);
        println!("seed {seed}: {} narrow lanes, {} answered", seen.lanes, seen.answered);
        assert_eq!(seen.first, seen.last, "seed {seed}: the leader was deposed");
        assert_eq!(seen.leaderless, 0, "seed {seed}: nobody led for a while");
        assert!(seen.answered > 0, "seed {seed}: nobody was answered");
        lanes += seen.lanes;
        answered += seen.answered;
    }
    assert!(lanes > 50, "{lanes} narrow lanes try nothing");
    assert!(answered > 1_000, "{answered} answers");
}

#[test]
fn a_leader_gives_up_where_nothing_passes() {
    let changed = (0..24).filter(|seed| {
        let seen = run(*seed, 0);
        seen.first != seen.last
    });
    let changed = changed.count();
    assert!(changed > 12, "{changed} of 24 runs had another leader");
}
