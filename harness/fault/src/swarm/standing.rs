//! Faults that stand: in some runs nothing begins or ends for the last part of the time.
//!
//! Faults that come and go say nothing about what goes on while they last. Here links are cut and
//! nodes are gone or their disks slow until the end, after all other faults are over: whoever runs
//! the scenario can ask whether the rest is served meanwhile. Their chance is their own: a run that
//! has none of them is as without them.

use std::collections::BTreeSet;

use synod_rng::{Random, Seed, Stream};

use crate::{Action, DiskFault, LinkId, Millis, NodeId, PlannedFault, Shape, Target, all_links};

/// Lets faults stand in some runs, in place of all that would not be over by then.
pub(super) fn stand(seed: Seed, nodes: &[NodeId], time: Millis, faults: &mut Vec<PlannedFault>) {
    let mut random = Random::new(seed, Stream::named("standing"));
    if !random.chance(STANDING_PPM) || time < TIME_MIN || nodes.len() < NODES_MIN {
        return;
    }
    // The time is twice as long at least, so that something is left.
    let from = Millis(time.0 - STANDING.0);
    faults.retain(|fault| fault.at_ms.0.saturating_add(fault.lasts_ms.0) < from.0);
    let stands = |action, target| PlannedFault::new(from, STANDING, action, target);
    let cut = cut(nodes, &mut random);
    if !cut.is_empty() {
        faults.push(stands(Action::Cut(cut), Target::All));
    }
    let gone = gone(nodes, &mut random);
    if !gone.is_empty() {
        faults.push(stands(Action::Kill, Target::of(gone)));
    }
    faults.extend(disk(nodes, from, &mut random));
}

/// Draws which links are cut: some of all, either way; all but those of one node to a majority;
/// those that a partition cuts; or none.
fn cut(nodes: &[NodeId], random: &mut Random) -> BTreeSet<LinkId> {
    let mut cut = all_links(nodes);
    match random.below(8) {
        0 => cut.clear(),
        1 | 2 => {
            let ppm = u32::try_from(random.between(100_000, 600_000)).unwrap_or(0);
            cut.retain(|_| random.chance(ppm));
        }
        3 => {
            let ppm = u32::try_from(random.between(100_000, 800_000)).unwrap_or(0);
            let pairs: BTreeSet<LinkId> = cut
                .iter()
                .filter(|link| link.from < link.to && random.chance(ppm))
                .copied()
                .collect();
            cut.retain(|link| pairs.contains(link) || pairs.contains(&link.reversed()));
        }
        4 => return Shape::bridge(nodes, random).cuts(),
        5 => return Shape::ring(nodes, random).cuts(),
        _ => {
            let mut shuffled = nodes.to_vec();
            random.shuffle(&mut shuffled);
            let (hub, heard) = (shuffled[0], &shuffled[1..=nodes.len() / 2]);
            let is_open = |from, to| from == hub && heard.contains(&to);
            cut.retain(|link| !is_open(link.from, link.to) && !is_open(link.to, link.from));
        }
    }
    cut
}

/// Draws who is gone: mostly nobody, else up to a minority.
fn gone(nodes: &[NodeId], random: &mut Random) -> BTreeSet<NodeId> {
    // At least one, as there are three nodes or more.
    let most = (nodes.len() - 1) / 2;
    let count = if random.chance(GONE_PPM) { 1 + random.below(most as u64) } else { 0 };
    let mut shuffled = nodes.to_vec();
    random.shuffle(&mut shuffled);
    shuffled.into_iter().take(usize::try_from(count).unwrap_or(0)).collect()
}

/// Draws whose disk misbehaves: in half of the runs that of one node, to the end; or it is slow no
/// more when the others begin to stand, and known to have been.
fn disk(nodes: &[NodeId], from: Millis, random: &mut Random) -> Option<PlannedFault> {
    let misbehaves = random.chance(DISK_PPM);
    let node = Target::Node(random.pick(nodes).copied()?);
    let slow = DiskFault::Slow { ms: Millis(random.between(SLOW_MS.0, SLOW_MS.1)) };
    let (at_ms, lasts_ms, fault) = match random.below(6) {
        0 => (from, STANDING, DiskFault::Hung),
        1 => (from, STANDING, DiskFault::Full),
        2 | 3 => (from, STANDING, slow),
        // Over as the others begin to stand. At least half of the run comes before that, longer
        // than this lasts, so that it begins within the run.
        _ => (Millis(from.0 - SLOW_MS.1), Millis(SLOW_MS.1), slow),
    };
    misbehaves.then(|| PlannedFault::new(at_ms, lasts_ms, Action::Disk(fault), node))
}

/// How often faults stand in the end of a run.
const STANDING_PPM: u32 = 200_000;

/// For how long they stand.
const STANDING: Millis = Millis(25_000);

/// In shorter runs nothing would be left for the others.
const TIME_MIN: Millis = Millis(2 * STANDING.0);

/// With fewer nodes than this no link and no node can be missed.
const NODES_MIN: usize = 3;

/// How often one disk misbehaves, too.
const DISK_PPM: u32 = 500_000;

/// How long a sync of such a disk may take: longer than anybody waits for it who need not.
const SLOW_MS: (u64, u64) = (3_000, 12_000);

/// How often a minority is gone, too.
const GONE_PPM: u32 = 250_000;
