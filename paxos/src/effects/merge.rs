//! Adjoining messages of one ballot to one receiver, said as one.
//!
//! Which of them stand beside each other in the outbox is left to the effects. The claim kept true:
//! what is merged says what both said, and is bounded in decrees and in bytes.

use crate::ballot::Ballot;
use crate::message::Immediate;
use crate::multi::decree::{Decree, Value};

/// The most decrees that one Accept carries after merging.
pub const ACCEPT_RUN_MAX: usize = 64;

/// The most bytes of decrees that merging gathers in one Accept; a single decree may be larger.
pub const ACCEPT_BYTES_MAX: usize = 1 << 20;

/// Adds `next` to `last` where one message can say both, and tells whether it did.
pub(super) fn merged<V: Value>(last: &mut Immediate<V>, next: &Immediate<V>) -> bool {
    match (last, next) {
        (
            Immediate::Accept { ballot, first, decrees, chosen },
            Immediate::Accept { ballot: same, first: behind, decrees: more, chosen: later },
        ) if ballot == same
            && first.plus(decrees.len() as u64) == *behind
            && has_room(decrees, more) =>
        {
            decrees.extend_from_slice(more);
            *chosen = (*chosen).max(*later);
            true
        }
        (
            Immediate::Accept { ballot, chosen, .. } | Immediate::Chosen { ballot, chosen },
            Immediate::Chosen { ballot: same, chosen: later },
        ) if ballot == same => {
            *chosen = (*chosen).max(*later);
            true
        }
        (last @ Immediate::Chosen { .. }, Immediate::Accept { ballot, .. })
            if is_of(last, *ballot) =>
        {
            // It announces what was chosen by its own, later moment, and so all that is replaced
            // here.
            *last = next.clone();
            true
        }
        (Immediate::Accept { .. } | Immediate::Chosen { .. } | Immediate::Nack { .. }, _) => false,
    }
}

/// Tells whether one message can carry both runs.
fn has_room<V: Value>(decrees: &[Decree<V>], more: &[Decree<V>]) -> bool {
    let weight = |run: &[Decree<V>]| run.iter().map(Decree::weight).sum::<usize>();
    decrees.len() + more.len() <= ACCEPT_RUN_MAX
        && weight(decrees) + weight(more) <= ACCEPT_BYTES_MAX
}

fn is_of<V>(message: &Immediate<V>, wanted: Ballot) -> bool {
    match message {
        Immediate::Accept { ballot, .. }
        | Immediate::Chosen { ballot, .. }
        | Immediate::Nack { ballot, .. } => *ballot == wanted,
    }
}
