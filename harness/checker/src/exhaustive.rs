//! The exact search: slow, short, and without chance.
//!
//! It tries every operation whose turn it can be, in every order, and remembers whole
//! configurations instead of hashes of them. It shares no code with the fast search: the fuzz holds
//! one against the other, and every core of a violation is judged here again before it is shown.

use std::collections::HashSet;

use super::budget::{Cause, Meter};
use super::model::{Model, Timed};

/// Returns whether the model accepts the operations in some order that respects real time.
///
/// # Errors
///
/// The cause, if the meter's budget ran out.
pub fn is_legal<M: Model>(
    model: &M,
    operations: &[Timed<M::Operation>],
    meter: &mut Meter,
) -> Result<bool, Cause> {
    let words = operations.len().div_ceil(64);
    let mut visited = HashSet::new();
    let mut open = vec![(vec![0_u64; words].into_boxed_slice(), model.initial())];
    let mut bytes = 0;
    while let Some((taken, state)) = open.pop() {
        let weight = model.weight(&state);
        let size = words * 8 + weight + BYTES_PER_CONFIGURATION;
        meter.work((operations.len() * size) as u64 / BYTES_PER_WORK);
        // The sets may be about to double.
        meter.step(|| bytes + (visited.len() + open.len()) * size_of::<Open<M>>() * 2)?;
        let is_left = |index: usize| taken[index / 64] >> (index % 64) & 1 == 0;
        let left = || operations.iter().enumerate().filter(|(index, _)| is_left(*index));
        // What has no return may never have happened, so no order has to hold it.
        if left().all(|(_, operation)| operation.returned.is_none()) {
            return Ok(true);
        }
        let barrier = left().filter_map(|(_, operation)| operation.returned).min();
        for (index, next) in left() {
            let in_turn = barrier.is_none_or(|barrier| next.called < barrier);
            let after = model.step(&state, &next.operation).filter(|_| in_turn);
            if let Some(after) = after {
                let mut taken = taken.clone();
                taken[index / 64] |= 1 << (index % 64);
                if visited.insert((taken.clone(), after.clone())) {
                    // One copy is in the set, and one on the stack.
                    bytes += size * 2;
                    open.push((taken, after));
                }
            }
        }
    }
    Ok(false)
}

/// A configuration: which operations were taken, and the state.
type Open<M> = (Box<[u64]>, <M as Model>::State);

/// What the allocator adds to a configuration.
const BYTES_PER_CONFIGURATION: usize = 48;

/// How many bytes are copied in a unit of work.
const BYTES_PER_WORK: u64 = 64;
