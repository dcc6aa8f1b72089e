//! Liveness by enumeration: every graph of links, while it lasts.
//!
//! All 64 directed graphs of three nodes and all 1,024 undirected ones of five: where some node has
//! two-way links with a quorum, counting itself, something is chosen within a stated number of
//! suspicion times while the cut lasts; where none has, nothing is. The graph is in force from the
//! first instant in one run; in another it falls upon a cluster that has a leader, who may be on
//! the wrong side.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;

use synod_fault::{
    Action, Conditions, LinkId, LinkRules, Millis, NodeId, PlannedFault, Scenario, Target,
    all_links,
};
use synod_rng::Seed;
use synod_simulated::cluster::Cluster;
use synod_simulated::tuning::Tuning;
use synod_simulator::{Micros, Simulation};

/// A suspicion time: five heartbeats of 40 ms.
const SUSPICION_MS: u64 = 200;

/// Within so many suspicion times something is chosen: a leader that is cut off is suspected after
/// one, an election takes its stagger and two round trips, two of them may collide once, and a
/// client is sent on at once; the worst graph takes 440 ms. More would hide mistakes: a leader that
/// gets nothing done gives up after three suspicion times, whatever else was wrong.
const WITHIN: u64 = 5;

/// When the graph falls upon a cluster that has a leader.
const LATE_MS: u64 = 1_000;

#[test]
fn of_three_nodes_every_directed_graph_is_live_or_silent() {
    let links: Vec<LinkId> = all_links(&nodes(3)).into_iter().collect();
    for graph in 0..1_u64 << links.len() {
        let cut = (0..).zip(&links).filter(|(bit, _)| graph >> bit & 1 == 0);
        check(3, &cut.map(|(_, link)| *link).collect(), graph);
    }
}

#[test]
fn of_five_nodes_every_undirected_graph_is_live_or_silent() {
    let all = all_links(&nodes(5));
    let pairs: Vec<LinkId> = all.into_iter().filter(|link| link.from < link.to).collect();
    assert_eq!(pairs.len(), 10);
    for graph in 0..1_u64 << pairs.len() {
        let cut = (0..).zip(&pairs).filter(|(bit, _)| graph >> bit & 1 == 0);
        let cut = cut.flat_map(|(_, link)| [*link, link.reversed()]);
        check(5, &cut.collect(), graph);
    }
}

fn nodes(count: u16) -> Vec<NodeId> {
    (1..=count).map(NodeId).collect()
}

/// Tells whether some node has two-way links with a quorum, counting itself.
fn has_connected_node(count: u16, cut: &BTreeSet<LinkId>) -> bool {
    let open = |from, to| !cut.contains(&LinkId::new(from, to));
    nodes(count).iter().any(|node| {
        let peers = nodes(count).into_iter().filter(|peer| peer != node);
        let both = peers.filter(|peer| open(*node, *peer) && open(*peer, *node)).count();
        both + 1 > usize::from(count) / 2
    })
}

fn check(count: u16, cut: &BTreeSet<LinkId>, graph: u64) {
    let live = has_connected_node(count, cut);
    for late in [false, true] {
        let answered = answers_under(count, cut, graph, late);
        assert_eq!(
            answered,
            live,
            "{count} nodes, graph {graph:#b}, {}: cut {cut:?}",
            if late { "upon a leader" } else { "from the start" }
        );
    }
}

/// Runs a graph, and tells whether a client was answered in good time while it lasted. Clients
/// reach every node.
fn answers_under(count: u16, cut: &BTreeSet<LinkId>, seed: u64, late: bool) -> bool {
    let begins = if late { LATE_MS } else { 0 };
    let lasts = WITHIN * SUSPICION_MS;
    let (action, lasts_ms) = (Action::Cut(cut.clone()), Millis(lasts + 1_000));
    let fault = PlannedFault::new(Millis(begins), lasts_ms, action, Target::All);
    let plan = Scenario {
        clients: 2,
        rest_ms: Millis(100),
        timeout_ms: Millis(20_000),
        faults: vec![fault],
        conditions: Conditions {
            links: LinkRules { jitter_ms: Millis(2), ..LinkRules::default() },
            sync_us: 1_000,
            ..Conditions::default()
        },
        ..Scenario::calm(Seed(seed), count, Millis(begins + lasts + 1_000))
    };
    let mut simulation = Simulation::new(&plan, Cluster::new(&plan, Tuning::usual(&plan)));
    let (cluster, world) = simulation.parts();
    cluster.begin(world);
    // What was in flight when the graph fell may still be answered; that is no progress under it.
    let since = Micros::from_ms(if late { begins + 20 } else { 0 });
    let end = Micros::from_ms(begins + lasts);
    simulation.run_until(since).unwrap();
    simulation
        .run_to(end, Micros::from_ms(10), |cluster, _| cluster.any_answered_since(since))
        .unwrap()
}
