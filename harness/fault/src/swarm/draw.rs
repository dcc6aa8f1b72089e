//! One fault after the other of each kind of the swarm: on whom, when, how long and how bad.
//!
//! The numbers here are a part of every seed: a change of them changes the plans of all.

use std::collections::BTreeSet;

use synod_rng::Random;

use super::conditions::once;
use super::folder::ROT_NODES_MIN;
use super::kind::Kind;
use super::pace::{begin, length};
use crate::{
    Action, DiskFault, LinkId, LinkRules, Millis, NodeId, PartsPerMillion, PlannedFault, Shape,
    Target, Trigger, all_links,
};

/// Draws the faults of a kind that a run has.
pub(super) fn faults_of(
    kind: Kind,
    nodes: &[NodeId],
    time: Millis,
    random: &mut Random,
) -> Vec<PlannedFault> {
    let most = kind.most(time);
    if kind == Kind::Rot && nodes.len() < ROT_NODES_MIN {
        return Vec::new();
    }
    let count = random.between(1, most);
    let mut faults = Vec::new();
    for _ in 0..count {
        let fault = fault_of(kind, nodes, time, random);
        let again = aftershock(&fault, nodes, random);
        faults.extend([fault].into_iter().chain(again));
    }
    faults
}

/// Some crashes are followed by one of other nodes at the time of the election that comes of them.
fn aftershock(fault: &PlannedFault, nodes: &[NodeId], random: &mut Random) -> Option<PlannedFault> {
    if !matches!(fault.action, Action::Kill | Action::PowerLoss) {
        return None;
    }
    let at_ms = Millis(fault.at_ms.0 + random.between(150, 450));
    let gone = |node: &NodeId| match &fault.target {
        Target::Node(other) => node == other,
        Target::Nodes(nodes) => nodes.contains(node),
        Target::Leader | Target::Minority | Target::All | Target::Clients => true,
    };
    let hit: BTreeSet<NodeId> =
        some_nodes(nodes, random).into_iter().filter(|node| !gone(node)).collect();
    let follows = random.chance(AFTERSHOCK_PPM) && !hit.is_empty();
    let action = fault.action.clone();
    follows.then(|| PlannedFault::new(at_ms, fault.lasts_ms, action, Target::of(hit)))
}

fn fault_of(kind: Kind, nodes: &[NodeId], time: Millis, random: &mut Random) -> PlannedFault {
    let at_ms = begin(time, random);
    let lasts_ms = length(random);
    let node = random.pick(nodes).copied().unwrap_or(NodeId(1));
    // A full disk takes a while to be felt: what was allocated is filled first.
    let lasts_ms = if kind == Kind::DiskFull { Millis(lasts_ms.0 << 2) } else { lasts_ms };
    let one = Target::Node(node);
    let disk = |fault| (Action::Disk(fault), Target::Node(node));
    let mut flaps_ms = None;
    let (action, target) = match kind {
        Kind::Partition => (Action::Partition(shape(nodes, random)), Target::All),
        Kind::Flap => {
            let shape = shape(nodes, random);
            flaps_ms = Some(Millis(random.between(30, 600)));
            (Action::Partition(shape), Target::All)
        }
        Kind::Cut => (Action::Cut(some_links(nodes, random)), Target::All),
        Kind::Disturb => (Action::Disturb(disturbance(random)), Target::All),
        Kind::DisturbClients => (Action::Disturb(once(disturbance(random))), Target::Clients),
        Kind::Kill => (Action::Kill, Target::of(some_nodes(nodes, random))),
        Kind::Power => (Action::PowerLoss, Target::of(some_nodes(nodes, random))),
        Kind::AllPower => (Action::PowerLoss, Target::All),
        Kind::Pause => (Action::Pause, one),
        Kind::ClockRate => (Action::ClockRate { ppm: ppm(random, 900_000) }, one),
        Kind::ClockJump => (Action::ClockJump { ms: Millis(random.between(1, 10_000)) }, one),
        Kind::DiskSlow => disk(DiskFault::Slow { ms: Millis(random.between(5, 500)) }),
        Kind::DiskHung => disk(DiskFault::Hung),
        Kind::DiskFull => disk(DiskFault::Full),
        Kind::DiskError => disk(disk_error(random)),
        Kind::PowerMidway => disk(DiskFault::PowerFailsAt { operations: random.below(60) }),
        Kind::Rot => disk(DiskFault::Rot),
        Kind::Retire => (Action::Retire, one),
    };
    PlannedFault { kind: None, at_ms, trigger: Trigger::Time, lasts_ms, action, target, flaps_ms }
}

fn shape(nodes: &[NodeId], random: &mut Random) -> Shape {
    let node = random.pick(nodes).copied().unwrap_or(NodeId(1));
    match random.below(7) {
        0 => Shape::halves(nodes, random),
        1 => Shape::minority(nodes, random),
        2 => Shape::isolate(node, nodes),
        3 => Shape::bridge(nodes, random),
        4 => Shape::ring(nodes, random),
        5 => Shape::mute(node, nodes),
        _ => Shape::deaf(node, nodes),
    }
}

fn some_links(nodes: &[NodeId], random: &mut Random) -> BTreeSet<LinkId> {
    all_links(nodes).into_iter().filter(|_| random.chance(350_000)).collect()
}

/// Mostly one node; sometimes more, up to all.
fn some_nodes(nodes: &[NodeId], random: &mut Random) -> BTreeSet<NodeId> {
    let mut shuffled = nodes.to_vec();
    random.shuffle(&mut shuffled);
    let more = if random.chance(300_000) { random.below(nodes.len() as u64) } else { 0 };
    let count = 1 + usize::try_from(more).unwrap_or(0);
    shuffled.into_iter().take(count).collect()
}

fn disturbance(random: &mut Random) -> LinkRules {
    let percent = |random: &mut Random, most: u64| {
        PartsPerMillion::percent(u32::try_from(random.between(0, most)).unwrap_or(0))
    };
    LinkRules {
        loss: percent(random, 40),
        delay_ms: Millis(random.between(0, 60)),
        jitter_ms: Millis(random.between(0, 120)),
        duplicate: percent(random, 40),
        duplicate_late_ms: Millis(random.between(0, 3_000)),
        reorder: percent(random, 40),
        reorder_late_ms: Millis(random.between(1, 300)),
        corrupt: percent(random, 5),
        ..LinkRules::default()
    }
}

fn disk_error(random: &mut Random) -> DiskFault {
    match random.below(3) {
        0 => DiskFault::SyncFails,
        1 => DiskFault::WriteFails,
        _ => DiskFault::ReadFails,
    }
}

/// Draws how many parts of a million a clock is off, either way.
pub(super) fn ppm(random: &mut Random, most: u64) -> i32 {
    let size = i32::try_from(random.below(most + 1)).unwrap_or(0);
    if random.chance(500_000) { size } else { -size }
}

/// How often a crash is followed by another one.
const AFTERSHOCK_PPM: u32 = 400_000;
