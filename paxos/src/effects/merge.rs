//! Adjoining messages of one ballot to one receiver, said as one.
//!
//! Which of them stand beside each other in the outbox is left to the effects. The claim kept true:
//! what is merged says what both said, and is bounded in decrees and in bytes.

use crate::ballot::Ballot;
use crate::message::Free;
use crate::multi::decree::{Decree, Value};

/// The most decrees that one Accept carries after merging.
pub const ACCEPT_RUN_MAX: usize = 64;

/// The most bytes of decrees that merging gathers in one Accept; a single decree may be larger.
pub const ACCEPT_BYTES_MAX: usize = 1 << 20;

/// Adds `next` to `last` where one message can say both, and tells whether it did.
pub(super) fn merged<V: Value>(last: &mut Free<V>, next: &Free<V>) -> bool {
    match (last, next) {
        (
            Free::Accept { ballot, first, decrees, chosen },
            Free::Accept { ballot: same, first: behind, decrees: more, chosen: later },
        ) if ballot == same
            && first.plus(decrees.len() as u64) == *behind
            && has_room(decrees, more) =>
        {
            decrees.extend_from_slice(more);
            *chosen = (*chosen).max(*later);
            true
        }
        (
            Free::Accept { ballot, chosen, .. } | Free::Chosen { ballot, chosen },
            Free::Chosen { ballot: same, chosen: later },
        ) if ballot == same => {
            *chosen = (*chosen).max(*later);
            true
        }
        (last @ Free::Chosen { .. }, Free::Accept { ballot, .. }) if is_of(last, *ballot) => {
            *last = next.clone();
            true
        }
        (Free::Accept { .. } | Free::Chosen { .. } | Free::Nack { .. }, _) => false,
    }
}

/// Tells whether one message can carry both runs.
fn has_room<V: Value>(decrees: &[Decree<V>], more: &[Decree<V>]) -> bool {
    let weight = |run: &[Decree<V>]| run.iter().map(Decree::weight).sum::<usize>();
    decrees.len() + more.len() <= ACCEPT_RUN_MAX
        && weight(decrees) + weight(more) <= ACCEPT_BYTES_MAX
}

fn is_of<V>(message: &Free<V>, wanted: Ballot) -> bool {
    match message {
        Free::Accept { ballot, .. } | Free::Chosen { ballot, .. } | Free::Nack { ballot, .. } => {
            *ballot == wanted
        }
    }
}
