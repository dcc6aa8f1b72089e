//! Whole clusters of real replicas and real clients in one thread, with chance from a seed.
//!
//! Links delay, lose, double and reorder; nodes crash and lose what was not synced; leaders are cut
//! off. It is a small driver for the tests of this crate. The claims checked: acknowledged appends
//! are there exactly once, reads are never older than what was acknowledged before them, and a
//! healed cluster converges.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod driver;

use driver::{Cluster, Faults};

#[test]
fn three_nodes_candidate_a_leader_and_serve() {
    let mut cluster = Cluster::new(3, 1, Faults::NONE);
    cluster.run_ms(3_000);
    cluster.check();
    assert!(cluster.acknowledged() > 300, "only {} appends", cluster.acknowledged());
}

#[test]
fn one_node_alone_serves() {
    let mut cluster = Cluster::new(1, 2, Faults::NONE);
    cluster.run_ms(2_000);
    cluster.check();
    assert!(cluster.acknowledged() > 100, "only {} appends", cluster.acknowledged());
}

#[test]
fn a_cluster_survives_chaos_and_converges() {
    (0..40).for_each(|seed| survive_and_converge(3, seed));
}

#[test]
fn five_nodes_survive_chaos_and_converge() {
    (100..110).for_each(|seed| survive_and_converge(5, seed));
}

fn survive_and_converge(nodes: u16, seed: u64) {
    let mut cluster = Cluster::new(nodes, seed, Faults::ALL);
    cluster.run_ms(8_000);
    cluster.heal();
    let before = cluster.acknowledged();
    cluster.run_ms(3_000);
    cluster.check();
    assert!(cluster.acknowledged() > before, "seed {seed}: no progress after healing");
    cluster.stop_clients();
    cluster.run_ms(2_000);
    cluster.assert_converged();
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut cluster = Cluster::new(3, seed, Faults::ALL);
        cluster.run_ms(3_000);
        cluster.trace()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
