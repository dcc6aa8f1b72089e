//! Adjoining messages of one ballot to one receiver, said as one.
//!
//! Which of them stand beside each other in the outbox is left to the effects. The claim kept true:
//! what is merged says what both said, and is bounded in decrees and in bytes.

use crate::ballot::Ballot;
use crate::message::Immediate;
use crate::multi::decree::{Decree, Value};
use crate::multi::slot::Slot;

/// The most decrees that one Accept carries after merging.
pub const ACCEPT_RUN_MAX: usize = 64;

/// The most bytes of decrees that merging gathers in one Accept; a single decree may be larger.
pub const ACCEPT_BYTES_MAX: usize = 1 << 20;

/// Adds `next` to `last` where one message can say both; gives it back where none can.
///
/// `run_weight` is what the decrees of `last` weigh, and is kept so.
pub(super) fn merge<V: Value>(
    last: &mut Immediate<V>,
    next: Immediate<V>,
    run_weight: &mut usize,
) -> Option<Immediate<V>> {
    match (last, next) {
        (
            last @ Immediate::Accept { .. },
            Immediate::Accept { ballot, first, decrees: mut more, chosen: later },
        ) if has_room_for(last, *run_weight, ballot, first, &more) => {
            if let Immediate::Accept { decrees, chosen, .. } = last {
                *run_weight += weight(&more);
                decrees.append(&mut more);
                *chosen = (*chosen).max(later);
            }
            None
        }
        (
            Immediate::Accept { ballot, chosen, .. } | Immediate::Chosen { ballot, chosen },
            Immediate::Chosen { ballot: same, chosen: later },
        ) if *ballot == same => {
            *chosen = (*chosen).max(later);
            None
        }
        (last @ Immediate::Chosen { .. }, next @ Immediate::Accept { ballot, .. })
            if is_of(last, ballot) =>
        {
            // It announces what was chosen by its own, later moment, and so all that is replaced
            // here.
            *run_weight = weight_of_run(&next);
            *last = next;
            None
        }
        (Immediate::Accept { .. } | Immediate::Chosen { .. } | Immediate::Nack { .. }, next) => {
            Some(next)
        }
    }
}

/// Tells whether decrees of `ballot` from `slot` on may stand behind those of an Accept that weigh
/// `run_weight`.
pub(super) fn has_room_for<V: Value>(
    last: &Immediate<V>,
    run_weight: usize,
    ballot: Ballot,
    slot: Slot,
    more: &[Decree<V>],
) -> bool {
    let Immediate::Accept { ballot: same, first, decrees, .. } = last else { return false };
    *same == ballot
        && first.plus(decrees.len() as u64) == slot
        && decrees.len() + more.len() <= ACCEPT_RUN_MAX
        && run_weight + weight(more) <= ACCEPT_BYTES_MAX
}

/// Returns what the decrees of an Accept weigh, and nothing for what is none.
pub(super) fn weight_of_run<V: Value>(message: &Immediate<V>) -> usize {
    match message {
        Immediate::Accept { decrees, .. } => weight(decrees),
        Immediate::Chosen { .. } | Immediate::Nack { .. } => 0,
    }
}

fn weight<V: Value>(run: &[Decree<V>]) -> usize {
    run.iter().map(Decree::weight).sum()
}

fn is_of<V>(message: &Immediate<V>, wanted: Ballot) -> bool {
    match message {
        Immediate::Accept { ballot, .. }
        | Immediate::Chosen { ballot, .. }
        | Immediate::Nack { ballot, .. } => *ballot == wanted,
    }
}
