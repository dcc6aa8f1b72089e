//! Blocks that exclude each other, and the order of blocks that do not.
//!
//! A block that must be there for a time excludes every other that must be there at some moment of
//! that time and at no other (Gibbons and Korach, 1997, theorem 4.3): two such times that overlap,
//! or a block whose moments all lie within the time of another.

use super::blocks::{Blocks, Zone};
use super::{Moment, Step};

/// Returns two blocks that exclude each other, the first that do.
pub(super) fn first(blocks: &Blocks) -> Option<(usize, usize)> {
    let forward = forward(blocks.zones());
    let zone = |block: u32| blocks.zones()[block as usize];
    for pair in forward.windows(2) {
        if zone(pair[1]).first_return < zone(pair[0]).last_call {
            return Some((pair[0] as usize, pair[1] as usize));
        }
    }
    let backward = blocks.zones().iter().enumerate().filter(|(_, zone)| !zone.is_forward());
    for (block, Zone { first_return, last_call }) in backward {
        let outer = around(&forward, blocks.zones(), *last_call);
        if let Some(outer) = outer.filter(|outer| zone(*outer).last_call > *first_return) {
            return Some((outer as usize, block));
        }
    }
    None
}

/// Puts all members into an order that real time allows, of blocks that do not exclude each other.
///
/// Each block has a moment at which all its members were open, or the time in which it must be
/// there. A moment within the time of another block is moved to the end of that time.
pub(super) fn order(blocks: &Blocks, steps: &[Step]) -> Vec<u32> {
    let zones = blocks.zones();
    let forward = forward(zones);
    let moment = |zone: &Zone| {
        if zone.is_forward() {
            return zone.first_return;
        }
        let outer = around(&forward, zones, zone.last_call).map(|outer| zones[outer as usize]);
        outer.map_or(zone.last_call, |outer| outer.last_call.max(zone.last_call))
    };
    let mut moments: Vec<(Moment, u32)> = zones.iter().map(moment).zip(0..).collect();
    moments.sort_unstable();
    let mut order = Vec::with_capacity(steps.len());
    for (_, block) in moments {
        order.extend(blocks.members(block as usize).iter().map(|member| member.place));
    }
    order
}

/// Lists the blocks that must be there for a time, by its beginning.
fn forward(zones: &[Zone]) -> Vec<u32> {
    let all = (0_u32..).zip(zones).filter(|(_, zone)| zone.is_forward());
    let mut forward: Vec<u32> = all.map(|(block, _)| block).collect();
    forward.sort_unstable_by_key(|block| zones[*block as usize].first_return);
    forward
}

/// Returns the block whose time began last before a moment.
fn around(forward: &[u32], zones: &[Zone], moment: Moment) -> Option<u32> {
    let begun = |block: &u32| zones[*block as usize].first_return < moment;
    let count = forward.partition_point(begun);
    count.checked_sub(1).map(|last| forward[last])
}
