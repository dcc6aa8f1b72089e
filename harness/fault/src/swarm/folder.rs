//! What happens to all that a node wrote: lost, rolled back to a copy, or replaced by another's.

use synod_rng::{Random, Seed, Stream};

use crate::{Action, DiskFault, Millis, NodeId, PlannedFault, Target};

/// In some runs one node loses what it wrote, or is given an older copy of it, or another's. With
/// few nodes it is the only one whose disk is damaged for good: another one would be more than a
/// quorum can bear.
pub(super) fn folder_faults(
    seed: Seed,
    nodes: &[NodeId],
    time: Millis,
    others: &[PlannedFault],
) -> Vec<PlannedFault> {
    let mut random = Random::new(seed, Stream::named("folder"));
    let is_other = others.iter().any(|fault| fault.action.is_for_good());
    // With two nodes gone for good, what is left has to be a majority still.
    let needed = if is_other { 2 * ROT_NODES_MIN - 1 } else { ROT_NODES_MIN };
    if !random.chance(FOLDER_PPM) || nodes.len() < needed {
        return Vec::new();
    }
    let node = random.pick(nodes).copied().unwrap_or(NodeId(1));
    let begins = (time.0 / 20).max(FOLDER_MS_MIN).min(time.0);
    let (at_ms, lasts_ms) = (random.between(begins, time.0), random.between(50, 150));
    let (kind, stopped) = (random.below(4), random.chance(500_000));
    let doubled = random.below(9);
    let (fault, lasts_ms) = match kind {
        0 => (DiskFault::MadeAnew, lasts_ms),
        1 => (DiskFault::Foreign, lasts_ms),
        _ => (DiskFault::RolledBack, lasts_ms << doubled),
    };
    let fault_at = |at_ms, lasts_ms, action| {
        PlannedFault::new(Millis(at_ms), Millis(lasts_ms), action, Target::Node(node))
    };
    let mut faults = vec![fault_at(at_ms, lasts_ms, Action::Disk(fault))];
    if stopped && fault == DiskFault::RolledBack {
        // The copy is that of a process that was stopped for it, and the original goes on from it.
        faults.push(fault_at(at_ms.saturating_sub(20), 40, Action::Kill));
    }
    faults
}

/// With fewer nodes than this one damaged disk is more than a quorum can bear.
pub(super) const ROT_NODES_MIN: usize = 3;

/// How often the folder of a node is changed for another one.
const FOLDER_PPM: u32 = 250_000;

/// By when the nodes have heard of each other.
const FOLDER_MS_MIN: u64 = 1_000;
