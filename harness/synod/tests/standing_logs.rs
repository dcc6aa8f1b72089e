//! Logs that stand while reads go on: a leader hands over if another may do better, and only then.
//!
//! Clusters of three whose clients read and write. Either nothing of its log leaves the leader,
//! and all else does: then writes wait for another leader, and reads, which go on, do not keep the
//! old one. Or the disks of both followers hang: no leader has anything chosen then, and the one
//! that is there goes on to answer reads. The claims checked: the first leader is replaced within a
//! bound, and writes go on; the second one stays for as long as the disks hang.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test that panics has said at which seed")]

use synod_fault::{
    Action, Conditions, DiskFault, LinkRules, Millis, NodeId as Place, PlannedFault, Scenario,
    Target,
};
use synod_paxos::{Ballot, NodeId, Slot};
use synod_rng::Seed;
use synod_simulated::cluster::Cluster;
use synod_simulated::tuning::{StandingLog, Tuning};
use synod_simulator::{Micros, Simulation};
use synod_smr::STALL_TICKS;

/// A leader is there by then.
const FROM_MS: u64 = 3_000;

/// For how long nothing of the log gets on.
const LASTS_MS: u64 = 10_000;

/// How often the leader is looked for.
const LOOK_MS: u64 = 20;

const HEARTBEAT_MS: u64 = 40;

/// What an election takes at most once the leader is discontent: two rounds of campaigns.
const ELECTION_MS: u64 = 1_000;

const SEEDS: u64 = 8;

/// Many clients, which give up what is not answered soon, so that some of them always read.
fn plan(seed: u64, faults: Vec<PlannedFault>) -> Scenario {
    Scenario {
        clients: 24,
        rest_ms: Millis(20),
        timeout_ms: Millis(300),
        faults,
        conditions: Conditions {
            links: LinkRules { jitter_ms: Millis(2), ..LinkRules::default() },
            sync_us: 1_000,
            ..Conditions::default()
        },
        ..Scenario::calm(Seed(seed), 3, Millis(FROM_MS + LASTS_MS))
    }
}

/// What a run came to.
#[derive(Debug)]
struct Seen {
    /// The ballot in which a node led when the log began to stand.
    first: Ballot,
    /// After how long another node led, in milliseconds.
    replaced_ms: Option<u64>,
    /// How many slots were chosen since the log stood.
    chosen: u64,
    /// For how long nobody was answered at most, while the first one led.
    silent_ms: u64,
}

fn run(plan: &Scenario, standing_log: Option<StandingLog>) -> Seen {
    let tuning = Tuning { standing_log, ..Tuning::usual(plan) };
    let mut simulation = Simulation::new(plan, Cluster::new(plan, tuning));
    let (cluster, world) = simulation.parts();
    cluster.begin(world);
    simulation.run_until(Micros::from_ms(FROM_MS)).unwrap();
    let (first, before) = (led(&simulation.system).unwrap(), chosen(&simulation.system));
    let (mut replaced_ms, mut silent_ms) = (None, 0);
    let (mut answered, mut answered_ms) = (0, FROM_MS);
    for at in (FROM_MS..FROM_MS + LASTS_MS).step_by(usize::try_from(LOOK_MS).unwrap()) {
        simulation.run_until(Micros::from_ms(at)).unwrap();
        let now = led(&simulation.system);
        if replaced_ms.is_none() && now.is_some_and(|led| led.node() != first.node()) {
            replaced_ms = Some(at - FROM_MS);
        }
        let ok = simulation.system.outcomes().ok;
        if ok > answered {
            (answered, answered_ms) = (ok, at);
        }
        if replaced_ms.is_none() {
            silent_ms = silent_ms.max(at - answered_ms);
        }
    }
    let chosen = chosen(&simulation.system) - before;
    Seen { first, replaced_ms, chosen, silent_ms }
}

fn led(cluster: &Cluster) -> Option<Ballot> {
    cluster.statuses().iter().filter_map(|status| status.leads).max()
}

fn chosen(cluster: &Cluster) -> u64 {
    cluster.statuses().iter().map(|status| status.chosen).max().map_or(0, Slot::number)
}

#[test]
fn a_leader_whose_log_stands_is_replaced_though_its_reads_go_on() {
    for seed in 0..SEEDS {
        let plan = plan(seed, Vec::new());
        let node = run(&plan, None).first.node();
        let (from, until) = (Micros::from_ms(FROM_MS), Micros::from_ms(FROM_MS + LASTS_MS));
        let seen = run(&plan, Some(StandingLog { node, from, until }));
        println!("seed {seed}: {seen:?}");
        let bound = u64::from(STALL_TICKS) * HEARTBEAT_MS + ELECTION_MS;
        assert!(seen.replaced_ms.is_some_and(|ms| ms <= bound), "seed {seed}: {seen:?}");
        assert!(seen.chosen > 200, "seed {seed}: {seen:?}");
    }
}

#[test]
fn a_leader_whose_followers_disks_hang_answers_reads_for_as_long() {
    for seed in 0..SEEDS {
        let leader: NodeId = run(&plan(seed, Vec::new()), None).first.node();
        let followers = (1..=3).filter(|node| NodeId::new(*node) != leader);
        let hang = |node| {
            let (at, lasts) = (Millis(FROM_MS), Millis(LASTS_MS));
            let hung = Action::Disk(DiskFault::Hung);
            PlannedFault::new(at, lasts, hung, Target::Node(Place(node)))
        };
        let seen = run(&plan(seed, followers.map(hang).collect()), None);
        println!("seed {seed}: {seen:?}");
        assert_eq!(seen.first.node(), leader, "seed {seed}: another run");
        assert_eq!(seen.replaced_ms, None, "seed {seed}: {seen:?}");
        assert!(seen.chosen < 20, "seed {seed}: the disks do not hang: {seen:?}");
        assert!(seen.silent_ms < 500, "seed {seed}: {seen:?}");
    }
}
